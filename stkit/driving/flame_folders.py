"""Folders in which trackers leave FLAME's parameters, one file or folder a frame.

VHAP: flame_param/00000.npz. metrical-tracker, and FlashAvatar's data: checkpoint/00000.frame.
EMOCA: a folder a frame with exp.npy and pose.npy. Nothing in the files is executed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stkit.driving.flame_sequence import KEYS, tracked_by_flame
from stkit.driving.parameters import Tracked
from stkit.errors import RequestError
from stkit.face_models.protocol import FaceModel
from stkit.geometry import so3_log
from stkit.io.checkpoint import load_checkpoint
from stkit.io.limits import read_npz
from stkit.io.safe_pickle import load_npy
from stkit.io.untrusted import guard

Frame = dict[str, np.ndarray]  # by the names of `KEYS`
# PyTorch3D's cameras look along +z with x to the left; ours, and FLAME's faces, have x to the right
# in the picture and look along +z towards the camera
TO_OURS = np.diag([-1.0, 1.0, -1.0])


def flame_frames(folder: Path) -> tuple[list[Path], Callable[[Path], Frame]] | None:
    """The frames' files and what reads one; None where the folder is of no kind known here."""
    kinds: list[tuple[list[Path], Callable[[Path], Frame]]] = [
        (sorted(folder.glob("flame_param/*.npz")), _vhap),
        (sorted(folder.glob("checkpoint/*.frame")) or sorted(folder.glob("*.frame")), _metrical),
        (sorted(p.parent for p in folder.glob("*/exp.npy")), _emoca),
    ]
    return next(((files, read) for files, read in kinds if files), None)


def read_flame_folder(folder: Path, model: FaceModel | None = None) -> Tracked:
    """Read a folder of any of the kinds; there are 25 frames a second, and head turns count from
    the first frame. Raises RequestError naming the file, MissingFileError without FLAME.
    """
    found = flame_frames(folder)
    if found is None:
        raise RequestError(f"{folder}: holds no flame_param/, checkpoint/ or folders with exp.npy")
    files, read = found
    frames = [read(file) for file in files]
    names = set(frames[0])
    for file, frame in zip(files, frames):
        shapes = {name: x.shape for name, x in frame.items()}
        if shapes != {name: x.shape for name, x in frames[0].items()}:
            raise RequestError(f"{file}: holds other arrays than {files[0].name}: {shapes}")
    arrays = {name: np.concatenate([frame[name] for frame in frames]) for name in names}
    return tracked_by_flame(folder, arrays, model)


def _rows(file: Path, values: dict[str, Any]) -> Frame:
    """Values of one frame as rows (1, width) of finite numbers."""
    rows = {}
    for name, value in values.items():
        try:
            row = np.asarray(value, np.float32).reshape(1, -1)
        except (TypeError, ValueError) as e:
            raise RequestError(f"{file}: {name} holds no numbers ({e})") from e
        if not np.isfinite(row).all():
            raise RequestError(f"{file}: {name} is not finite")
        rows[name] = row
    return rows


def _vhap(file: Path) -> Frame:
    def read() -> Frame:
        data = read_npz(file)
        found = {}
        for name, (keys, _) in KEYS.items():
            key = next((key for key in keys if key in data), None)
            if key is not None:
                found[name] = data[key]
        return _rows(file, found)

    return guard(file, read)


def _metrical(file: Path) -> Frame:
    """Jaw and eyes are the first two rows of rotation matrices; the head stays where it is and the
    camera turns, so that the head's turn is the camera's view of it.
    """
    data = load_checkpoint(file)

    def read() -> Frame:
        flame, view = data["flame"], np.asarray(data["camera"]["R"], float).reshape(3, 3).T
        jaw, eyes = (np.asarray(flame[name], float).reshape(-1, 6) for name in ("jaw", "eyes"))
        turns = so3_log(torch.stack([_matrix(x) for x in (*jaw[:1], *eyes[:2])])).numpy()
        head = so3_log(torch.from_numpy(TO_OURS @ view)).numpy()
        values = {"expr": flame["exp"], "jaw_pose": turns[0], "eyes_pose": turns[1:]}
        return _rows(file, values | {"rotation": head})

    return guard(file, read)


def _matrix(six: np.ndarray) -> torch.Tensor:
    """The rotation whose first two rows point along six numbers (Zhou et al. 2019)."""
    a, b = np.split(six, 2)
    first = a / np.linalg.norm(a)
    second = b - (first @ b) * first
    second /= np.linalg.norm(second)
    return torch.from_numpy(np.stack([first, second, np.cross(first, second)]))


def _emoca(folder: Path) -> Frame:
    codes = {name: load_npy(folder / f"{name}.npy") for name in ("exp", "pose")}
    rows = _rows(folder, codes)
    if rows["pose"].shape != (1, 6):
        raise RequestError(f"{folder / 'pose.npy'}: holds {rows['pose'].size} numbers, not 6")
    pose = rows["pose"]
    return {"expr": rows["exp"], "rotation": pose[:, :3], "jaw_pose": pose[:, 3:]}
