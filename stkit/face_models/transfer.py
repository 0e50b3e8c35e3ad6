"""From one face model to another: landmarks for a mesh that has none, and expressions by what they do to the landmarks."""

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from stkit.face_models import FaceModel
from stkit.face_models.landmarks import KEPT_66


def carry_landmarks(mean: np.ndarray, faces: np.ndarray, rounds: int = 40) -> np.ndarray:
    """Vertices (68,) of a face mesh, mean (V, 3) in decimetres, upright and looking along +z, nearest to the built-in landmarks.

    The built-in head is fitted to the surface. Starts with both nose tips together; each round moves the built-in head by a similarity and its identity directions
    towards the nearest surface points.
    """
    from stkit.face_models import get

    head = get("builtin")
    used = np.unique(faces)
    target = mean[used]
    middle = np.abs(target[:, 0] - np.median(target[:, 0])) < 0.3
    if not middle.any():
        raise ValueError("the mesh has no middle line: is it a face, upright and looking along +z?")
    tip = target[middle][target[middle][:, 2].argmax()]
    face = np.flatnonzero(
        (head.surface.front > 0.3)
        & (head.surface.part == 0)
        & (np.abs(head.surface.above_mouth) > 0.02)
    )
    face = face[:: max(1, len(face) // 3000)]
    base, basis = (
        head.mean[face].numpy().astype(float),
        head.identity[:, face].numpy().astype(float),
    )
    nose = head.mean[head.landmarks[30]].numpy()
    tree = cKDTree(target)
    coefficients, scale, R, shift = np.zeros(len(basis)), 1.0, np.eye(3), tip - nose
    for k in range(rounds):
        shape = base + np.einsum("i,ivk->vk", coefficients, basis)
        at = scale * shape @ R.T + shift
        distance, index = tree.query(at)
        w = (distance < max(0.5 * 0.93**k, 0.06)).astype(float)[:, None]
        goal = target[index]
        a, b = (w * shape).sum(0) / w.sum(), (w * goal).sum(0) / w.sum()
        U, S, Vt = np.linalg.svd((w * (goal - b)).T @ (shape - a))
        D = np.diag([1, 1, np.sign(np.linalg.det(U @ Vt))])
        R = U @ D @ Vt
        scale = float((S * np.diag(D)).sum() / (w * (shape - a) ** 2).sum())
        shift = b - scale * R @ a
        if k > rounds // 4:
            left = ((goal - shift) @ R / scale - base) * w
            A = (basis * w).reshape(len(basis), -1)
            coefficients = np.linalg.solve(A @ A.T + 0.3 * np.eye(len(basis)), A @ left.reshape(-1))
    marks = head.verts(torch.from_numpy(coefficients).float())[head.landmarks].numpy()
    return used[tree.query(scale * marks @ R.T + shift)[1]]


def beta_of(points: Tensor, neutral: Tensor, face: FaceModel, stiffness: float = 2e-4) -> Tensor:
    """Expressions (F, 64) of `face` whose 66 landmarks move as canonical points (F, 66, 3) do since `neutral` (66, 3).

    Ridge regression of displacements, scaled by the two faces' eye distances, on what each coefficient does alone.
    """
    ids, identity = face.landmarks[KEPT_66], torch.zeros(len(face.identity))
    still = face.points(ids, identity, torch.zeros(1, 64))[0]
    eyes = lambda x: (x[36] - x[45]).norm()
    move = (points - neutral) * eyes(still) / eyes(neutral).clamp_min(1e-6)
    A = (face.points(ids, identity, torch.eye(64)) - still).reshape(64, -1)
    return torch.linalg.solve(
        A @ A.T + stiffness * 66 * torch.eye(64), A @ move.reshape(len(move), -1).T
    ).T


def carry_expressions(beta: Tensor, source: FaceModel, target: FaceModel) -> Tensor:
    """Expressions (F, 64) of `source` as those of `target` that move the landmarks of its mean face the same way.

    Both are the built-in head or `Seated`. One kind of model: the numbers themselves.
    """
    if source.name == target.name:
        return beta
    ids, identity = source.landmarks[KEPT_66], torch.zeros(len(source.identity))
    points = source.points(ids, identity, torch.cat([beta, torch.zeros(1, 64)]))
    return beta_of(points[:-1], points[-1], target)


def named_expression(moves: dict[str, float], face: FaceModel) -> Tensor:
    """The expression (64,) of `face` for named directions of the built-in head, such as {"jaw_open": 2.0}."""
    from stkit.face_models import get

    head = get("builtin")
    beta = torch.zeros(1, 64)
    for name, value in moves.items():
        beta[0, head.expression_names.index(name)] = value
    return carry_expressions(beta, head, face)[0]
