"""A G-buffer drawn in an art style: colour transport, steps of light, patterns, ink."""

from collections.abc import Mapping

import torch
from torch import Tensor

from stkit.art.art_style import REGIONS, SMOOTH_TONES, ArtStyle, Colours
from stkit.art.gbuffer import GBuffer
from stkit.art.ink import LUMA, ink
from stkit.art.patterns import pattern
from stkit.art.transport import colour_statistics, covariance_of, transported

LIGHT = torch.nn.functional.normalize(torch.tensor([-0.45, 0.55, 0.7]), dim=0)  # in the world
LIGHT_SHARE = 0.4  # of a tone that comes from the surface's turn to the light, not from its colour
RANGE = 3.0  # deviations of brightness from the darkest to the lightest tone
SOFT = 0.18  # of a step of light: how wide its edge is
PAPER = 1.0  # colour of the background


def region_colours(g: GBuffer) -> dict[str, Colours]:
    """The colours of each region that a G-buffer shows."""
    own, found = g.own_colour, {}
    for k, name in enumerate(REGIONS):
        statistics = colour_statistics(own, (g.regions[..., k] * g.alpha[..., 0]).square())
        if statistics is not None:
            found[name] = statistics
    return found


def restyle(
    g: GBuffer,
    style: ArtStyle,
    own: Mapping[str, Colours],
    degree: float = 0.5,
    color_transfer: float = 1.0,
) -> Tensor:
    """The picture (H, W, 3) over white. own: the head's colours before, by region, see
    `region_colours`; those of one frame serve for all frames, so that nothing flickers.

    degree: d_s, how far the drawing goes (tones, pattern, ink), 0 to 1; color_transfer: how far
    colours go from the head's own, 0, to the style's, 1.
    """
    painted = torch.zeros_like(g.colour)
    total = g.regions.sum(-1, keepdim=True).clamp_min(1e-3)
    light = 0.5 + 0.5 * (g.normal @ LIGHT)
    shift = style.depth * degree * (pattern(style.pattern, g.place, style.period, g.pixel) - 0.5)
    for k, region in enumerate(REGIONS):
        if region not in own:
            continue
        target = style.colours.get(region, own[region])
        x = _region(g.own_colour, light, shift, own[region], target, style, degree, color_transfer)
        painted = painted + (g.regions[..., k : k + 1] / total) * x
    bare = (g.regions.sum(-1, keepdim=True) < 0.1) & (g.alpha > 0)
    painted = torch.where(bare, g.own_colour, painted).clamp(0, 1)
    picture = g.alpha * painted + (1 - g.alpha) * PAPER
    if style.ink:
        amount = (style.ink * degree * ink(g, style.ink_width, style.detail))[..., None]
        picture = torch.lerp(picture, torch.tensor(style.ink_colour), amount)
    return picture.clamp(0, 1)


def _region(
    x: Tensor,
    light: Tensor,
    shift: Tensor,
    own: Colours,
    target: Colours,
    style: ArtStyle,
    degree: float,
    color_transfer: float,
) -> Tensor:
    """Colours (H, W, 3) of one region: transported, then flattened to tones."""
    moved = torch.lerp(x, transported(x, own, target), color_transfer)
    mean = torch.lerp(torch.tensor(own.mean), torch.tensor(target.mean), color_transfer)
    spread = torch.lerp(covariance_of(own), covariance_of(target), color_transfer)
    variance = LUMA @ spread @ LUMA
    per_brightness = spread @ LUMA / variance  # how colour changes with brightness, on average
    size = RANGE * variance.sqrt()
    tone = 0.5 + (moved @ LUMA - mean @ LUMA) / size
    tone = torch.lerp(tone, light, LIGHT_SHARE) + shift
    stepped = stepped_tone(tone, style.tones)
    flat = mean + ((stepped - 0.5) * size)[..., None] * per_brightness
    return torch.lerp(moved, flat, degree)


def stepped_tone(tone: Tensor, tones: int) -> Tensor:
    """Tones in [0, 1] in so many steps with soft edges; all of them at `SMOOTH_TONES`."""
    tone = tone.clamp(0, 1)
    if tones >= SMOOTH_TONES:
        return tone
    at = tone * tones
    floor = at.floor().clamp_max(tones - 1)
    edge = ((at - floor - (1 - SOFT)) / SOFT).clamp(0, 1)
    step = floor + edge * edge * (3 - 2 * edge) * (floor < tones - 1)
    return step / (tones - 1)
