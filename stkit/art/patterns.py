"""Patterns on the surface: hatching, dots, grain and tiles, fastened to canonical places."""

import torch
from torch import Tensor

AXIS_BEHIND = 0.6  # decimetres behind the origin of the face: the axis that patterns wind around
RADIUS = 0.9  # decimetres: a usual distance of the skin from that axis
# a well-known hash of shaders: sines of large multiples look random
HASH = (127.1, 311.7)
HASH_SCALE = 43758.5453


def unrolled(place: Tensor) -> Tensor:
    """Places (..., 3) on a cylinder around the head, unrolled: along and up (..., 2)."""
    around = torch.atan2(place[..., 0], place[..., 2] + AXIS_BEHIND)
    return torch.stack([RADIUS * around, place[..., 1]], -1)


def pattern(name: str, place: Tensor, period: float, width: float) -> Tensor:
    """Values (...) in [0, 1] with mean about 1/2 at places (..., 3), canonical decimetres.

    period: decimetres from one line, dot or tile to the next; width: of a pixel, decimetres. What
    is finer than two pixels turns into its mean.
    """
    at = unrolled(place) / period
    if name == "none":
        return torch.full_like(at[..., 0], 0.5)
    values = PATTERN_FUNCTIONS[name](at)
    visible = min(max(period / width / 2 - 1, 0.0), 1.0)
    return 0.5 + visible * (values - 0.5)


def _wave(x: Tensor) -> Tensor:
    """A triangle wave of period 1 in [0, 1]."""
    return (2 * (x - x.floor()) - 1).abs()


def _lines(at: Tensor) -> Tensor:
    return _wave(at[..., 1] + 0.35 * at[..., 0])


def _crossed(at: Tensor) -> Tensor:
    """The darker of two sets of lines, spread over [0, 1]."""
    darker = torch.minimum(_lines(at), _wave(at[..., 1] - 0.35 * at[..., 0]))
    return (1.5 * darker).clamp_max(1)


def _dots(at: Tensor) -> Tensor:
    """Distance to the middle of a cell of a grid that is turned by 45 degrees."""
    turned = torch.stack([at[..., 0] + at[..., 1], at[..., 0] - at[..., 1]], -1) / 2**0.5
    return ((turned - turned.round()).norm(dim=-1) * 2**0.5).clamp(0, 1)


def _hash(cell: Tensor) -> Tensor:
    """A number in [0, 1) for each cell (..., 2) of a grid."""
    value = torch.sin(cell[..., 0] * HASH[0] + cell[..., 1] * HASH[1]) * HASH_SCALE
    return value - value.floor()


def _grain(at: Tensor) -> Tensor:
    """Value noise: random numbers at a grid's corners, smoothly between them."""
    cell = at.floor()
    share = at - cell
    smooth = share * share * (3 - 2 * share)
    rows = []
    for dy in (0.0, 1.0):
        left = _hash(cell + torch.tensor([0.0, dy]))
        right = _hash(cell + torch.tensor([1.0, dy]))
        rows.append(torch.lerp(left, right, smooth[..., 0]))
    return torch.lerp(rows[0], rows[1], smooth[..., 1])


def _tiles(at: Tensor) -> Tensor:
    """Each tile its own value, with a dark joint around it."""
    inside = (at - at.round()).abs().amax(-1) < 0.43
    return torch.where(inside, 0.25 + 0.75 * _hash(at.round()), torch.zeros_like(at[..., 0]))


PATTERN_FUNCTIONS = {
    "lines": _lines,
    "crossed lines": _crossed,
    "dots": _dots,
    "grain": _grain,
    "tiles": _tiles,
}
