"""The inside of the mouth: teeth one by one, gums, tongue, and the dark behind them."""

import torch
from torch import Tensor

from stkit.synthetic.light import Lit

ENAMEL = torch.tensor([0.70, 0.63, 0.50])  # linear RGB
GUMS = torch.tensor([0.40, 0.11, 0.11])
TOOTH = 0.205  # radians of the arch that one tooth takes
ARCH_Z = 0.02  # canonical decimetres: the middle of the arch
CROWNS = {"upper": -0.375, "lower": -0.565}  # heights where teeth leave the gums
FRONT, BACK = 0.42, -0.15  # decimetres: between them it gets dark
DARKEST = 0.04
SOFTNESS, WRAP = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.4, 0.25, 0.2])


def shade_teeth(jaw: str, mean: Tensor, normal: Tensor, lamp: Lit) -> Tensor:
    """Linear colours (N, 3) of the teeth of the upper or lower jaw at places (N, 3)."""
    arch = torch.atan2(mean[:, 0], mean[:, 2] - ARCH_Z)
    gap = (arch / TOOTH - (arch / TOOTH).round()).abs()  # from the border of two teeth
    between = torch.exp(-((gap / 0.07) ** 2))
    above = mean[:, 1] - CROWNS[jaw] + 0.03 * (2 * gap)
    gums = torch.sigmoid((above if jaw == "upper" else -above) / 0.012)
    colour = ENAMEL * (1 - 0.55 * between)[:, None]
    colour = torch.lerp(colour, GUMS, gums[:, None])
    light = _inside(mean, lamp, at_least=0.3)
    gloss = 0.8 * light.openness * light.specular(normal, 60.0, 0.04)
    return light.openness * light.diffuse(normal, colour, SOFTNESS, WRAP) + gloss


def shade_soft(mean: Tensor, normal: Tensor, lamp: Lit) -> Tensor:
    """Linear colours (N, 3) of tongue and of the mouth's walls at places (N, 3)."""
    light = _inside(mean, lamp, at_least=0.0)
    out = light.diffuse(normal, GUMS.expand(len(mean), 3), SOFTNESS, WRAP)
    return light.openness * (out + 0.4 * light.specular(normal, 40.0, 0.03))


def _inside(mean: Tensor, lamp: Lit, at_least: float) -> Lit:
    """Light that comes in between the lips: less of it further back."""
    reach = ((mean[:, 2:] - BACK) / (FRONT - BACK)).clamp(0, 1) ** 1.5
    open_sky = DARKEST + at_least + (1 - DARKEST - at_least) * reach
    return Lit(lamp.env, lamp.view, open_sky, 0.25 + 0.75 * lamp.lit)
