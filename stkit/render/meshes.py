"""`render_mesh`: one call for all mesh renderers, with hard visibility and soft silhouettes."""

import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.errors import RequestError
from stkit.render import meshes_cpu, meshes_kaolin
from stkit.render.mesh_image import MeshImage

BACKENDS = ("auto", "cpu", "kaolin")


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
    """Render values (V, D) on the vertices verts (V, 3; world units) of the triangles faces (F, 3).

    Faces seen from behind are drawn too. `camera` is on the vertices' device. `background` fills
    uncovered pixels; None leaves zeros. Gradients always reach `values`. With `antialias`
    silhouettes are soft and pass gradients on to `verts`, without it they are hard and pass none;
    with `move`, `verts` feel the interpolation of the values too. `backend` is cpu (numba), kaolin
    (CUDA) or auto, the one for the vertices' device.

    Raises ValueError for an unknown backend, a mesh without faces and vertices that are not finite,
    and ImportError for kaolin where it is not installed. Sources: perspective-correct
    interpolation, edge antialiasing after nvdiffrast (Laine et al. 2020); on CUDA DIB-R (Chen et
    al. 2019).
    """
    if backend not in BACKENDS:
        raise RequestError(f"render_mesh: backend {backend!r} is not one of {', '.join(BACKENDS)}")
    if len(faces) == 0:
        raise RequestError(
            "render_mesh: the mesh has no faces; if it comes from marching tetrahedra, the SDF "
            "lost its sign change"
        )
    if not torch.isfinite(verts.detach().sum()):
        raise RequestError(
            "render_mesh: a vertex is not finite; lower the learning rate of the step before"
        )
    if backend == "auto":
        backend = "kaolin" if verts.is_cuda else "cpu"
    if backend == "kaolin":
        return meshes_kaolin.render(verts, faces, values, camera, background, antialias, move)
    return meshes_cpu.render(verts, faces, values, camera, background, antialias, move)
