"""The CUDA mesh renderer: kaolin's DIB-R (Chen et al. 2019) behind `render_mesh`.

kaolin comes from NVIDIA's wheel index (see environment.yml). It looks along -z with y up, wants
pixels in [-1, 1], draws what is nearest, and interpolates over the picture's plane, without
perspective. Its soft mask gives every uncovered pixel 1 - prod(1 - exp(-sigmainv d^2)) over the
nearby faces, d being the distance to a face.
"""

import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.render.mesh_image import MeshImage

NEAREST_DEPTH = 1e-3  # world units: faces with a corner nearer than this, or behind, are left out

# A soft mask lies outside the hard one, so a fit to a hard target ends too small by about its rim.
# kaolin's defaults (sigmainv 7000, boxlen 0.02) let all faces reach pixels far; the kit lets only
# the outline's faces reach, and less than a pixel. Chosen with fits of an ellipsoid
SOFT_REACH = 0.2  # pixels outside the silhouette at which one face's share has fallen to 1 / e
BOX_REACH = 0.75  # pixels around a face beyond which its share (below 1e-6) is not computed


def render(
    verts: Tensor,
    faces: Tensor,
    values: Tensor,
    camera: Camera,
    background: float | None,
    antialias: bool,
    move: bool,
) -> MeshImage:
    """As `stkit.render.render_mesh`, without its checks. Raises ImportError without kaolin."""
    try:
        from kaolin.render.mesh import dibr_soft_mask, rasterize
    except ImportError as error:
        raise ImportError(
            f"rendering meshes on CUDA needs kaolin 0.18.0, which did not load here ({error}): "
            "pip install kaolin==0.18.0 -f "
            "https://nvidia-kaolin.s3.us-east-2.amazonaws.com/torch-2.8.0_cu128.html "
            "(or run with device='cpu')"
        ) from error
    faces = faces.to(verts.device)
    corners = camera.to_camera(verts)[faces]
    corners_2d = _project(corners, camera)
    drawn = (corners[..., 2] > NEAREST_DEPTH).all(1)
    features = torch.cat([values, torch.ones_like(values[:, :1])], -1)[faces]
    out, face_id = rasterize(
        camera.height,
        camera.width,
        -corners[None, ..., 2].detach(),
        (corners_2d if move else corners_2d.detach())[None],
        features[None],
        drawn[None],
    )
    image, covered = out[0, ..., :-1], out[0, ..., -1:]
    if background is not None:
        image = image + (1 - covered) * background
    mask = (face_id[0] >= 0).to(values.dtype)
    if antialias:
        outline = corners_2d[silhouette_faces(corners.detach(), faces, len(verts)) & drawn]
        if len(outline):
            sharpness = (camera.width / 2 / SOFT_REACH) ** 2
            reach = 2 * BOX_REACH / camera.width
            mask = dibr_soft_mask(outline[None], face_id, sigmainv=sharpness, boxlen=reach)[0]
    bary, depth = surface_at(face_id[0], corners.detach(), camera)
    return MeshImage(image, mask[..., None], face_id[0], bary, depth)


def _project(points: Tensor, camera: Camera) -> Tensor:
    """Positions (..., 2) in kaolin's picture, x right and y up in [-1, 1], of points (..., 3).

    Points are in the camera's frame (OpenCV).
    """
    K = camera.K.to(points)
    x, y, z = points.unbind(-1)
    u = K[0, 0] * x / z + K[0, 2]
    v = K[1, 1] * y / z + K[1, 2]
    return torch.stack([2 * u / camera.width - 1, 1 - 2 * v / camera.height], -1)


def silhouette_faces(corners: Tensor, faces: Tensor, n_verts: int) -> Tensor:
    """Mask (F,) of the faces that form the outline.

    These are the faces that look at the camera beside one that looks away, and faces at a border.
    corners (F, 3, 3) are in the camera's frame, faces (F, 3) index n_verts vertices.
    """
    a, b, c = corners.double().unbind(1)
    front = (torch.linalg.cross(b - a, c - a) * a).sum(1) < 0
    ends = torch.stack([faces, faces.roll(-1, 1)], -1)  # (F, 3 edges, 2)
    key = ends.amin(-1) * n_verts + ends.amax(-1)
    edges, edge_of = torch.unique(key, return_inverse=True)
    ones = torch.ones_like(edge_of)
    users = torch.zeros_like(edges).index_add(0, edge_of.flatten(), ones.flatten())
    fronts = torch.zeros_like(edges).index_add(
        0, edge_of.flatten(), (ones * front[:, None]).flatten()
    )
    turning = (fronts > 0) & (fronts < users)
    return (turning[edge_of].any(1) & front) | (users == 1)[edge_of].any(1)


def surface_at(face_id: Tensor, corners: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Barycentrics (H, W, 3) and depth (H, W) where each pixel's ray meets its face; 0 where none.

    face_id (H, W; -1: none), corners (F, 3, 3) in the camera's frame. With M = [A B C] the ray r
    through the pixel meets the face where M u = r: barycentrics u / sum(u), depth 1 / sum(u).
    """
    hit = face_id >= 0
    rows, columns = torch.nonzero(hit, as_tuple=True)
    K = camera.K.to(corners).double()
    rays = torch.stack(
        [
            (columns + 0.5 - K[0, 2]) / K[0, 0],
            (rows + 0.5 - K[1, 2]) / K[1, 1],
            torch.ones_like(rows, dtype=torch.double),
        ],
        -1,
    )
    a, b, c = corners[face_id[hit]].double().unbind(1)
    # Cramer's rule, but for the determinant, which u / sum(u) does not need
    u = torch.stack(
        [torch.linalg.cross(p, q).mul(rays).sum(1) for p, q in ((b, c), (c, a), (a, b))], -1
    )
    shares = u / u.sum(1, keepdim=True)
    bary = corners.new_zeros(*face_id.shape, 3)
    bary[hit] = shares.to(corners.dtype)
    depth = corners.new_zeros(face_id.shape)
    depth[hit] = (shares * torch.stack([a, b, c], 1)[..., 2]).sum(1).to(corners.dtype)
    return bary, depth
