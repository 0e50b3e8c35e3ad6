"""Puts vertices on a mesh where points are wanted, without changing its surface."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

CANDIDATES = 24  # faces near a point, by their middles; one of them must hold the nearest place
SNAP = 0.9  # a point whose share of a corner is larger takes that corner


@dataclass(frozen=True)
class Splits:
    """A mesh of V vertices with N more: faces (F, 3), the old face that each lies in (F,).

    vertices: one for each point asked for. corners (N, 3) and shares (N, 3): what each new vertex
    is made of; a corner may be a new vertex that comes before.
    """

    faces: np.ndarray
    parents: np.ndarray
    vertices: list[int]
    corners: np.ndarray
    shares: np.ndarray

    def extend(self, values: Tensor) -> Tensor:
        """Values (V, D) at the vertices with those at the new ones, (V + N, D)."""
        out = torch.cat([values, values.new_zeros(len(self.corners), values.shape[1])])
        for k, (corners, shares) in enumerate(zip(self.corners, self.shares)):
            share = torch.from_numpy(shares).to(values.dtype)
            out[len(values) + k] = share @ out[torch.from_numpy(corners)]
        return out

    def pointing_at_first(self, count: int) -> "Splits":
        """The same mesh where `count` points all take its first vertex."""
        return replace(self, vertices=[0] * count)


def split_at(
    verts: np.ndarray, faces: np.ndarray, allowed: np.ndarray, points: np.ndarray
) -> Splits:
    """The mesh (V, 3), (F, 3) with a vertex at the surface point nearest to each point (P, 3).

    Only the faces `allowed` (K,) are cut. A face is cut into three at the point; a point next to a
    corner takes the corner.
    """
    places, nearest = _on_surface(verts, faces[allowed], points)
    pieces: dict[int, list] = {}  # by old face: the triangles that it was cut into
    at = [*verts]
    vertices, corners, shares = [], [], []
    for place, k in zip(places, nearest):
        parent = int(allowed[k])
        parts = pieces.setdefault(parent, [tuple(faces[parent])])
        weights = [_barycentric(place, *(at[i] for i in part)) for part in parts]
        best = int(np.argmax([w.min() for w in weights]))
        part, weight = parts[best], np.clip(weights[best], 0, 1)
        if weight.max() > SNAP:
            vertices.append(int(part[int(weight.argmax())]))
            continue
        new = len(at)
        at.append(place)
        vertices.append(new)
        corners.append(part)
        shares.append(weight / weight.sum())
        a, b, c = part
        parts[best : best + 1] = [(a, b, new), (b, c, new), (c, a, new)]
    kept = np.array([k for k in range(len(faces)) if k not in pieces], int)
    cut = [(part, parent) for parent, parts in pieces.items() for part in parts]
    return Splits(
        np.concatenate([faces[kept], np.array([part for part, _ in cut], int).reshape(-1, 3)]),
        np.concatenate([kept, np.array([parent for _, parent in cut], int)]),
        vertices,
        np.array(corners, int).reshape(-1, 3),
        np.array(shares, float).reshape(-1, 3),
    )


def _on_surface(
    verts: np.ndarray, faces: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The surface point (P, 3) nearest to each of the points (P, 3), and its face (P,)."""
    tree = cKDTree(verts[faces].mean(1))
    places, nearest = np.zeros_like(points), np.zeros(len(points), int)
    for k, point in enumerate(points):
        closest = np.inf
        for face in tree.query(point, min(CANDIDATES, len(faces)))[1]:
            share = np.clip(_barycentric(point, *verts[faces[face]]), 0, None)
            place = share / share.sum() @ verts[faces[face]]
            distance = float(np.linalg.norm(place - point))
            if distance < closest:
                closest = distance
                places[k], nearest[k] = place, face
    return places, nearest


def _barycentric(p: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The shares (3,) of a triangle's corners in the point of its plane nearest to p."""
    edges = np.stack([b - a, c - a], 1)
    v, w = np.linalg.lstsq(edges, p - a, rcond=None)[0]
    return np.array([1 - v - w, v, w])
