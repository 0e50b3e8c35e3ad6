"""Metrics of pictures, masks and landmarks, as the field defines them (lineage.md 6).

Images are (H, W, C) in [0, 1].
"""

from functools import lru_cache

import torch
from torch import Tensor

from stkit.render import ssim_kernels

MSE_MIN = 1e-12  # two equal images have a PSNR of 120 dB, not an infinite one
SSIM_REACH = 5  # pixels on either side: an 11-tap window (Wang et al. 2004)
SSIM_SIGMA = 1.5  # pixels (Wang et al. 2004)
SSIM_C1 = 0.01**2  # (K1 L)^2 and (K2 L)^2 of Wang et al. 2004, for values in [0, 1]
SSIM_C2 = 0.03**2
MS_SSIM_SIDE = 161  # pixels: the least side whose fifth scale still holds an 11-tap window


def psnr(image: Tensor, truth: Tensor) -> float:
    """20 log10(1 / rmse) over all pixels and channels, dB."""
    return float(-10 * torch.log10((image - truth).square().mean().clamp_min(MSE_MIN)))


@lru_cache(maxsize=8)
def _blur_matrix(n: int) -> Tensor:
    """Banded matrix (n, n): its product with a column is the window's blur with zero padding."""
    d = torch.arange(n)[:, None] - torch.arange(n)[None]
    taps = torch.arange(-SSIM_REACH, SSIM_REACH + 1)
    g = torch.exp(-(d.float() ** 2) / (2 * SSIM_SIGMA**2)) * (d.abs() <= SSIM_REACH)
    return g / torch.exp(-(taps.float() ** 2) / (2 * SSIM_SIGMA**2)).sum()


def ssim(image: Tensor, truth: Tensor) -> Tensor:
    """Mean SSIM (Wang et al. 2004): 11x11 Gaussian window, zero padding, per channel.

    Differentiable; float32 images on a CPU go through a compiled kernel, which passes no gradient
    to `truth`.
    """
    compilable = image.device.type == "cpu" and image.dtype == truth.dtype == torch.float32
    if compilable and not truth.requires_grad:
        return ssim_kernels.ssim(image, truth)
    x, y = image.permute(2, 0, 1), truth.permute(2, 0, 1)
    rows, columns = _blur_matrix(x.shape[1]).to(x), _blur_matrix(x.shape[2]).to(x)
    # as matrix products: faster than conv2d on a CPU
    maps = rows @ torch.cat([x, y, x * x, y * y, x * y]) @ columns
    mx, my, xx, yy, xy = maps.split(len(x))
    above = (2 * mx * my + SSIM_C1) * (2 * (xy - mx * my) + SSIM_C2)
    below = (mx * mx + my * my + SSIM_C1) * (xx - mx * mx + yy - my * my + SSIM_C2)
    return (above / below).mean()


def ms_ssim(image: Tensor, truth: Tensor) -> float | None:
    """Multi-scale SSIM (Wang et al. 2003) as `piq` has it; None for pictures that are too small for
    its five scales.
    """
    if min(image.shape[:2]) < MS_SSIM_SIDE:
        return None
    import piq

    return float(piq.multi_scale_ssim(*_batches(image, truth)))


def haarpsi(image: Tensor, truth: Tensor) -> float:
    """Haar wavelet perceptual similarity index (Reisenhofer et al. 2018) as `piq` has it: 1 for
    equal pictures.
    """
    import piq

    return float(piq.haarpsi(*_batches(image, truth)))


def _batches(*pictures: Tensor) -> list[Tensor]:
    """Pictures (H, W, 3) as (1, 3, H, W) in [0, 1]."""
    return [p.permute(2, 0, 1)[None].float().clamp(0, 1) for p in pictures]


def iou(a: Tensor, b: Tensor, threshold: float = 0.5) -> float:
    """Intersection over union of two masks after thresholding."""
    x, y = a > threshold, b > threshold
    return float((x & y).sum() / (x | y).sum().clamp_min(1))


def iou_loss(a: Tensor, b: Tensor) -> Tensor:
    """1 - soft intersection over union of two masks (H, W, 1) (kaolin's mask_iou)."""
    return 1 - (a * b).sum() / (a + b - a * b).sum().clamp_min(1e-6)


def nme(points: Tensor, truth: Tensor, eye: Tensor) -> Tensor:
    """Mean distance (...,) of 2D points (..., N, 2) to the truth, in units of the eye distance."""
    return (points - truth).norm(dim=-1).mean(-1) / eye


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson correlation of two sequences (T,)."""
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12))
