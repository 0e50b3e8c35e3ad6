"""gsplat's own PyTorch functions made to run without CUDA: what `make bench` measures against.

`gsplat.rasterization` and `_rasterization` need CUDA kernels for the pairs of Gaussian and pixel,
and nerfacc for the sums along a ray. Both get fast stand-ins here: a numba kernel, and torch's
cumsum and index_add. Projection, alphas and colours are gsplat's.
"""

import sys
from types import SimpleNamespace

import numpy as np
import torch
from numba import njit
from torch import Tensor

ALPHA_MIN = 1 / 255  # gsplat's cut-off: a fainter Gaussian does not reach the pixel


@njit(cache=True)
def _pairs(order, radii, uv, conics, opacities, width, height, gaussians, pixels):
    """Write every pixel within each Gaussian's ellipse, near Gaussians first; returns how many."""
    n = 0
    for i in order:
        if radii[i, 0] <= 0:
            continue
        u, v, a, b, c = uv[i, 0], uv[i, 1], conics[i, 0], conics[i, 1], conics[i, 2]
        x0, x1 = max(0, int(u - radii[i, 0])), min(width, int(u + radii[i, 0]) + 1)
        y0, y1 = max(0, int(v - radii[i, 1])), min(height, int(v + radii[i, 1]) + 1)
        for y in range(y0, y1):
            for x in range(x0, x1):
                dx, dy = u - x - 0.5, v - y - 0.5
                sigma = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
                if opacities[i] * np.exp(-sigma) >= ALPHA_MIN:
                    if n < len(gaussians):
                        gaussians[n], pixels[n] = i, y * width + x
                    n += 1
    return n


def _weights(alphas: Tensor, ray_indices: Tensor, n_rays: int) -> tuple[Tensor, Tensor]:
    """As nerfacc.render_weight_from_alpha, for pairs sorted by ray: weights, light left before."""
    depth = torch.log1p(-alphas.double())
    before = torch.cumsum(depth, 0) - depth
    first = torch.searchsorted(ray_indices, torch.arange(n_rays))
    trans = (before - before[first.clamp_max(len(alphas) - 1)][ray_indices]).exp().to(alphas.dtype)
    return alphas * trans, trans


def _accumulate(weights: Tensor, values: Tensor | None, ray_indices: Tensor, n_rays: int) -> Tensor:
    """nerfacc.accumulate_along_rays: the sum of weights times values of each ray."""
    source = weights[:, None] if values is None else weights[:, None] * values
    return torch.zeros(n_rays, source.shape[1]).index_add(0, ray_indices, source)


def rasterize(
    means, quats, scales, opacities, colors, viewmat, K, width: int, height: int
) -> tuple[Tensor, Tensor]:
    """Image (H, W, D) without background and alpha (H, W, 1) of one camera."""
    from gsplat.cuda import _torch_impl as impl

    sys.modules["nerfacc"] = SimpleNamespace(
        accumulate_along_rays=_accumulate, render_weight_from_alpha=_weights
    )
    covars, _ = impl._quat_scale_to_covar_preci(quats, scales, True, False)
    radii, uv, depths, conics, _ = impl._fully_fused_projection(
        means, covars, viewmat[None], K[None], width, height
    )
    order = torch.argsort(depths[0]).numpy()
    arrays = [x[0].detach().numpy() for x in (radii, uv, conics)]
    count = 0
    while True:
        gaussians, pixels = np.empty(count, np.int64), np.empty(count, np.int64)
        found = _pairs(order, *arrays, opacities.detach().numpy(), width, height, gaussians, pixels)
        if found <= count:
            break
        count = found
    by_pixel = np.argsort(pixels, kind="stable")
    ids = [torch.from_numpy(x[by_pixel]) for x in (gaussians, pixels)]
    images = torch.zeros_like(ids[0])
    image, alpha = impl.accumulate(
        uv, conics, opacities[None], colors[None], *ids, images, width, height
    )
    return image[0], alpha[0]
