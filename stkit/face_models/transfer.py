"""Landmarks for a face that has none: the built-in head is fitted to its surface, and the nearest vertices are taken."""

import numpy as np
import torch
from scipy.spatial import cKDTree


def carry_landmarks(mean: np.ndarray, faces: np.ndarray, rounds: int = 40) -> np.ndarray:
    """Vertices (68,) of a face mesh, mean (V, 3) in decimetres, upright and looking along +z, nearest to the built-in landmarks.

    Starts with both nose tips together; each round moves the built-in head by a similarity and its identity directions
    towards the nearest surface points.
    """
    from . import get

    head = get("builtin")
    used = np.unique(faces)
    target = mean[used]
    middle = np.abs(target[:, 0] - np.median(target[:, 0])) < 0.3
    if not middle.any():
        raise ValueError("the mesh has no middle line: is it a face, upright and looking along +z?")
    tip = target[middle][target[middle][:, 2].argmax()]
    face = np.flatnonzero((head.surface.front > 0.3) & (head.surface.part == 0) & (np.abs(head.surface.above_mouth) > 0.02))
    face = face[:: max(1, len(face) // 3000)]
    base, basis = head.mean[face].numpy().astype(float), head.identity[:, face].numpy().astype(float)
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
