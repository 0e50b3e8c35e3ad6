"""The readable backend: one camera, plain PyTorch, every Gaussian against every pixel. Slow, exact, any dtype.

Notebook 03 walks through it. Projection is EWA splatting; compositing is Eq. 1 of the paper, with gsplat's cut-offs.
"""

import torch
from torch import Tensor

from stkit.geometry import quat_to_rotation


def project(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    viewmat: Tensor,
    K: Tensor,
    width: int,
    height: int,
    eps2d: float,
):
    """Pixel means (N, 2), depths (N,) and 2D covariances (N, 2, 2), before and after adding eps2d pixels^2 of blur."""
    W, t = viewmat[:3, :3], viewmat[:3, 3]
    x, y, z = (means @ W.T + t).unbind(-1)
    z = torch.where(z.abs() < 1e-6, torch.full_like(z, 1e-6), z)
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    M = W @ quat_to_rotation(quats) * scales[:, None, :]
    sigma = M @ M.transpose(-1, -2)
    tx = z * (x / z).clamp(-(cx + 0.15 * width) / fx, (width - cx + 0.15 * width) / fx)
    ty = z * (y / z).clamp(-(cy + 0.15 * height) / fy, (height - cy + 0.15 * height) / fy)
    o = torch.zeros_like(z)
    J = torch.stack([fx / z, o, -fx * tx / z**2, o, fy / z, -fy * ty / z**2], -1).reshape(-1, 2, 3)
    sharp = J @ sigma @ J.transpose(-1, -2)
    blurred = sharp + eps2d * torch.eye(2, dtype=means.dtype)
    return torch.stack([fx * x / z + cx, fy * y / z + cy], -1), z, sharp, blurred


def rasterize(
    means,
    quats,
    scales,
    opacities,
    colors,
    viewmat,
    K,
    width,
    height,
    depth,
    eps2d,
    near_plane,
    far_plane,
    antialiased,
    info,
):
    """One camera: image (H, W, D [+1 accumulated depth]) without background, and alpha (H, W, 1)."""
    uv, z, sharp, blurred = project(means, quats, scales, viewmat, K, width, height, eps2d)
    det = torch.linalg.det(blurred)
    if antialiased:
        opacities = opacities * (torch.linalg.det(sharp) / det).clamp_min(1e-12).sqrt()
    keep = (z > near_plane) & (z < far_plane) & (det > 0)
    order = torch.argsort(
        torch.where(keep, z, torch.full_like(z, torch.inf)).detach(), stable=True
    )[: int(keep.sum())]
    uv, z, opacities, colors = uv[order], z[order], opacities[order], colors[order]
    conic = torch.linalg.inv(blurred[order])
    ys, xs = torch.meshgrid(
        torch.arange(height, dtype=means.dtype),
        torch.arange(width, dtype=means.dtype),
        indexing="ij",
    )
    pixels = torch.stack([xs, ys], -1).reshape(-1, 2) + 0.5
    d = pixels[:, None] - uv[None]
    sigma = 0.5 * torch.einsum("pni,nij,pnj->pn", d, conic, d)
    alpha = (opacities * torch.exp(-sigma)).clamp_max(0.999)
    alpha = torch.where((alpha >= 1 / 255) & (sigma >= 0), alpha, torch.zeros_like(alpha))
    after = torch.cumprod(1 - alpha, 1)
    before = torch.cat([torch.ones_like(after[:, :1]), after[:, :-1]], 1)
    weights = torch.where(
        after > 1e-4, alpha * before, torch.zeros_like(alpha)
    )  # Eq. 1: alpha_i prod_{j<i} (1 - alpha_j)
    values = torch.cat([colors, z[:, None]], -1) if depth else colors
    image = (weights @ values).reshape(height, width, -1)
    if info is not None:
        info.update(means2d=uv.detach(), depths=z.detach(), entries=int((alpha > 0).sum()))
    return image, weights.sum(1).reshape(height, width, 1)
