"""Coefficients of Basel 2009 over time, as SadTalker (.mat) and Deep3DFaceRecon (.npy, .mat) leave
them.

Basel 2009 with Guo's expressions must be at hand (`stkit assets where bfm2009`): its landmarks
carry the expression over. What a row holds is told by its length:

    64    expression
    70    expression 64, angles 3, translation 3 (SadTalker's coeff_3dmm; 73 with a crop after it)
    257   identity 80, expression 64, texture 80, angles 3, light 27, translation 3
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.driving.parameters import Tracked, checked, even_times
from stkit.errors import RequestError
from stkit.face_models.landmarks import KEPT_66
from stkit.face_models.protocol import FaceModel
from stkit.face_models.transfer import beta_of
from stkit.geometry import so3_exp, so3_log
from stkit.io.limits import read_mat
from stkit.io.safe_pickle import load_npy
from stkit.io.untrusted import guard

KEYS = ("coeff_3dmm", "coeff", "full_3dmm")  # under which files hold the rows
SEPARATE = ("exp", "angle")  # or apart, in Deep3DFaceRecon's own .mat
EXPRESSION = {64: slice(0, 64), 70: slice(0, 64), 73: slice(0, 64), 257: slice(80, 144)}
ANGLES = {70: slice(64, 67), 73: slice(64, 67), 257: slice(224, 227)}


def read_bfm_sequence(path: Path, model: FaceModel | None = None) -> Tracked:
    """Read a file; there are 25 frames a second, and head turns count from the first one.

    `model` is Basel 2009, by default the asset of the manifest. Raises ValueError naming the file,
    FileNotFoundError without Basel 2009.
    """
    expression, angles = guard(path, lambda: _read(path))
    coefficients = checked(path, expression)
    model = model or face_models.get("bfm2009")
    ids, identity = model.landmarks[KEPT_66], torch.zeros(len(model.identity))
    points = model.points(ids, identity, coefficients)
    neutral = model.points(ids, identity, torch.zeros(1, model.betas))[0]
    R = _rotations(checked(path, angles))
    return Tracked(
        beta_of(points, neutral, face_models.builtin()),
        rotation=so3_log(R @ R[0].T),
        times=even_times(len(coefficients)),
        source=str(path),
    )


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Expressions (F, 64) and angles (F, 3) of a file."""
    data = read_mat(path) if path.suffix.lower() == ".mat" else load_npy(path)
    if isinstance(data, dict) and all(name in data for name in SEPARATE):
        expression, angles = (np.atleast_2d(np.asarray(data[n], float)) for n in SEPARATE)
        return _as_rows(expression, 64), _as_rows(angles, 3)
    if isinstance(data, dict):
        key = next((key for key in KEYS if key in data), None)
        if key is None:
            raise RequestError(f"holds none of {', '.join(KEYS)}")
        data = data[key]
    rows = np.atleast_2d(np.asarray(data, float))
    width = rows.shape[-1]
    if rows.ndim != 2 or width not in EXPRESSION:
        known = ", ".join(map(str, EXPRESSION))
        raise RequestError(f"rows of shape {rows.shape}; a row has {known} numbers")
    angles = rows[:, ANGLES[width]] if width in ANGLES else np.zeros((len(rows), 3))
    return rows[:, EXPRESSION[width]], angles


def _as_rows(values: np.ndarray, width: int) -> np.ndarray:
    if values.ndim != 2 or values.shape[1] != width:
        raise RequestError(f"an array of shape {values.shape}, where rows of {width} are expected")
    return values


def _rotations(angles: Tensor) -> Tensor:
    """Rotations (F, 3, 3) of pitch, yaw and roll (F, 3), radians: first about x, then y, then z."""
    turns = [so3_exp(angles[:, k : k + 1] * torch.eye(3)[k]) for k in range(3)]
    return turns[2] @ turns[1] @ turns[0]
