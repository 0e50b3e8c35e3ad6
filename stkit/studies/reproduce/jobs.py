"""`stkit reproduce`: compute what is missing, head by head, and write records and pages."""

import shlex
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from stkit.errors import RequestError
from stkit.io.tensors import read_json, write_json, write_text
from stkit.runs.folders import slug
from stkit.runs.machine import circumstances, machine
from stkit.studies.reproduce.figures import FIGURES
from stkit.studies.reproduce.pages import claims_page, table_page
from stkit.studies.reproduce.records import Record
from stkit.studies.reproduce.request import Request, head_name
from stkit.studies.reproduce.tables import TABLES

NAMES = tuple(dict.fromkeys([*TABLES, *FIGURES]))
JPEG_QUALITY = 88

__all__ = ["NAMES", "Request", "reproduce"]


def reproduce(names: list[str], request: Request, say: Callable[[str], None] = print) -> Path:
    """Compute the named tables and figures (default: all) on every head, one head after the other;
    each is written as soon as it is there. Returns the page of claims.

    Raises RequestError for an unknown name, before anything is computed.
    """
    wanted = names or list(NAMES)
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        raise RequestError(f"{', '.join(unknown)}: unknown; there are: {', '.join(NAMES)}")
    for name in (n for n in wanted if n in TABLES):
        Record.load(request.place, name).check(request.prompt, request.editor, request.place)
    for head in request.heads:
        request.road(head).check(request.prompt, request.editor)
    for head in request.heads:
        for name in wanted:
            begun = time.monotonic()
            _one(name, head, request)
            say(f"{head_name(head)}, {name}: {(time.monotonic() - begun) / 60:.1f} minutes")
    return write_pages(request.place)


def _one(name: str, head: str, request: Request) -> None:
    """A head's numbers of one table, and its sheet of one figure."""
    if name in TABLES:
        _measure(name, head, request)
    if name in FIGURES and request.pictures:
        _draw(name, head, request)


def _measure(name: str, head: str, request: Request) -> None:
    table, begun = TABLES[name], time.monotonic()
    road = request.rig_road(head) if table.rig else request.road(head)
    if road is None:
        return
    rows = table.rows(road, request, table.columns)
    record = Record.load(request.place, name)
    record.put(head_name(head), rows, _origin(request, road.settings.name, begun))
    record.save(request.place)


def _origin(request: Request, profile: str, begun: float) -> dict:
    """What a head's numbers or sheet were computed on; minutes count what was not in the store."""
    return {
        "profile": profile,
        "seeds": request.seeds,
        "prompt": request.prompt,
        "editor": request.editor,
        "stand_ins": f"editor {request.editor}, mesh-prior views, MakeHuman's face model",
        "minutes": (time.monotonic() - begun) / 60,
        "machine": machine(),
        **circumstances(),
    }


def _draw(name: str, head: str, request: Request) -> None:
    road, begun = request.road(head), time.monotonic()
    figure = FIGURES[name](road, request)
    if figure is None:
        return
    file = f"{name}-{slug(head_name(head))}.jpg"
    request.place.mkdir(parents=True, exist_ok=True)
    Image.fromarray(figure.picture).save(request.place / file, quality=JPEG_QUALITY)
    sheets = read_json(request.place / "figures.json")
    origin = _origin(request, road.settings.name, begun)
    sheets.setdefault(name, {})[head_name(head)] = {
        "file": file,
        "alt": figure.alt,
        "caption": figure.caption,
        "origin": origin,
    }
    write_json(request.place / "figures.json", sheets)


def write_pages(folder: Path) -> Path:
    """Every page anew from the records in a folder; the page of claims comes last and is
    returned.
    """
    records = {name: Record.load(folder, name) for name in TABLES}
    for name, record in records.items():
        if record.rows:
            write_text(
                folder / f"{name}.md", table_page(TABLES[name], record, command(name, record))
            )
    sheets = read_json(folder / "figures.json")
    if sheets:
        write_text(folder / "figures.md", figures_page(sheets))
    path = folder / "claims.md"
    write_text(path, claims_page(records))
    return path


def command(name: str, record: Record) -> str:
    """What makes a record again."""
    heads = " ".join(shlex.quote(head) for head in record.rows)
    last = list(record.origin.values())[-1]
    return (
        f"stkit reproduce {name} --heads {heads} --profile {last['profile']} "
        f"--seeds {last['seeds']} --prompt {shlex.quote(last['prompt'])} "
        f"--editor {shlex.quote(last['editor'])}"
    )


def figures_page(sheets: dict[str, dict[str, dict]]) -> str:
    """All sheets under the numbers of the paper's figures."""
    parts = ["# The paper's figures, on our heads", FIGURES_NOTE]
    for name in (n for n in FIGURES if n in sheets):
        parts.append(f"## Figure {name.removeprefix('figure')}")
        for head, sheet in sheets[name].items():
            origin = sheet["origin"]
            made = f"{head}, profile {origin['profile']}, {origin['stand_ins']}, {origin['code']}"
            parts += [f"![{sheet['alt']}]({sheet['file']})", f"*{sheet['caption']} ({made})*"]
    return "\n\n".join([*parts, ""])


FIGURES_NOTE = (
    "Each sheet has the number of the paper's figure that asks the same question. The heads are "
    "made-up people, and the editor and the views are the kit's stand-ins."
)
