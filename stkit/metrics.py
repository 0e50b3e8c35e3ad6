"""Image and landmark metrics, as the field defines them (lineage.md 6).

Images are (H, W, C) in [0, 1] unless said otherwise. A score that needs weights which are not on
this machine is None.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from stkit.assets import asset_path, check_asset
from stkit.render import ssim_kernels

MSE_MIN = 1e-12  # two equal images have a PSNR of 120 dB, not an infinite one
SSIM_REACH = 5  # pixels on either side: an 11-tap window (Wang et al. 2004)
SSIM_SIGMA = 1.5  # pixels (Wang et al. 2004)
SSIM_C1 = 0.01**2  # (K1 L)^2 and (K2 L)^2 of Wang et al. 2004, for values in [0, 1]
SSIM_C2 = 0.03**2
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's training images (Radford et al. 2021)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
# the 68 landmarks of iBUG (Sagonas et al. 2013) that OpenCV's aligner reads
RIGHT_EYE, LEFT_EYE, NOSE_TIP, MOUTH_CORNERS = slice(36, 42), slice(42, 48), 30, (48, 54)


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


def perceptual(image: Tensor, truth: Tensor, net: str = "vgg") -> float | None:
    """LPIPS (Zhang et al. 2018), or None where the backbone's weights are not on this machine.

    The network gets inputs scaled to [-1, 1].
    """
    model = _lpips(net)
    if model is None:
        return None
    pair = [x.permute(2, 0, 1)[None].float() * 2 - 1 for x in (image, truth)]
    with torch.no_grad():
        return float(model(*pair))


@lru_cache(maxsize=2)
def _lpips(net: str) -> nn.Module | None:
    """The lpips package's model with its backbone filled from the asset, or None without that."""
    backbone = asset_path(f"lpips_{net}_backbone")
    if backbone is None:
        return None
    import lpips

    model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    features = torch.load(backbone, weights_only=True)
    for name, parameter in model.net.named_parameters():
        place = name.split(".", 1)[1]  # lpips cuts `features` into parts: slice2.5.weight
        parameter.data.copy_(features[f"features.{place}"])
    return model.eval()


@dataclass(frozen=True)
class ClipScores:
    """Cosines of CLIP embeddings (lineage.md 6).

    `clip_s` edited picture and its caption, `clip_ds` change of the picture and of the caption,
    `clip_image` edited picture and the one before.
    """

    clip_s: float
    clip_ds: float
    clip_image: float


def clip_scores(image: Tensor, edited: Tensor, before: str, after: str) -> ClipScores | None:
    """Scores of an edit by CLIP ViT-L/14, or None where its folder is not on this machine.

    `before` and `after` are captions of `image` and `edited`, not the instruction. Images are
    resized to 224 without a crop.
    """
    folder = asset_path("clip_vit_l14")
    if folder is None:
        return None
    from transformers import CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder, use_safetensors=True).eval()
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    tokens = tokenizer([before, after], padding=True, return_tensors="pt")
    pixels = _clip_pixels(torch.stack([image, edited]), model.config.vision_config.image_size)
    with torch.no_grad():
        i0, i1 = nn.functional.normalize(model.get_image_features(pixels).pooler_output, dim=-1)
        t0, t1 = nn.functional.normalize(model.get_text_features(**tokens).pooler_output, dim=-1)
    return ClipScores(_cosine(i1, t1), _cosine(i1 - i0, t1 - t0), _cosine(i0, i1))


def _clip_pixels(images: Tensor, size: int) -> Tensor:
    """Images (N, H, W, 3) as CLIP takes them: (N, 3, size, size), normalised."""
    pixels = images.permute(0, 3, 1, 2).float()
    pixels = nn.functional.interpolate(pixels, (size, size), mode="bicubic", antialias=True)
    mean = torch.tensor(CLIP_MEAN).view(3, 1, 1)
    std = torch.tensor(CLIP_STD).view(3, 1, 1)
    return (pixels.clamp(0, 1) - mean) / std


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(nn.functional.cosine_similarity(a, b, dim=0))


def same_person(
    image: np.ndarray, other: np.ndarray, points: np.ndarray, other_points: np.ndarray
) -> float | None:
    """Cosine of two faces' SFace embeddings (Zhong et al. 2021), or None without the weights.

    Images (H, W, 3) uint8, points (68, 2) in their pixels. OpenCV counts above 0.363 as the same
    person. Raises ValueError where the file is not the published one.
    """
    model = _sface()
    if model is None:
        return None
    embeddings = [
        model.feature(model.alignCrop(np.ascontiguousarray(picture[..., ::-1]), _detection(marks)))
        for picture, marks in ((image, points), (other, other_points))
    ]
    return float(model.match(*embeddings, 0))


def _detection(points: np.ndarray) -> np.ndarray:
    """What OpenCV's aligner reads (15,), from landmarks (68, 2).

    Box, right eye, left eye, nose, right and left corner of the mouth, score.
    """
    low, high = points.min(0), points.max(0)
    eyes = points[RIGHT_EYE].mean(0), points[LEFT_EYE].mean(0)
    mouth = [points[corner] for corner in MOUTH_CORNERS]
    marks = [low, high - low, *eyes, points[NOSE_TIP], *mouth, [1.0]]
    return np.concatenate(marks).astype(np.float32)


@lru_cache(maxsize=1)
def _sface():
    """OpenCV's face recogniser with the published weights, or None without them."""
    path = asset_path("sface")
    if path is None:
        return None
    import cv2

    check_asset("sface")
    return cv2.FaceRecognizerSF.create(str(path), "")
