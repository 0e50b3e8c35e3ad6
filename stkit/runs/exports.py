"""A run's head in files that other programs open."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from stkit.capture import Capture
from stkit.errors import RequestError
from stkit.export.formats import FORMATS
from stkit.export.marks import mark
from stkit.export.mesh_files import write_mesh_glb, write_obj_folder
from stkit.export.rig import make_rig
from stkit.export.rig_files import DATA, DESCRIPTION, write_rig
from stkit.export.statement import Statement
from stkit.export.textured_mesh import textured_mesh
from stkit.heads.gaussian import GaussianHead
from stkit.heads.mesh import MeshHead
from stkit.runs.edits import open_base, shown_head
from stkit.runs.folders import run_folder


@dataclass(frozen=True)
class Exported:
    """What is written out: a run's name, its head (edited, or as it is), its capture, the mesh
    where a file asks for it, and what the files say of themselves.
    """

    run: str
    head: GaussianHead
    capture: Capture
    mesh: Callable[[], MeshHead]
    statement: Statement


def head_to_export(run: str, edited: bool = True) -> Exported:
    """A run's head: after its last edit, unless it has none or `edited` is False."""
    base = open_base(run)
    head, statement = shown_head(base, edited), base.statement({}, edited)
    return Exported(run, head, base.capture(), base.mesh_head, statement)


def _rig(what: Exported, folder: Path) -> None:
    name = Path(what.capture.source).name
    write_rig(make_rig(what.head, what.capture), what.capture.camera, folder, name)


def _textured(what: Exported):
    return textured_mesh(what.mesh(), what.head, what.capture)


# the files that are more than a cloud of Gaussians: how their names end, and what writes them
MOVABLE: dict[str, tuple[str, Callable[[Exported, Path], None]]] = {
    "obj": ("-obj", lambda what, path: write_obj_folder(_textured(what), path)),
    "mesh-glb": (".glb", lambda what, path: write_mesh_glb(_textured(what), path)),
    "rig": ("-rig", _rig),
}
KINDS = (*FORMATS, *MOVABLE)
SIGNED = (DESCRIPTION, DATA, "head.obj", "head.png")  # of what fills a folder


@torch.no_grad()
def export(what: Exported, kinds: list[str], folder: Path, frame: int | None = None) -> list[Path]:
    """Write a head as files of these kinds (default frame: the neutral one); their paths.

    Raises RequestError for an unknown kind or frame, before anything is written.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise RequestError(f"--to {unknown[0]}: choose from {', '.join(KINDS)}")
    count = len(what.capture)
    if frame is not None and not 0 <= frame < count:
        raise RequestError(f"--frame {frame}: the clip has frames 0 to {count - 1}")
    if frame is not None and any(kind in MOVABLE for kind in kinds):
        raise RequestError(f"--frame: {', '.join(MOVABLE)} move, and begin at the neutral frame")
    folder.mkdir(parents=True, exist_ok=True)
    neutral = replace(what.capture.frame_pose(what.capture.neutral), lattice=None)
    shown = neutral if frame is None else what.capture.frame_pose(frame)
    gaussians = what.head.gaussians(shown).detach()
    if not all(torch.isfinite(x).all() for x in gaussians.tensors()):
        raise RequestError(
            f"{what.run}: the head holds numbers that are not finite, so its file was damaged; "
            f"delete {run_folder(what.run) / 'gaussians'} and run the stage again"
        )
    written = []
    for kind in kinds:
        if kind in MOVABLE:
            ending, write = MOVABLE[kind]
            path = folder / f"{what.run}{ending}"
            write(what, path)
        else:
            path = folder / f"{what.run}{FORMATS[kind].suffix}"
            FORMATS[kind].write(gaussians, path)
        files = [path / name for name in SIGNED] if path.is_dir() else [path]
        for file in files:
            if file.exists():
                mark(file, what.statement)
        written.append(path)
    return written
