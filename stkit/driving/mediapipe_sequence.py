"""Results of MediaPipe's Face Landmarker as people save them: a JSON list, one result a frame.

A result has faceBlendshapes[0].categories, each with categoryName and score, and where it was asked
for facialTransformationMatrixes[0].data, 16 numbers by columns. Python's names are read too
(face_blendshapes, category_name, facial_transformation_matrixes).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stkit.driving.arkit import beta_of_arkit
from stkit.driving.parameters import Tracked, even_times
from stkit.errors import RequestError
from stkit.geometry import so3_log
from stkit.io.limits import read_text
from stkit.io.untrusted import guard

SHAPES = ("faceBlendshapes", "face_blendshapes")
MATRICES = ("facialTransformationMatrixes", "facial_transformation_matrixes")


def is_mediapipe(path: Path) -> bool:
    """Whether a JSON file begins like such a list."""
    with path.open("rb") as file:
        start = file.read(2000)
    return start.lstrip().startswith(b"[") and any(name.encode() in start for name in SHAPES)


def read_mediapipe(path: Path) -> Tracked:
    """Read a file; a frame without a face repeats the one before. Head turns count from the first
    frame. Raises RequestError naming the file.
    """
    actions, rotation = guard(path, lambda: _read(json.loads(read_text(path))))
    series = {name: np.array([frame.get(name, 0.0) for frame in actions]) for name in actions[0]}
    beta = beta_of_arkit(path, series)
    return Tracked(beta, rotation, even_times(len(beta)), str(path))


def _read(results: Any) -> tuple[list[dict[str, float]], Tensor]:
    """Actions by name and head turns (F, 3)."""
    actions: list[dict[str, float]] = []
    turns: list[Tensor] = []
    for result in results:
        shapes = _first(result, SHAPES)
        if shapes is None:
            if actions:
                actions.append(actions[-1])
                turns.append(turns[-1])
            continue
        categories = shapes["categories"] if isinstance(shapes, dict) else shapes
        actions.append({_name(c): float(c["score"]) for c in categories})
        turns.append(_turn(_first(result, MATRICES)))
    if not actions:
        raise RequestError("no frame shows a face")
    R = torch.stack(turns)
    return actions, so3_log(R @ R[0].T)


def _first(result: dict, names: tuple[str, ...]) -> Any:
    """The first face's entry under one of these names, or None."""
    entries: Any = next((result[name] for name in names if result.get(name)), [])
    return entries[0] if len(entries) else None


def _name(category: dict) -> str:
    return str(category.get("categoryName") or category["category_name"])


def _turn(matrix: Any) -> Tensor:
    """The rotation (3, 3) of a transformation: columns in a flat list, rows in a nested one."""
    if matrix is None:
        return torch.eye(3)
    data = matrix["data"] if isinstance(matrix, dict) else matrix
    values = torch.tensor(data, dtype=torch.float32)
    square = values.reshape(4, 4).T if values.ndim == 1 else values
    if square.shape != (4, 4) or not torch.isfinite(square).all():
        raise RequestError("a transformation is not 4 x 4 finite numbers")
    u, _, v = torch.linalg.svd(square[:3, :3])
    return u @ torch.diag(torch.tensor([1.0, 1.0, float(torch.det(u @ v))])) @ v
