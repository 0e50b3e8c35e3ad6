"""A head that somebody else made, in a page: from all sides, with its weight map, edited or not."""

from dataclasses import replace
from pathlib import Path

from stkit.cameras import front_camera
from stkit.diffusion.editors import get_editor
from stkit.editing.settings import EditSettings
from stkit.editing.static_head import edit_static, static_head
from stkit.errors import RequestError
from stkit.export.marks import mark
from stkit.export.ply import read_ply, write_ply
from stkit.export.statement import Statement
from stkit.geometry import nearest
from stkit.io.tensors import write_text
from stkit.runs.digests import digest_path
from stkit.viewers.packing import pack_gaussians
from stkit.viewers.page import page

SIZE = 384  # pixels of the page's first picture


def look(
    file: Path, folder: Path, settings: EditSettings, editor: str = "paint", b: float = 0.7
) -> list[Path]:
    """Write FILE.html, and with a prompt FILE.edited.ply, into a folder; their paths.

    Raises RequestError naming the file where it holds no head.
    """
    tool = get_editor(editor)
    if settings.prompt:
        tool.check(settings.prompt)
    gaussians = read_ply(file)
    try:
        head = static_head(gaussians)
    except RequestError as e:
        raise RequestError(f"{file}: {e}") from e
    statement = Statement(source=file.name, digest=digest_path(file))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    edited = None
    if settings.prompt:
        edited = edit_static(head, tool, settings, b)
        statement = replace(statement, edit=settings.prompt, editor=tool.name)
        written.append(folder / f"{file.stem}.edited.ply")
        write_ply(edited, written[0])
    distance = nearest(head.gaussians.means, head.landmarks)[0][:, 0]
    alt = f"The head of {file.name}, a cloud of {len(head.gaussians)} Gaussians"
    packet = pack_gaussians(head.gaussians, front_camera(SIZE), distance, edited, alt)
    note = f"Synthetic: Gaussians read from {file.name}; w counts from landmarks found in a picture"
    text = page(packet, f"{file.stem}: a static head", settings.prompt, tool.name, note)
    written.append(folder / f"{file.stem}.html")
    write_text(written[-1], text)
    for path in written:
        mark(path, statement)
    return written
