"""Gaussians as a PLY file with the fields of 3D Gaussian Splatting, and back."""

from pathlib import Path

import numpy as np

from stkit.errors import RequestError
from stkit.export.conventions import TrainedFields, camera_axes
from stkit.io.tensors import replace_file
from stkit.io.untrusted import UnsafeFileError, guard
from stkit.render.gaussians import Gaussians

MEANS, SH0 = ("x", "y", "z"), ("f_dc_0", "f_dc_1", "f_dc_2")
NORMALS = ("nx", "ny", "nz")  # always zero; readers of the first tools expect them
SCALES = ("scale_0", "scale_1", "scale_2")
QUATS = ("rot_0", "rot_1", "rot_2", "rot_3")
COLUMNS = (*MEANS, *NORMALS, *SH0, "opacity", *SCALES, *QUATS)
LONGEST_HEADER = 100_000  # bytes
MOST_POINTS = 20_000_000  # that are read; a head has 10,000 to 100,000
TYPES = {"float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8", "uchar": "u1"}


def write_ply(gaussians: Gaussians, path: Path) -> None:
    """A PLY of degree 0 in 3DGS's axes (y down, z away from the camera), decimetres."""
    fields = TrainedFields.of(camera_axes(gaussians))
    count = len(gaussians)
    parts = [fields.means, np.zeros((count, 3), np.float32), fields.sh0]
    data = np.concatenate([*parts, fields.opacities[:, None], fields.scales, fields.quats], 1)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment made by stkit: a synthetic head; y down, decimetres",
        f"element vertex {count}",
        *(f"property float {name}" for name in COLUMNS),
        "end_header",
    ]
    text = ("\n".join(header) + "\n").encode()
    replace_file(Path(path), lambda part: part.write_bytes(text + data.astype("<f4").tobytes()))


def read_ply(path: Path) -> Gaussians:
    """The Gaussians of any 3DGS PLY file: in our axes, taken as decimetres; of spherical harmonics
    the constant alone. Raises RequestError naming the file.
    """
    return guard(path, lambda: camera_axes(_read(Path(path)).gaussians()))


def _read(path: Path) -> TrainedFields:
    with path.open("rb") as file:
        start = file.read(LONGEST_HEADER)
    head, mark, _ = start.partition(b"end_header\n")
    if not mark or not head.startswith(b"ply"):
        raise UnsafeFileError("not a PLY file, or its header does not end")
    kind, count = _layout(head.decode("ascii").splitlines())
    if not 0 < count <= MOST_POINTS:
        raise UnsafeFileError(f"{count} points; from 1 to {MOST_POINTS} can be read")
    room = path.stat().st_size - len(head) - len(mark)
    if room < count * kind.itemsize:
        raise UnsafeFileError(f"{count} points need {count * kind.itemsize} bytes; it has {room}")
    rows = np.fromfile(path, kind, count, offset=len(head) + len(mark))
    missing = [name for name in COLUMNS if name not in (*NORMALS, *(kind.names or ()))]
    if missing:
        raise UnsafeFileError(f"no Gaussians: it lacks {', '.join(missing)}")

    def columns(names: tuple[str, ...]) -> np.ndarray:
        return np.stack([rows[name].astype(np.float32) for name in names], 1)

    found = TrainedFields(
        columns(MEANS), columns(SCALES), columns(QUATS), columns(("opacity",))[:, 0], columns(SH0)
    )
    if not all(np.isfinite(x).all() for x in vars(found).values()):
        raise UnsafeFileError("holds numbers that are not finite")
    return found


def _layout(lines: list[str]) -> tuple[np.dtype, int]:
    """A row of the vertices, and how many there are; they must come first in the file."""
    if "format binary_little_endian 1.0" not in lines:
        raise RequestError("is not little-endian binary; write it anew with any splat editor")
    elements = [k for k, line in enumerate(lines) if line.startswith("element ")]
    if not elements or not lines[elements[0]].startswith("element vertex "):
        raise RequestError("has no vertices at its start; is it a compressed PLY?")
    until = elements[1] if len(elements) > 1 else len(lines)
    words = [line.split() for line in lines[elements[0] + 1 : until]]
    properties = [(w[2], TYPES[w[1]]) for w in words if w[0] == "property"]
    return np.dtype(properties), int(lines[elements[0]].split()[2])
