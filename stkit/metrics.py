"""Image and landmark metrics, as the field defines them (lineage.md 6). Images (H, W, C) in [0, 1] unless said."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def psnr(image: Tensor, truth: Tensor) -> float:
    """20 log10(1 / rmse) over all pixels and channels, dB."""
    return float(-10 * torch.log10((image - truth).square().mean().clamp_min(1e-12)))


@lru_cache(maxsize=8)
def _blur_matrix(n: int) -> Tensor:
    """Banded matrix (n, n) whose product with a column is its 11-tap Gaussian blur (sigma 1.5) with zero padding."""
    d = torch.arange(n)[:, None] - torch.arange(n)[None]
    g = torch.exp(-(d.float() ** 2) / (2 * 1.5**2)) * (d.abs() <= 5)
    return g / torch.exp(-(torch.arange(-5, 6).float() ** 2) / (2 * 1.5**2)).sum()


def ssim(image: Tensor, truth: Tensor) -> Tensor:
    """Mean SSIM: 11x11 Gaussian window, sigma 1.5, C1 = 0.01^2, C2 = 0.03^2, zero padding, per channel.

    Differentiable; float32 images on a CPU go through a compiled kernel, which passes no gradient to `truth`.
    """
    if (
        image.device.type == "cpu"
        and image.dtype == truth.dtype == torch.float32
        and not truth.requires_grad
    ):
        from stkit.render.ssim_kernels import ssim as compiled

        return compiled(image, truth)
    x, y = image.permute(2, 0, 1), truth.permute(2, 0, 1)
    rows, columns = _blur_matrix(x.shape[1]).to(x), _blur_matrix(x.shape[2]).to(x)
    maps = (
        rows @ torch.cat([x, y, x * x, y * y, x * y]) @ columns
    )  # as products: faster than conv2d on a CPU
    mx, my, xx, yy, xy = maps.split(len(x))
    c1, c2 = 0.01**2, 0.03**2
    value = (
        (2 * mx * my + c1)
        * (2 * (xy - mx * my) + c2)
        / ((mx * mx + my * my + c1) * (xx - mx * mx + yy - my * my + c2))
    )
    return value.mean()


def iou(a: Tensor, b: Tensor, threshold: float = 0.5) -> float:
    """Intersection over union of two masks after thresholding."""
    x, y = a > threshold, b > threshold
    return float((x & y).sum() / (x | y).sum().clamp_min(1))


def nme(points: Tensor, truth: Tensor, eye: Tensor) -> Tensor:
    """Mean distance (...,) of 2D points (..., N, 2) to the truth in units of the eye distance (...,)."""
    return (points - truth).norm(dim=-1).mean(-1) / eye


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson correlation of two sequences (T,)."""
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12))


def perceptual(image: Tensor, truth: Tensor, net: str = "vgg") -> float | None:
    """LPIPS with inputs scaled to [-1, 1], or None where the backbone's weights are not on this machine."""
    model = _lpips(net)
    if model is None:
        return None
    pair = [x.permute(2, 0, 1)[None].float() * 2 - 1 for x in (image, truth)]
    with torch.no_grad():
        return float(model(*pair))


@lru_cache(maxsize=2)
def _lpips(net: str):
    from stkit.assets import asset_path

    backbone = asset_path(f"lpips_{net}_backbone")
    if backbone is None:
        return None
    import lpips

    model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    features = torch.load(backbone, weights_only=True)
    wanted = {k: v for k, v in features.items() if k.startswith("features.")}
    slices = [m for n, m in model.net.named_children() if n.startswith("slice")]
    for part in slices:
        for index, layer in part.named_children():
            for name, parameter in layer.named_parameters():
                parameter.data.copy_(wanted[f"features.{index}.{name}"])
    return model.eval()


def clip_scores(image: Tensor, edited: Tensor, before: str, after: str) -> dict[str, float] | None:
    """CLIP-S, CLIP-DS and image similarity (lineage.md 6) with ViT-L/14, or None where its folder is not on this machine.

    `before` and `after` are captions, not the instruction. Images are resized to 224 without a crop.
    """
    from stkit.assets import asset_path

    folder = asset_path("clip_vit_l14")
    if folder is None:
        return None
    from transformers import CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder, use_safetensors=True).eval()
    tokens = CLIPTokenizer.from_pretrained(folder)(
        [before, after], padding=True, return_tensors="pt"
    )
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
    pixels = torch.stack([x.permute(2, 0, 1) for x in (image, edited)]).float()
    size = model.config.vision_config.image_size
    pixels = torch.nn.functional.interpolate(
        pixels, (size, size), mode="bicubic", antialias=True
    ).clamp(0, 1)
    unit = lambda x: torch.nn.functional.normalize(getattr(x, "pooler_output", x), dim=-1)
    with torch.no_grad():
        i0, i1 = unit(model.get_image_features((pixels - mean) / std))
        t0, t1 = unit(model.get_text_features(**tokens))
    cos = lambda a, b: float(torch.nn.functional.cosine_similarity(a, b, dim=0))
    return {"clip_s": cos(i1, t1), "clip_ds": cos(i1 - i0, t1 - t0), "clip_image": cos(i0, i1)}


def same_person(
    image: np.ndarray, other: np.ndarray, points: np.ndarray, other_points: np.ndarray
) -> float | None:
    """Cosine similarity of two faces' SFace embeddings (Zhong et al. 2021), or None where its weights are not on this machine.

    Images (H, W, 3) uint8, points (68, 2) in their pixels. OpenCV counts above 0.363 as the same person.
    """
    model = _sface()
    if model is None:
        return None
    a, b = (
        model.feature(model.alignCrop(np.ascontiguousarray(i[..., ::-1]), _five(p)))
        for i, p in ((image, points), (other, other_points))
    )
    return float(model.match(a, b, 0))


def _five(points: np.ndarray) -> np.ndarray:
    """What OpenCV's aligner reads: box, right eye, left eye, nose, right and left corner of the mouth, score (15,)."""
    low, high = points.min(0), points.max(0)
    marks = points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]
    return np.concatenate([low, high - low, *marks, [1.0]]).astype(np.float32)


@lru_cache(maxsize=1)
def _sface():
    import cv2

    from stkit.assets import asset_path, check_asset

    path = asset_path("sface")
    if path is None:
        return None
    check_asset("sface")
    return cv2.FaceRecognizerSF.create(str(path), "")


def iou_loss(a: Tensor, b: Tensor) -> Tensor:
    """1 - soft intersection over union of two masks (H, W, 1) (kaolin's mask_iou)."""
    return 1 - (a * b).sum() / (a + b - a * b).sum().clamp_min(1e-6)
