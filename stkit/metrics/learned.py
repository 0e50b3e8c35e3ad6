"""Metrics by published networks: LPIPS and CLIP (lineage.md 6).

Images are (H, W, 3) in [0, 1]. A score whose weights are not on this machine is None.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stkit.assets import asset_path
from stkit.io.checkpoint_legacy import load_legacy_checkpoint

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's training images (Radford et al. 2021)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


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
    features = load_legacy_checkpoint(backbone)
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
    model, tokenizer = _clip(folder)
    tokens = tokenizer([before, after], padding=True, return_tensors="pt")
    pixels = _clip_pixels(torch.stack([image, edited]), model.config.vision_config.image_size)
    with torch.no_grad():
        i0, i1 = nn.functional.normalize(model.get_image_features(pixels).pooler_output, dim=-1)
        t0, t1 = nn.functional.normalize(model.get_text_features(**tokens).pooler_output, dim=-1)
    return ClipScores(_cosine(i1, t1), _cosine(i1 - i0, t1 - t0), _cosine(i0, i1))


def clip_agreement(image: Tensor, sentences: list[str]) -> list[float] | None:
    """How well each sentence fits a picture (H, W, 3), by CLIP ViT-L/14 (cosine); None where its
    folder is not on this machine.
    """
    folder = asset_path("clip_vit_l14")
    if folder is None:
        return None
    model, tokenizer = _clip(folder)
    tokens = tokenizer(sentences, padding=True, truncation=True, return_tensors="pt")
    pixels = _clip_pixels(image[None], model.config.vision_config.image_size)
    with torch.no_grad():
        picture = nn.functional.normalize(model.get_image_features(pixels).pooler_output, dim=-1)
        words = nn.functional.normalize(model.get_text_features(**tokens).pooler_output, dim=-1)
    return (words @ picture[0]).tolist()


@lru_cache(maxsize=1)
def _clip(folder: Path) -> tuple[Any, Any]:
    """CLIP and its tokenizer from a folder."""
    from transformers import CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder, use_safetensors=True).eval()
    return model, CLIPTokenizer.from_pretrained(folder)


def _clip_pixels(images: Tensor, size: int) -> Tensor:
    """Images (N, H, W, 3) as CLIP takes them: (N, 3, size, size), normalised."""
    pixels = images.permute(0, 3, 1, 2).float()
    pixels = nn.functional.interpolate(pixels, (size, size), mode="bicubic", antialias=True)
    mean = torch.tensor(CLIP_MEAN).view(3, 1, 1)
    std = torch.tensor(CLIP_STD).view(3, 1, 1)
    return (pixels.clamp(0, 1) - mean) / std


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(nn.functional.cosine_similarity(a, b, dim=0))
