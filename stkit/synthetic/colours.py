"""Between linear light, in which shading adds up, and the colours of a display (sRGB)."""

import torch
from torch import Tensor

EXPOSURE = 1.25  # of the film's curve; the kit's, chosen by eye


def to_srgb(linear: Tensor) -> Tensor:
    """Display colours in [0, 1] of linear light, with a soft shoulder."""
    x = 1 - torch.exp(-EXPOSURE * linear.clamp_min(0))
    return torch.where(x < 0.0031308, 12.92 * x, 1.055 * x.clamp_min(1e-6) ** (1 / 2.4) - 0.055)


def from_srgb(shown: Tensor) -> Tensor:
    """Linear light of display colours."""
    return torch.where(
        shown < 0.04045, shown / 12.92, ((shown + 0.055) / 1.055).clamp_min(0) ** 2.4
    )
