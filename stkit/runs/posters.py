"""What a code host shows of a notebook: `python -m stkit.runs.posters [NUMBER ...]` runs lessons
and keeps in them the words of their checks and small pictures of their figures.
"""

import argparse
import base64
import io
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image

from stkit.assets import repository
from stkit.io.tensors import read_json, write_json, write_text
from stkit.runs.machine import circumstances, machine
from stkit.runs.notebooks import execute, find_notebook, lesson_files

KEPT = "keep_output"  # the tag of cells whose outputs are kept
CHECKED = "nbval-check-output"  # and of those that check claims
LARGEST, QUALITY = 760, 70  # width in pixels, and of the JPEG
CAPTION = "text/markdown"


def poster(png: str) -> str:
    """A picture as a small JPEG, both in base64."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    if picture.width > LARGEST:
        picture = picture.resize((LARGEST, round(picture.height * LARGEST / picture.width)))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def shown(output: NotebookNode) -> NotebookNode | None:
    """What is kept of an output: printed lines, a figure's poster with its alt text, a caption."""
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    data = output.get("data", {})
    if "image/png" in data:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        kept = {"image/jpeg": poster(data["image/png"]), "text/plain": alt or "a figure"}
        metadata = {"image/jpeg": {"alt": alt}} if alt else {}
        return nbformat.v4.new_output("display_data", kept, metadata=metadata)
    if CAPTION in data:
        return nbformat.v4.new_output("display_data", {CAPTION: data[CAPTION]})
    return None


def keep(path: Path, executed: Path) -> None:
    """Write into a notebook what is kept of the outputs of its executed copy."""
    notebook, ran = nbformat.read(path, 4), nbformat.read(executed, 4)
    outputs = {cell.id: cell.get("outputs", []) for cell in ran.cells}
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), 1):
        wanted = KEPT in cell.metadata.get("tags", [])
        found = [shown(output) for output in outputs[cell.id]] if wanted else []
        cell.outputs = _joined([output for output in found if output])
        cell.execution_count = number if wanted else None  # nbval takes a cell without for unrun
    path.write_text(nbformat.writes(notebook, ensure_ascii=False) + "\n", encoding="utf-8")


def account(executed: NotebookNode) -> dict[str, float]:
    """Seconds until the first figure is there and in all, without the kernel's start, and lines of
    code without parameters, imports and comments: all of them, and those of the checks.
    """
    seconds, first, lines, checks = 0.0, 0.0, 0, 0
    for cell in (c for c in executed.cells if c.cell_type == "code"):
        tags = cell.metadata.get("tags", [])
        seconds += cell.metadata.get("papermill", {}).get("duration") or 0.0
        if not first and any("image/png" in o.get("data", {}) for o in cell.outputs):
            first = seconds
        if not {"parameters", "injected-parameters"} & set(tags):
            count = sum(map(_is_code, cell.source.splitlines()))
            lines += count
            checks += count if CHECKED in tags else 0
    return {"first_figure": first, "seconds": seconds, "lines": lines, "checks": checks}


def _is_code(line: str) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith(("#", "from ", "import "))


def write_table(folder: Path, found: dict[str, dict[str, float]]) -> None:
    """What `account` found of each lesson, as lessons.json and as a page; others stay in both."""
    known = read_json(folder / "lessons.json").get("lessons", {}) | found
    about = circumstances() | {"machine": machine()}
    write_json(folder / "lessons.json", {"lessons": dict(sorted(known.items())), **about})
    rows = [
        "| lesson | seconds to the first figure | seconds in all | lines of code | of them checks |"
    ]
    rows += ["|---|---|---|---|---|"]
    for name, a in sorted(known.items()):
        times = f"{a['first_figure']:.0f} | {a['seconds']:.0f}"
        rows.append(f"| {name} | {times} | {a['lines']:.0f} | {a['checks']:.0f} |")
    where = f"{about['machine']}, one thread a kernel, {about['code']}"
    write_text(folder / "lessons.md", "\n".join([PAGE.format(where=where), *rows, ""]))


PAGE = """# What the lessons take

    OMP_NUM_THREADS=1 STKIT_THREADS=1 python -m stkit.runs.posters

Seconds of computing on the run that ships, without the kernel's start ({where}), and
lines of code without parameters, imports and comments.
"""


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Lines printed one after another as one output: how they are split is chance."""
    out: list[NotebookNode] = []
    for output in outputs:
        if out and output.output_type == "stream" == out[-1].output_type:
            out[-1].text += output.text
        else:
            out.append(output)
    return out


def main(arguments: list[str] | None = None) -> None:
    """Run and write the named notebooks, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="numbers or names")
    names = parser.parse_args(arguments).notebooks
    paths = [find_notebook(name) for name in names] or lesson_files()
    found = {}
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            copy = execute(path, {}, Path(folder) / path.name)
            keep(path, copy)
            found[path.stem] = account(nbformat.read(copy, 4))
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)
    write_table(repository() / "docs" / "teach", found)


if __name__ == "__main__":
    main()
