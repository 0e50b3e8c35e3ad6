"""Differentiable triangle meshes: hard visibility, smooth interpolation, antialiased silhouettes.

The CPU path is our own (numba). On CUDA with kaolin installed the same call runs DIB-R. Silhouette gradients come from the
mesh's silhouette edges, not from the triangle under each pixel, so that fine meshes still feel their outline.
"""

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.render import meshes_kernels as kernels
from stkit.render.mesh_image import MeshImage
from stkit.render.threads import parallel


class _RenderMesh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, verts, values, faces, K, width, height, antialias, move):
        v, a = _np(verts), _np(values)
        f = np.ascontiguousarray(faces.numpy(), dtype=np.int64)
        lens = tuple(np.float32(K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
        inverse = np.empty((len(f), 12), np.float32)
        rows = np.empty((len(f), 4), np.int64)
        front = np.empty(len(f), np.bool_)
        parallel(kernels.setup, len(f), v, f, *lens, height, width, inverse, rows, front)
        face_id = np.empty((height, width), np.int64)
        bary = np.zeros((height, width, 3), np.float32)
        depth = np.empty((height, width), np.float32)
        parallel(
            kernels.rasterize,
            -(-height // kernels.BAND),
            inverse,
            rows,
            *lens,
            face_id,
            bary,
            depth,
        )
        image = np.empty((height, width, a.shape[1] + 1), np.float32)
        parallel(kernels.interpolate, height, f, a, face_id, bary, image)
        pairs = where = None
        n = 0
        source = image.reshape(height * width, -1)
        if antialias:
            edges = np.empty((3 * len(f), 3), np.int64)
            n_edges = kernels.silhouette_edges(f, front, len(v), edges)
            covered = depth[depth > 0]
            slack = np.float32(3 * (np.median(covered) if len(covered) else 1) / lens[0])
            room, n = 16 * (height + width), -1
            while n < 0 or n == room:  # grow until every silhouette crossing fits
                room *= 2
                pairs, where = np.empty((room, 5), np.int64), np.empty((room, 3), np.float32)
                n = kernels.edge_pairs(edges, n_edges, v, *lens, depth, slack, pairs, where)
            image = image.copy()
            kernels.blend(pairs, where, n, source, image.reshape(height * width, -1))
        ctx.saved = (v, a, f, lens, inverse, face_id, bary, depth, source, pairs, where, n, move)
        out = torch.from_numpy(image)
        extra = torch.from_numpy(face_id), torch.from_numpy(bary), torch.from_numpy(depth)
        ctx.mark_non_differentiable(*extra)
        return out, *extra

    @staticmethod
    def backward(ctx, d_image, *_):
        v, a, f, lens, inverse, face_id, bary, depth, source, pairs, where, n, move = ctx.saved
        d_image = _np(d_image)
        d_verts, d_values = np.zeros_like(v), np.zeros_like(a)
        d_source = d_image.copy()
        if n:
            flat = d_source.reshape(source.shape)
            kernels.blend_backward(
                pairs,
                where,
                n,
                source,
                v,
                lens[0],
                lens[1],
                d_image.reshape(source.shape),
                flat,
                d_verts,
            )
        kernels.interpolate_backward(
            f, a, inverse, face_id, bary, depth, d_source, d_values, d_verts, move
        )
        return torch.from_numpy(d_verts), torch.from_numpy(d_values), *([None] * 6)


def _np(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().numpy(), dtype=np.float32)


def render_mesh(
    verts: Tensor,
    faces: Tensor,
    values: Tensor,
    camera: Camera,
    background: float | None = None,
    antialias: bool = True,
    move: bool = True,
    backend: str = "auto",
) -> MeshImage:
    """Render vertex values (V, D) on a mesh, verts (V, 3) in world units, faces (F, 3).

    Gradients reach `values` always, `verts` through silhouettes and, with `move`, through interpolation. Faces seen from
    behind are drawn too. `background` fills uncovered pixels (None leaves zeros). Raises ValueError for an empty or
    non-finite mesh. Sources: perspective-correct interpolation; edge antialiasing after nvdiffrast (Laine et al. 2020).
    """
    if len(faces) == 0:
        raise ValueError(
            "render_mesh: the mesh has no faces; if it comes from marching tetrahedra, the SDF lost its sign change"
        )
    if not torch.isfinite(verts.detach().sum()):
        raise ValueError(
            "render_mesh: a vertex is not finite; lower the learning rate of the step before"
        )
    if backend == "auto":
        backend = "kaolin" if verts.is_cuda else "cpu"
    if backend == "kaolin":
        from stkit.render.meshes_kaolin import render

        return render(verts, faces, values, camera, background)
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
    image, mask = (
        out[..., :-1],
        out[..., -1:].clamp(0, 1),
    )  # two edges may both add to a pixel at a corner
    if background is not None:
        image = image + (1 - mask) * background
    return MeshImage(image, mask, face_id, bary, depth)
