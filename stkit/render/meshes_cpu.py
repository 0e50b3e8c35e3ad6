"""The CPU mesh renderer: numba kernels behind one autograd function.

Silhouette gradients come from the mesh's silhouette edges, not from the triangle under each pixel,
so that fine meshes still feel their outline.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.render import meshes_kernels as kernels
from stkit.render import meshes_silhouettes as silhouettes
from stkit.render.mesh_image import MeshImage
from stkit.render.threads import parallel

SLACK_PIXELS = 3  # an edge this many pixels (as a depth) behind the surface still counts as visible
ROOM_PER_SIDE = 16  # pixel pairs to make room for at first, per pixel of width and height


def render(
    verts: Tensor,
    faces: Tensor,
    values: Tensor,
    camera: Camera,
    background: float | None,
    antialias: bool,
    move: bool,
) -> MeshImage:
    """As `stkit.render.render_mesh`, without its checks."""
    out, face_id, bary, depth = _RenderMesh.apply(
        camera.to_camera(verts),
        values,
        faces,
        camera.K.detach().numpy(),
        camera.width,
        camera.height,
        antialias,
        move,
    )
    image = out[..., :-1]
    mask = out[..., -1:].clamp(0, 1)  # two edges may both add to a pixel at a corner
    if background is not None:
        image = image + (1 - mask) * background
    return MeshImage(image, mask, face_id, bary, depth)


@dataclass(frozen=True)
class _Surface:
    """Prepared faces (inverse, front), and the visible one of each pixel; see `kernels`."""

    inverse: np.ndarray
    front: np.ndarray
    face_id: np.ndarray
    bary: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class _Pairs:
    """The first `count` rows of pairs and where hold pixel pairs, see `silhouettes.edge_pairs`."""

    pairs: np.ndarray
    where: np.ndarray
    count: int


def _visible_surface(verts, faces, lens, width: int, height: int) -> _Surface:
    """Z-buffer of verts (V, 3) in the camera's frame; lens: fx, fy, cx, cy in pixels."""
    inverse = np.empty((len(faces), 12), np.float32)
    rows = np.empty((len(faces), 4), np.int64)
    front = np.empty(len(faces), np.bool_)
    parallel(kernels.setup, len(faces), verts, faces, *lens, height, width, inverse, rows, front)
    face_id = np.empty((height, width), np.int64)
    bary = np.zeros((height, width, 3), np.float32)
    depth = np.empty((height, width), np.float32)
    bands = -(-height // kernels.BAND)
    parallel(kernels.rasterize, bands, inverse, rows, *lens, face_id, bary, depth)
    return _Surface(inverse, front, face_id, bary, depth)


def _silhouette_pairs(verts, faces, lens, surface: _Surface) -> _Pairs:
    """The pixel pairs that the visible silhouette separates."""
    edges = np.empty((3 * len(faces), 3), np.int64)
    n_edges = silhouettes.silhouette_edges(faces, surface.front, len(verts), edges)
    covered = surface.depth[surface.depth > 0]
    typical = np.median(covered) if len(covered) else 1
    slack = np.float32(SLACK_PIXELS * typical / lens[0])
    height, width = surface.depth.shape
    room, count = ROOM_PER_SIDE * (height + width), -1
    while count < 0 or count == room:  # grow until every silhouette crossing fits
        room *= 2
        pairs = np.empty((room, 5), np.int64)
        where = np.empty((room, 3), np.float32)
        count = silhouettes.edge_pairs(
            edges, n_edges, verts, *lens, surface.depth, slack, pairs, where
        )
    return _Pairs(pairs, where, count)


class _RenderMesh(torch.autograd.Function):
    """Camera-frame vertices and values to image (H, W, D + 1 for coverage), without background."""

    @staticmethod
    def forward(ctx, verts, values, faces, K, width, height, antialias, move):
        v, a = _float32(verts), _float32(values)
        f = np.ascontiguousarray(faces.numpy(), dtype=np.int64)
        lens = tuple(np.float32(K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
        surface = _visible_surface(v, f, lens, width, height)
        image = np.empty((height, width, a.shape[1] + 1), np.float32)
        parallel(kernels.interpolate, height, f, a, surface.face_id, surface.bary, image)
        source = image.reshape(height * width, -1)
        found = _silhouette_pairs(v, f, lens, surface) if antialias else None
        if found is not None:
            image = image.copy()
            blended = image.reshape(height * width, -1)
            silhouettes.blend(found.pairs, found.where, found.count, source, blended)
        ctx.saved = v, a, f, lens, surface, source, found, move
        out = torch.from_numpy(image)
        extra = tuple(torch.from_numpy(x) for x in (surface.face_id, surface.bary, surface.depth))
        ctx.mark_non_differentiable(*extra)
        return out, *extra

    @staticmethod
    def backward(ctx, d_image, *_):
        v, a, f, lens, surface, source, found, move = ctx.saved
        d_image = _float32(d_image)
        d_verts, d_values = np.zeros_like(v), np.zeros_like(a)
        d_source = d_image.copy()
        if found is not None:
            silhouettes.blend_backward(
                found.pairs,
                found.where,
                found.count,
                source,
                v,
                lens[0],
                lens[1],
                d_image.reshape(source.shape),
                d_source.reshape(source.shape),
                d_verts,
            )
        kernels.interpolate_backward(
            f,
            a,
            surface.inverse,
            surface.face_id,
            surface.bary,
            surface.depth,
            d_source,
            d_values,
            d_verts,
            move,
        )
        return torch.from_numpy(d_verts), torch.from_numpy(d_values), *([None] * 6)


def _float32(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().numpy(), dtype=np.float32)
