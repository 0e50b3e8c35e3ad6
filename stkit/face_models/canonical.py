"""From a file's arrays to a face model in stkit's canonical space, with every array checked."""

import numpy as np
import torch
from torch import Tensor

from stkit.errors import RequestError
from stkit.face_models.builtin import builtin
from stkit.face_models.landmarks import EYE_CORNERS
from stkit.face_models.linear import LinearModel

MIN_VERTICES = 68  # as many as there are landmarks
MAX_DIRECTIONS = 400  # of one basis; the largest known model has 300
EYE_DISTANCE = (0.02, 10.0)  # decimetres between the outer eye corners that are taken for a face


def canonical(
    name: str,
    mean: np.ndarray,
    faces: np.ndarray,
    identity: np.ndarray,
    expression: np.ndarray,
    landmarks: np.ndarray,
    unit: float | None,
) -> LinearModel:
    """A model in canonical space from mean (V, 3), faces (F, 3), identity (I, V, 3), expression
    (E, V, 3) and landmarks (68,).

    `unit` is how many decimetres one of the file's units is; None scales the outer eye corners to
    the built-in head's distance. The middle of the landmarks moves to the built-in head's. Raises
    ValueError saying which array does not fit.
    """
    _check_shapes(mean, faces, identity, expression, landmarks)
    _check_numbers(mean, faces, identity, expression, landmarks)
    head = builtin()
    home = head.mean[head.landmarks].numpy()
    points = mean[landmarks]
    right, left = EYE_CORNERS
    eyes = float(np.linalg.norm(points[right] - points[left]))
    if unit is None:
        unit = float(np.linalg.norm(home[right] - home[left])) / max(eyes, 1e-9)
    if not EYE_DISTANCE[0] < eyes * unit < EYE_DISTANCE[1]:
        raise RequestError(
            "the eyes are an impossible distance apart: is the file of another kind or unit?"
        )
    shift = home.mean(0) - points.mean(0) * unit
    none = torch.zeros(0, dtype=torch.int64)
    return LinearModel(
        name,
        mean=_tensor(mean * unit + shift, np.float32),
        faces=_tensor(faces, np.int64),
        identity=_tensor(identity * unit, np.float32),
        expression=_tensor(expression * unit, np.float32),
        landmarks=_tensor(landmarks, np.int64),
        dense=none,
        dense_mediapipe=none,
        expression_names=tuple(f"beta {k}" for k in range(len(expression))),
    )


def _check_shapes(mean, faces, identity, expression, landmarks) -> None:
    count = len(mean)
    if mean.shape != (count, 3) or count < MIN_VERTICES:
        raise RequestError(
            f"the mean shape is {mean.shape}, expected (V, 3) with at least {MIN_VERTICES} vertices"
        )
    for label, basis in (("identity", identity), ("expression", expression)):
        fits = basis.ndim == 3 and basis.shape[1:] == (count, 3)
        if not fits or not 1 <= len(basis) <= MAX_DIRECTIONS:
            raise RequestError(
                f"the {label} basis is {basis.shape}, expected (directions, {count}, 3)"
            )
    if landmarks.shape != (68,):
        raise RequestError(f"there are {landmarks.size} landmark indices, expected 68")
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise RequestError(f"the triangles are {faces.shape}, expected (F, 3)")


def _check_numbers(mean, faces, identity, expression, landmarks) -> None:
    for label, index in (("triangles", faces), ("landmarks", landmarks)):
        if index.min() < 0 or index.max() >= len(mean):
            raise RequestError(f"the {label} name vertices outside 0..{len(mean) - 1}")
    arrays = (
        ("mean shape", mean),
        ("identity basis", identity),
        ("expression basis", expression),
    )
    for label, values in arrays:
        if not np.isfinite(values).all():
            raise RequestError(f"the {label} has values that are not finite")


def _tensor(array: np.ndarray, dtype: type) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=dtype))
