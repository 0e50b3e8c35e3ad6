"""Sequences of FLAME parameters, as trackers and speech models leave them in an .npz file.

FLAME itself must be at hand (`stkit assets where flame`): its landmarks carry the expression over.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.capture.capture import Capture
from stkit.driving.parameters import Tracked, even_times
from stkit.errors import RequestError
from stkit.face_models.flame import EXPRESSIONS
from stkit.face_models.landmarks import KEPT_66
from stkit.face_models.protocol import FaceModel
from stkit.face_models.transfer import beta_of, carry_expressions
from stkit.geometry import so3_exp, so3_log
from stkit.io.limits import read_npz
from stkit.io.tensors import replace_file
from stkit.io.untrusted import guard

# Keys that files in circulation use, and the width of what they hold; None is any width.
KEYS: dict[str, tuple[tuple[str, ...], int | None]] = {
    "expr": (("expr", "expression", "exp"), None),
    "jaw_pose": (("jaw_pose", "jaw"), 3),
    "eyes_pose": (("eyes_pose", "eyes"), 6),
    "rotation": (("rotation", "global_orient"), 3),
}


@dataclass(frozen=True)
class _Sequence:
    """Arrays of a file, a row a frame; eyes and rotation may be missing."""

    expression: np.ndarray
    jaw: np.ndarray
    eyes: np.ndarray | None
    rotation: np.ndarray | None


def read_flame_sequence(path: Path, model: FaceModel | None = None) -> Tracked:
    """Read expr (F, up to 100), jaw_pose (F, 3), and perhaps eyes_pose (F, 6) and rotation (F, 3).

    Rotations count from the first frame; there are 25 frames a second. `model` is FLAME, by default
    the asset of the manifest. Raises ValueError naming the file, FileNotFoundError without FLAME.
    """
    return tracked_by_flame(path, guard(path, lambda: _arrays(path)), model)


def tracked_by_flame(
    path: Path, arrays: dict[str, np.ndarray], model: FaceModel | None = None
) -> Tracked:
    """Arrays by the names of `KEYS`, a row a frame, as motion of the built-in head. Raises
    RequestError naming the file or folder, MissingFileError without FLAME.
    """
    sequence = _checked(path, arrays)
    model = model or face_models.get("flame")
    beta = _flame_beta(sequence, model.betas)
    frames = len(beta)
    ids = model.landmarks[KEPT_66]
    identity = torch.zeros(len(model.identity))
    points = model.points(ids, identity, beta)
    neutral = model.points(ids, identity, torch.zeros(1, model.betas))[0]
    turn = torch.zeros(frames, 3)
    if sequence.rotation is not None:
        R = so3_exp(torch.from_numpy(sequence.rotation))
        turn = so3_log(R @ R[0].T)
    return Tracked(
        beta_of(points, neutral, face_models.builtin()),
        rotation=turn,
        times=even_times(frames),
        source=str(path),
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """What the file holds of `KEYS`."""
    found, data = {}, read_npz(path)
    for name, (keys, _) in KEYS.items():
        key = next((key for key in keys if key in data), None)
        if key is not None:
            found[name] = np.asarray(data[key], np.float32)
    if "pose" in data and "jaw_pose" not in found:  # DECA's: the head's turn, then the jaw's
        pose = np.asarray(data["pose"], np.float32).reshape(-1, 6)
        found |= {"rotation": pose[:, :3], "jaw_pose": pose[:, 3:]}
    if "expr" not in found or "jaw_pose" not in found:
        raise RequestError("has no 'expr' and 'jaw_pose'")
    return found


def write_flame_sequence(capture: Capture, path: Path, model: FaceModel | None = None) -> None:
    """A capture's motion in the keys that VHAP and its like use: expr (F, 50), jaw_pose (F, 3),
    eyes_pose (F, 6) and rotation (F, 3), carried over to FLAME by the landmarks.
    """
    model = model or face_models.get("flame")
    beta = carry_expressions(capture.beta, capture.face(), model).numpy().astype(np.float32)
    jaw, eyes = EXPRESSIONS + 3, EXPRESSIONS + 9
    arrays = {
        "expr": beta[:, :EXPRESSIONS],
        "jaw_pose": beta[:, EXPRESSIONS:jaw],
        "eyes_pose": beta[:, jaw:eyes],
        "rotation": capture.pose[:, :3].numpy(),
    }

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, **arrays)

    replace_file(Path(path), write)


def _checked(path: Path, arrays: dict[str, np.ndarray]) -> _Sequence:
    frames = len(arrays["expr"])
    for name, array in arrays.items():
        width = KEYS[name][1]
        fits = array.ndim == 2 and len(array) == frames > 0
        if not fits or (width and array.shape[1] != width) or not np.isfinite(array).all():
            raise RequestError(
                f"{path}: {name} is {array.shape} or not finite, "
                f"expected ({frames}, {width or 'coefficients'})"
            )
    return _Sequence(
        arrays["expr"], arrays["jaw_pose"], arrays.get("eyes_pose"), arrays.get("rotation")
    )


def _flame_beta(sequence: _Sequence, betas: int) -> Tensor:
    """Expressions (F, 59) of `Flame`: coefficients, then the angles of jaw and eyes."""
    count = min(EXPRESSIONS, sequence.expression.shape[1])
    beta = torch.zeros(len(sequence.expression), betas)
    beta[:, :count] = torch.from_numpy(sequence.expression[:, :count])
    beta[:, EXPRESSIONS : EXPRESSIONS + 3] = torch.from_numpy(sequence.jaw)
    if sequence.eyes is not None:
        beta[:, EXPRESSIONS + 3 :] = torch.from_numpy(sequence.eyes)
    return beta
