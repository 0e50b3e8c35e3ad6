"""A clip's pictures and mattes at the small size at which a rendered head is compared with them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from stkit.cameras import Camera


@dataclass(frozen=True)
class Pictures:
    """What the clip shows, at the size of the comparison.

    Of every frame the image over white (s, s, 3) and the matte (s, s, 1).
    """

    images: list[Tensor]
    mattes: list[Tensor]
    camera: Camera


def small_pictures(frames: np.ndarray, mattes: np.ndarray, camera: Camera, size: int) -> Pictures:
    """A clip at `size` pixels: frames (F, S, S, 3) and mattes (F, S, S) uint8."""
    small = [_shrunk(matte[..., None], size) for matte in mattes]
    images = [_shrunk(x, size) * matte + 1 - matte for x, matte in zip(frames, small)]
    return Pictures(images, small, camera.resized(size))


def _shrunk(picture: np.ndarray, size: int) -> Tensor:
    """A uint8 picture (S, S, C) at `size` pixels, float in [0, 1]."""
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    return interpolate(x, (size, size), mode="area")[0].permute(1, 2, 0)
