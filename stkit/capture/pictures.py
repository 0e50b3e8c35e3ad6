"""A clip's pictures and mattes at the small size at which a rendered head is compared with them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from stkit.cameras import Camera

UNDER_CHIN = (
    0.25  # from brow to chin is 1, chosen by eye: hair may hang down to this far below the chin
)


@dataclass(frozen=True)
class Pictures:
    """What the clip shows, at the size of the comparison.

    Of every frame the image over white (s, s, 3), the matte (s, s, 1), and the rows (s, 1, 1) where
    no hair can hang.
    """

    images: list[Tensor]
    mattes: list[Tensor]
    hairless_rows: list[Tensor]
    camera: Camera


def small_pictures(
    frames: np.ndarray, mattes: np.ndarray, landmarks: Tensor, camera: Camera, size: int
) -> Pictures:
    """A clip at `size` pixels.

    frames (F, S, S, 3) and mattes (F, S, S) uint8, landmarks (F, 68 or more, 2) in pixels of
    `camera`.
    """
    small = [_shrunk(matte[..., None], size) for matte in mattes]
    images = [_shrunk(x, size) * matte + 1 - matte for x, matte in zip(frames, small)]
    rows = [_hairless_rows(marks, camera.height, size) for marks in landmarks]
    return Pictures(images, small, rows, camera.resized(size))


def _hairless_rows(landmarks: Tensor, height: int, size: int) -> Tensor:
    """Rows (size, 1, 1) where a matte wider than the model asks for a wider model.

    0 from the brows to below the chin, where hair may hang. landmarks (N, 2), pixels of a picture
    `height` high.
    """
    brow, chin = landmarks[17:27, 1].min(), landmarks[8, 1]
    y = (torch.arange(size) + 0.5) * height / size
    lowest = chin + UNDER_CHIN * (chin - brow)
    return ((y < brow) | (y > lowest)).float()[:, None, None]


def _shrunk(picture: np.ndarray, size: int) -> Tensor:
    """A uint8 picture (S, S, C) at `size` pixels, float in [0, 1]."""
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    return interpolate(x, (size, size), mode="area")[0].permute(1, 2, 0)
