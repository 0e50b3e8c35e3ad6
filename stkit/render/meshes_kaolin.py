"""kaolin's DIB-R behind `render_mesh`, for CUDA. kaolin comes from NVIDIA's wheel index (see environment.yml)."""

import torch
from torch import Tensor

from stkit.cameras import Camera


def render(verts: Tensor, faces: Tensor, values: Tensor, camera: Camera, background: float | None):
    """As `render_mesh`, with kaolin's soft silhouettes (sigmainv 7000, boxlen 0.02, knum 30)."""
    try:
        from kaolin.render.mesh import dibr_rasterization
    except ImportError as e:
        raise ImportError(
            "rendering meshes on CUDA needs kaolin: pip install kaolin==0.18.0 -f "
            "https://nvidia-kaolin.s3.us-east-2.amazonaws.com/torch-2.8.0_cu128.html (or run with device='cpu')"
        ) from e
    from stkit.render.mesh_image import MeshImage

    x = camera.to_camera(verts) * torch.tensor(
        [1.0, -1.0, -1.0], device=verts.device
    )  # kaolin looks along -z with y up
    K = camera.K.to(verts)
    ndc_x = (2 * (K[0, 0] * x[:, 0] / -x[:, 2] + K[0, 2]) / camera.width) - 1
    ndc_y = (2 * (K[1, 1] * x[:, 1] / -x[:, 2] - K[1, 2]) / camera.height) + 1
    image_verts = torch.stack([ndc_x, ndc_y], -1)
    f = faces.to(verts.device)
    a, b, c = x[f].unbind(1)
    normal_z = torch.linalg.cross(b - a, c - a)[:, 2]
    features = torch.cat([values, torch.ones_like(values[:, :1])], -1)[f]
    out, soft, face_id = dibr_rasterization(
        camera.height,
        camera.width,
        x[f][None, ..., 2],
        image_verts[f][None],
        features[None],
        normal_z[None],
    )
    image, hard, mask = out[0, ..., :-1], out[0, ..., -1:], soft[0, ..., None]
    if background is not None:
        image = image + (1 - hard) * background
    nothing = torch.zeros(camera.height, camera.width, 3, device=verts.device)
    return MeshImage(image, mask, face_id[0], nothing, nothing[..., 0])
