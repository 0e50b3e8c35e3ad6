"""SSIM and its gradient in one numba kernel.

Through torch's autograd it would cost more than a whole render. The window is that of
`stkit.metrics.ssim`'s torch form, which the tests compare it with.
"""

import numpy as np
import torch
from numba import njit
from torch import Tensor

from stkit.render.gaussians_constants import JIT
from stkit.render.threads import parallel

REACH = 5  # pixels on either side: an 11-tap window (Wang et al. 2004)
SIGMA = 1.5  # pixels (Wang et al. 2004)
_taps = np.exp(-(np.arange(-REACH, REACH + 1) ** 2) / (2 * SIGMA**2))
WINDOW = (_taps / _taps.sum()).astype(np.float32)
C1 = np.float32(0.01**2)  # (K1 L)^2 and (K2 L)^2 of Wang et al. 2004, for values in [0, 1]
C2 = np.float32(0.03**2)


@njit(**JIT)
def _blur(source, between, padded, out):
    """Gaussian blur of source (H, W) with zero padding, into out (H, W).

    Scratch: between (H, W) and padded (W + 2 REACH,).
    """
    H, W = source.shape
    between[:] = np.float32(0)
    for i in range(H):
        for k in range(max(-REACH, -i), min(REACH, H - 1 - i) + 1):
            weight = WINDOW[k + REACH]
            for j in range(np.uint64(W)):
                between[i, j] += weight * source[i + k, j]
    out[:] = np.float32(0)
    padded[:] = np.float32(0)
    for i in range(H):
        padded[REACH : REACH + W] = between[i]
        for k in range(2 * REACH + 1):
            weight = WINDOW[k]
            shifted = padded[k : k + W]
            for j in range(np.uint64(W)):
                out[i, j] += weight * shifted[j]


@njit(**JIT)
def ssim_channels(first, step, x, y, total, grad):
    """SSIM of the channels first, first + step, ... of x against y, both (C, H, W).

    Writes total (C,), the sum of each SSIM map, and grad (C, H, W), that sum's derivative with
    respect to x.
    """
    C, H, W = x.shape
    one, two = np.float32(1), np.float32(2)
    maps = np.empty((5, H, W), np.float32)
    product = np.empty((H, W), np.float32)
    between = np.empty((H, W), np.float32)
    padded = np.empty(W + 2 * REACH, np.float32)
    for c in range(first, C, step):
        _blur(x[c], between, padded, maps[0])
        _blur(y[c], between, padded, maps[1])
        product[:] = x[c] * x[c]
        _blur(product, between, padded, maps[2])
        product[:] = y[c] * y[c]
        _blur(product, between, padded, maps[3])
        product[:] = x[c] * y[c]
        _blur(product, between, padded, maps[4])
        value = np.float64(0)
        for i in range(H):
            row = np.float32(0)
            for j in range(np.uint64(W)):
                mx, my = maps[0, i, j], maps[1, i, j]
                a1 = two * mx * my + C1
                a2 = two * (maps[4, i, j] - mx * my) + C2
                b1 = one / (mx * mx + my * my + C1)
                b2 = one / (maps[2, i, j] - mx * mx + maps[3, i, j] - my * my + C2)
                s = a1 * a2 * b1 * b2
                row += s
                maps[0, i, j] = two * my * (a2 - a1) * b1 * b2 - two * mx * s * (b1 - b2)
                maps[2, i, j] = -s * b2
                maps[4, i, j] = two * a1 * b1 * b2
            value += row
        total[c] = value
        _blur(maps[0], between, padded, maps[1])
        _blur(maps[2], between, padded, maps[3])
        _blur(maps[4], between, padded, product)
        for i in range(H):
            for j in range(np.uint64(W)):
                grad[c, i, j] = (
                    maps[1, i, j] + two * x[c, i, j] * maps[3, i, j] + y[c, i, j] * product[i, j]
                )


class _Ssim(torch.autograd.Function):
    """The mean over all channels and pixels. The forward pass computes the gradient too."""

    @staticmethod
    def forward(ctx, image, truth):
        x, y = (np.ascontiguousarray(v.detach().permute(2, 0, 1).numpy()) for v in (image, truth))
        total, grad = np.empty(len(x)), np.empty_like(x)
        parallel(ssim_channels, len(x), x, y, total, grad)
        ctx.grad = torch.from_numpy(grad).permute(1, 2, 0) / x.size
        return torch.tensor(total.sum() / x.size, dtype=torch.float32)

    @staticmethod
    def backward(ctx, d):
        return d * ctx.grad, None


def ssim(image: Tensor, truth: Tensor) -> Tensor:
    """Mean SSIM of CPU float32 images (H, W, C); differentiable in the first."""
    return _Ssim.apply(image, truth)
