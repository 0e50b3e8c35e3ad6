"""The readable backend: one camera, plain PyTorch, every Gaussian against every pixel.

Slow, exact, any dtype; notebook 03 walks through it. Projection is EWA splatting, compositing is
Eq. 2 of the paper with gsplat's cut-offs.
"""

import torch
from torch import Tensor

from stkit.geometry import quat_to_rotation
from stkit.render.gaussians_constants import ALPHA_MAX, ALPHA_MIN, FRUSTUM_MARGIN, T_STOP
from stkit.render.picture_settings import PictureSettings

MIN_DEPTH = 1e-6  # world units: a depth nearer to 0 is replaced by this before dividing


def project(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    viewmat: Tensor,
    K: Tensor,
    width: int,
    height: int,
    eps2d: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ellipses of Gaussians on the picture of one camera.

    Returns pixel means (N, 2), depths (N,) and the 2D covariances (N, 2, 2) in pixels^2, before and
    after adding `eps2d` of blur. Arguments as in `stkit.render.rasterize`, of one camera.
    """
    W, t = viewmat[:3, :3], viewmat[:3, 3]
    x, y, z = (means @ W.T + t).unbind(-1)
    z = torch.where(z.abs() < MIN_DEPTH, torch.full_like(z, MIN_DEPTH), z)
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    M = W @ quat_to_rotation(quats) * scales[:, None, :]
    sigma = M @ M.transpose(-1, -2)
    margin_x, margin_y = FRUSTUM_MARGIN * width, FRUSTUM_MARGIN * height
    tx = z * (x / z).clamp(-(cx + margin_x) / fx, (width - cx + margin_x) / fx)
    ty = z * (y / z).clamp(-(cy + margin_y) / fy, (height - cy + margin_y) / fy)
    o = torch.zeros_like(z)
    J = torch.stack([fx / z, o, -fx * tx / z**2, o, fy / z, -fy * ty / z**2], -1).reshape(-1, 2, 3)
    sharp = J @ sigma @ J.transpose(-1, -2)
    blurred = sharp + eps2d * torch.eye(2, dtype=means.dtype)
    return torch.stack([fx * x / z + cx, fy * y / z + cy], -1), z, sharp, blurred


def rasterize(
    means, quats, scales, opacities, colors, viewmat, K, settings: PictureSettings, info=None
):
    """Render one camera: image (H, W, D [+ 1 depth]) without background, and alpha (H, W, 1)."""
    width, height = settings.width, settings.height
    uv, z, sharp, blurred = project(means, quats, scales, viewmat, K, width, height, settings.eps2d)
    det = torch.linalg.det(blurred)
    if settings.antialiased:
        opacities = opacities * (torch.linalg.det(sharp) / det).clamp_min(1e-12).sqrt()
    keep = (z > settings.near) & (z < settings.far) & (det > 0)
    depth_or_inf = torch.where(keep, z, torch.full_like(z, torch.inf)).detach()
    order = torch.argsort(depth_or_inf, stable=True)[: int(keep.sum())]
    uv, z, opacities, colors = uv[order], z[order], opacities[order], colors[order]
    conic = torch.linalg.inv(blurred[order])
    d = _pixel_centres(width, height, means.dtype)[:, None] - uv[None]
    sigma = 0.5 * torch.einsum("pni,nij,pnj->pn", d, conic, d)
    alpha = (opacities * torch.exp(-sigma)).clamp_max(ALPHA_MAX)
    alpha = torch.where((alpha >= ALPHA_MIN) & (sigma >= 0), alpha, torch.zeros_like(alpha))
    after = torch.cumprod(1 - alpha, 1)
    before = torch.cat([torch.ones_like(after[:, :1]), after[:, :-1]], 1)
    # Eq. 2: alpha_i prod_{j<i} (1 - alpha_j)
    weights = torch.where(after > T_STOP, alpha * before, torch.zeros_like(alpha))
    values = torch.cat([colors, z[:, None]], -1) if settings.depth else colors
    image = (weights @ values).reshape(height, width, -1)
    if info is not None:
        info.update(means2d=uv.detach(), depths=z.detach(), entries=int((alpha > 0).sum()))
    return image, weights.sum(1).reshape(height, width, 1)


def _pixel_centres(width: int, height: int, dtype: torch.dtype) -> Tensor:
    """Pixel centres (H * W, 2), x then y, row by row."""
    ys, xs = torch.meshgrid(
        torch.arange(height, dtype=dtype), torch.arange(width, dtype=dtype), indexing="ij"
    )
    return torch.stack([xs, ys], -1).reshape(-1, 2) + 0.5
