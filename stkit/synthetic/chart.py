"""A flat map of the skin, in which a person's textures are painted.

A point's place in it is its azimuth around an axis through the mean head and neck, and its height.
Textures stick to the surface: every vertex keeps the place of the mean head's vertex, whatever the
person's shape and expression.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from stkit.face_models.makehuman.hairline import azimuth
from stkit.geometry import generator

SIZE = 1024  # texels on each side
RADIUS = 0.8  # decimetres of skin in a radian of azimuth, about
LOW, HIGH = -3.0, 1.8  # decimetres: the heights that the map shows


@dataclass(frozen=True)
class Texels:
    """Where texels lie on the mean head, decimetres: `across` (…) from the middle of the face to
    the subject's left along the skin, and `up` (…), the height.
    """

    across: Tensor
    up: Tensor


@lru_cache(maxsize=1)
def texels() -> Texels:
    """All texels (SIZE, SIZE); the first row is the lowest."""
    steps = (torch.arange(SIZE) + 0.5) / SIZE
    across = (2 * steps - 1) * torch.pi * RADIUS
    up = LOW + steps * (HIGH - LOW)
    return Texels(across.expand(SIZE, SIZE), up[:, None].expand(SIZE, SIZE))


def place(points: Tensor) -> Tensor:
    """Across and up (..., 2), decimetres, of points (..., 3) of the mean head."""
    return torch.stack([azimuth(points) * RADIUS, points[..., 1]], -1)


def look_up(textures: Tensor, points: Tensor) -> Tensor:
    """Values (N, C) of textures (C, SIZE, SIZE) at points (N, 3) of the mean head."""
    across, up = place(points).unbind(-1)
    grid = torch.stack([across / (torch.pi * RADIUS), 2 * (up - LOW) / (HIGH - LOW) - 1], -1)
    found = grid_sample(
        textures[None], grid[None, None], padding_mode="border", align_corners=False
    )
    return found[0, :, 0].T


def noise(seed: int, name: str, wavelength: float, width: float = 0.5) -> Tensor:
    """Random texture (SIZE, SIZE) of unit variance around one wavelength, decimetres.

    width: of the band, in natural logarithms of the wavelength.
    """
    white = torch.randn(SIZE, SIZE, generator=generator(seed, name))
    per_texel = torch.tensor([(HIGH - LOW) / SIZE, 2 * torch.pi * RADIUS / SIZE])
    rows = torch.fft.fftfreq(SIZE)[:, None] / per_texel[0]
    columns = torch.fft.rfftfreq(SIZE)[None] / per_texel[1]
    frequency = torch.hypot(rows, columns).clamp_min(1e-6)
    band = torch.exp(-0.5 * (torch.log(frequency * wavelength) / width) ** 2)
    out = torch.fft.irfft2(torch.fft.rfft2(white) * band, s=(SIZE, SIZE))
    return out / out.std()


def slopes(relief: Tensor) -> Tensor:
    """How fast a relief (SIZE, SIZE), decimetres, rises across and up (2, SIZE, SIZE)."""
    across = (relief.roll(-1, 1) - relief.roll(1, 1)) * SIZE / (4 * torch.pi * RADIUS)
    up = (relief.roll(-1, 0) - relief.roll(1, 0)) * SIZE / (2 * (HIGH - LOW))
    return torch.stack([across, up])


def spot(centre: Tensor, across: float, up: float) -> Tensor:
    """A soft blob (SIZE, SIZE), 1 in its centre (2,), with these standard deviations."""
    t = texels()
    square = ((t.across - centre[0]) / across) ** 2 + ((t.up - centre[1]) / up) ** 2
    return torch.exp(-square / 2)


def inside(outline: Tensor, softness: float) -> Tensor:
    """How much texels lie within a closed outline (K, 2), in [0, 1]: 0.5 on it (SIZE, SIZE)."""
    return torch.sigmoid(signed_distance(outline, reach=6 * softness) / softness)


def signed_distance(outline: Tensor, reach: float) -> Tensor:
    """Distance to a closed outline (K, 2), decimetres, positive inside; -`reach` far outside."""
    out = torch.full((SIZE, SIZE), -reach)
    rows, columns = _window(outline, reach)
    t = texels()
    p = torch.stack([t.across[rows, columns], t.up[rows, columns]], -1)
    a, b = outline, outline.roll(-1, 0)
    distance = _to_segments(p, a, b).min(-1).values
    above = (a[:, 1] > p[..., 1:]) != (b[:, 1] > p[..., 1:])
    rise = (b[:, 1] - a[:, 1]).where(a[:, 1] != b[:, 1], torch.tensor(1.0))
    crossing = a[:, 0] + (p[..., 1:] - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise
    within = ((above & (p[..., :1] < crossing)).sum(-1) % 2).bool()
    out[rows, columns] = torch.where(within, distance, -distance).clamp_min(-reach)
    return out


def groove(path: Tensor, width: float) -> Tensor:
    """A valley (SIZE, SIZE) along an open path (K, 2), -1 at its bottom, shallower to both ends."""
    out = torch.zeros(SIZE, SIZE)
    rows, columns = _window(path, 3 * width)
    t = texels()
    p = torch.stack([t.across[rows, columns], t.up[rows, columns]], -1)
    distances = _to_segments(p, path[:-1], path[1:])
    nearest = distances.min(-1)
    along = nearest.indices / max(len(path) - 2, 1)
    depth = torch.exp(-((nearest.values / width) ** 2)) * (1 - (2 * along - 1) ** 4)
    out[rows, columns] = -depth
    return out


def _window(path: Tensor, margin: float) -> tuple[slice, slice]:
    """The rows and columns of texels around a path."""
    low, high = path.min(0).values - margin, path.max(0).values + margin
    full = 2 * torch.pi * RADIUS
    columns = [int(SIZE * (float(x) / full + 0.5)) for x in (low[0], high[0])]
    rows = [int(SIZE * (float(y) - LOW) / (HIGH - LOW)) for y in (low[1], high[1])]
    return (
        slice(max(rows[0], 0), min(rows[1] + 2, SIZE)),
        slice(max(columns[0], 0), min(columns[1] + 2, SIZE)),
    )


def _to_segments(p: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Distances (..., K) of points (..., 2) to segments from a (K, 2) to b (K, 2)."""
    along = b - a
    off = p[..., None, :] - a
    share = (off * along).sum(-1) / along.square().sum(-1).clamp_min(1e-12)
    return (off - share.clamp(0, 1)[..., None] * along).norm(dim=-1)
