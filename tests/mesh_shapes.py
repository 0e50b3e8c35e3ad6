"""Meshes, cameras and an exact ray caster for the mesh renderer's tests."""

import math

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera, orbit_camera
from stkit.geometry import generator

# barycentric distance from a triangle's border within which rounding may pick either side
BORDER = 1e-4


GOLDEN = (1 + math.sqrt(5)) / 2
ICOSAHEDRON = np.array(
    [(s, t * GOLDEN, 0) for t in (1, -1) for s in (-1, 1)]
    + [(0, s, t * GOLDEN) for t in (1, -1) for s in (-1, 1)]
    + [(t * GOLDEN, 0, s) for t in (1, -1) for s in (-1, 1)]
)
ICOSAHEDRON_FACES = np.array(
    [
        [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11)],
        [(1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6), (7, 1, 8)],
        [(3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9)],
        [(4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)],
    ]
).reshape(-1, 3)


def icosphere(level: int) -> tuple[Tensor, Tensor]:
    """A unit sphere of 20 * 4**level outward triangles."""
    verts, faces = ICOSAHEDRON, ICOSAHEDRON_FACES
    for _ in range(level):
        edges, ids = np.unique(
            np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1), axis=0, return_inverse=True
        )
        ab, bc, ca = ids.reshape(-1, 3).T + len(verts)
        a, b, c = faces.T
        verts = np.concatenate([verts, verts[edges].mean(1)])
        faces = np.concatenate(
            [np.stack(t, 1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
        )
    return torch.tensor(
        verts / np.linalg.norm(verts, axis=1, keepdims=True), dtype=torch.float32
    ), torch.from_numpy(faces)


def soup(seed: int, count=40, size=1.0, spread=1.0) -> tuple[Tensor, Tensor]:
    """Triangles of either winding that share no vertex."""
    g = generator(seed, "soup")
    verts = spread * (2 * torch.rand(count, 1, 3, generator=g) - 1) + size * (
        2 * torch.rand(count, 3, 3, generator=g) - 1
    )
    return verts.reshape(-1, 3), torch.arange(3 * count).reshape(-1, 3)


def wide_camera(distance=4.0) -> Camera:
    """Not square, principal point off the centre, two focal lengths, in a world turned a little."""
    view = orbit_camera(front_camera(8, distance=distance), 25, -15).viewmat
    return Camera(view, torch.tensor([[70.0, 0, 30.5], [0, 62, 17], [0, 0, 1]]), 57, 38)


def pixel_rays(camera: Camera) -> np.ndarray:
    """Directions (H, W, 3) of depth 1 through the pixel centres."""
    K = camera.K.double().numpy()
    ys, xs = np.mgrid[: camera.height, : camera.width] + 0.5
    return np.stack([(xs - K[0, 2]) / K[0, 0], (ys - K[1, 2]) / K[1, 1], np.ones_like(xs)], -1)


def cast(verts: np.ndarray, faces: np.ndarray, rays: np.ndarray):
    """Moeller-Trumbore on every ray and triangle.

    Returns face (-1: none), barycentrics, depth, and where the answer is ambiguous.
    """
    a = verts[faces[:, 0]]
    ab = verts[faces[:, 1]] - a
    ac = verts[faces[:, 2]] - a
    face, depth, ambiguous = (np.zeros(rays.shape[:2], t) for t in (int, float, bool))
    bary = np.zeros(rays.shape)
    for y, d in enumerate(rays):
        p = np.cross(d[:, None], ac)
        q = np.cross(-a, ab)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 1 / (p * ab).sum(-1)
            u, v, t = (p * -a).sum(-1) * scale, (d @ q.T) * scale, (q * ac).sum(-1) * scale
        least = np.nan_to_num(np.minimum(np.minimum(u, v), 1 - u - v), nan=-1.0)
        hit = np.where((least >= 0) & (t > 0), t, np.inf)
        k, x = hit.argmin(1), np.arange(len(d))
        near = hit[x, k]
        rival = (least > -BORDER) & (t > 0) & (t < near[:, None] + 1e-3)
        edge = rival & (least < BORDER)
        found = np.isfinite(near)
        ambiguous[y] = edge.any(1) | (rival.sum(1) > 1)
        face[y], depth[y] = np.where(found, k, -1), np.where(found, near, 0)
        bary[y] = np.where(
            found[:, None], np.stack([1 - u[x, k] - v[x, k], u[x, k], v[x, k]], -1), 0
        )
    return face, bary, depth, ambiguous


def smooth(size: int) -> Tensor:
    y, x = torch.meshgrid(*[(torch.arange(size) + 0.5) / size - 0.5] * 2, indexing="ij")
    return torch.sin(5 * x + 1) + 0.7 * torch.cos(4 * y - 3 * x) + 2 * x
