"""Lines: where the surface turns away, ends, or changes its substance, and where marks are fine."""

import torch
from torch import Tensor
from torch.nn import functional

from stkit.art.art_style import REGIONS
from stkit.art.gbuffer import GBuffer

LUMA = torch.tensor([0.299, 0.587, 0.114])  # brightness of RGB, ITU-R BT.601
# all of these are the kit's, chosen by eye
JUMP = 0.7  # decimetres by which the surface jumps within a line's width: a full line
TURN = 1.15  # of normals' difference within a line's width
OUTLINE = 0.7  # of alpha
SUBSTANCE = 1.3  # of the regions' shares
APART = 1.4  # blurs to each side of a pixel, at which the surface is compared
FINE = 0.035  # of brightness, by which a fine mark is darker than what surrounds it
SHARPER = 1.6  # ratio of the two blurs that find fine marks
MARKED = {"skin": 0.6, "lips": 0.7, "eyes": 1.0, "brows": 1.0, "hair": 0.45, "clothes": 0.3}


def ink(g: GBuffer, width: float, detail: float) -> Tensor:
    """How much ink (H, W) in [0, 1] a G-buffer's lines take; width of lines in canonical
    decimetres; detail: how much fine marks count, 1 as much as outlines.
    """
    sigma = max(0.5 * width / g.pixel, 0.4)  # pixels
    near = [
        _change(g.alpha, sigma) / OUTLINE,
        _change(_place_beyond(g, sigma), sigma) / JUMP * g.alpha[..., 0],
        _change(g.normal * g.alpha, sigma) / TURN,
        _change(g.regions, sigma) / SUBSTANCE,
    ]
    lines = torch.stack(near).amax(0)
    marked = g.regions @ torch.tensor([MARKED[name] for name in REGIONS])
    marks = detail * marked * _fine_marks(g.own_colour @ LUMA, sigma) * g.alpha[..., 0]
    return _steep(torch.maximum(lines, marks))


def _place_beyond(g: GBuffer, sigma: float) -> Tensor:
    """Places (H, W, 3) that go on a little beyond the outline: the outline is alpha's alone."""
    reach = 3 * sigma
    around = blurred(g.place * g.alpha, reach) / blurred(g.alpha, reach).clamp_min(1e-3)
    return torch.where(g.alpha > 0.5, g.place, around)


def _steep(x: Tensor) -> Tensor:
    """0 below a half, 1 from 1 on, smoothly."""
    t = ((x - 0.5) / 0.5).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _change(x: Tensor, sigma: float) -> Tensor:
    """How far x (H, W, C) differs between the two sides of a pixel, `sigma` pixels blurred."""
    smooth = blurred(x, sigma)
    reach = max(1, round(APART * sigma))
    padded = functional.pad(
        smooth.permute(2, 0, 1)[None], (reach, reach, reach, reach), mode="replicate"
    )[0]
    h, w = x.shape[:2]
    across = padded[:, reach : reach + h, 2 * reach :] - padded[:, reach : reach + h, :w]
    down = padded[:, 2 * reach :, reach : reach + w] - padded[:, :h, reach : reach + w]
    return (across.square().sum(0) + down.square().sum(0)).sqrt()


def _fine_marks(brightness: Tensor, sigma: float) -> Tensor:
    """How much darker (H, W) marks are than what is around them (a difference of two blurs)."""
    fine = blurred(brightness[..., None], sigma)
    around = blurred(brightness[..., None], SHARPER * sigma)
    return ((around - fine)[..., 0] / FINE).clamp(0, 1.5)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """x (H, W, C) after a normal blur of `sigma` pixels."""
    radius = max(1, round(2.5 * sigma))
    steps = torch.arange(-radius, radius + 1, dtype=x.dtype)
    kernel = torch.exp(-steps.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).repeat(x.shape[2], 1)
    planes = x.permute(2, 0, 1)[None]
    for shape, pad in (((1, -1), (radius, radius, 0, 0)), ((-1, 1), (0, 0, radius, radius))):
        weight = kernel.reshape(x.shape[2], 1, *shape)
        planes = functional.conv2d(
            functional.pad(planes, pad, mode="replicate"), weight, groups=x.shape[2]
        )
    return planes[0].permute(1, 2, 0)
