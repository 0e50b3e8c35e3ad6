"""Light on made-up people: environments as spherical harmonics, and a key light.

Colours are linear. Directions point towards the light, in the world: +x to the right of a picture
whose camera stands on +z, +y up.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import normalize

from stkit.geometry import evenly_spread, harmonics, so3_exp
from stkit.space import FramePose

SAMPLES = 4000  # directions by which an environment is projected
# of `geometry.harmonics`: what normalises each, and its band
NORMS = torch.tensor([0.282095, *[0.488603] * 3, *[1.092548] * 3, 0.546274, 0.315392])
BAND = torch.tensor([0, 1, 1, 1, 2, 2, 2, 2, 2])
COSINE = (1.0, 2 / 3, 1 / 4)  # a cosine lobe's factors of the bands (Ramamoorthi & Hanrahan 2001)


@dataclass(frozen=True)
class Environment:
    """What shines from where: sky (3,) and ground (3,) from above and below, soft lights as
    (direction, colour, how narrow), and the key light, which casts shadows.
    """

    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    soft: tuple[tuple[tuple[float, float, float], tuple[float, float, float], float], ...]
    key: tuple[float, float, float]
    key_colour: tuple[float, float, float]


ENVIRONMENTS = {
    "window": Environment(
        (0.36, 0.40, 0.46),
        (0.20, 0.18, 0.16),
        (((-1.0, 0.2, 0.3), (0.9, 1.0, 1.15), 4.0), ((1.0, 0.1, 0.4), (0.22, 0.2, 0.18), 3.0)),
        (-0.75, 0.45, 0.75),
        (1.25, 1.27, 1.30),
    ),
    "overcast": Environment(
        (0.95, 0.99, 1.05),
        (0.34, 0.33, 0.31),
        (((0.2, 0.9, 0.5), (0.8, 0.82, 0.85), 2.0),),
        (0.25, 0.85, 0.6),
        (0.55, 0.55, 0.55),
    ),
    "office": Environment(
        (0.72, 0.72, 0.68),
        (0.30, 0.28, 0.25),
        (((0.4, 1.0, 0.3), (0.9, 0.9, 0.85), 6.0), ((-0.5, 0.9, 0.6), (0.7, 0.7, 0.66), 6.0)),
        (0.35, 0.75, 0.7),
        (0.80, 0.79, 0.75),
    ),
    "sunset": Environment(
        (0.38, 0.42, 0.52),
        (0.24, 0.20, 0.17),
        (((-0.8, 0.15, 0.1), (0.25, 0.3, 0.42), 3.0),),
        (0.72, 0.30, 0.62),
        (1.70, 1.32, 0.98),
    ),
    "studio": Environment(
        (0.40, 0.40, 0.41),
        (0.26, 0.26, 0.26),
        (((-0.7, 0.3, 0.7), (0.55, 0.55, 0.56), 5.0), ((0.9, 0.5, -0.7), (1.1, 1.1, 1.1), 8.0)),
        (0.55, 0.55, 0.85),
        (1.30, 1.28, 1.25),
    ),
    "lamp": Environment(
        (0.30, 0.29, 0.29),
        (0.22, 0.18, 0.14),
        (((0.9, 0.2, 0.5), (0.55, 0.42, 0.28), 3.0),),
        (-0.5, 0.6, 0.8),
        (1.50, 1.32, 1.08),
    ),
}


@lru_cache(maxsize=8)
def radiance(name: str) -> Tensor:
    """An environment's light without its key (9, 3), as spherical harmonics."""
    env = ENVIRONMENTS[name]
    directions = evenly_spread(SAMPLES)
    height = 0.5 + 0.5 * directions[:, 1:2]
    light = torch.lerp(torch.tensor(env.ground), torch.tensor(env.sky), height)
    for towards, colour, narrow in env.soft:
        axis = normalize(torch.tensor(towards), dim=0)
        lobe = torch.exp(narrow * (directions @ axis - 1))
        light = light + lobe[:, None] * torch.tensor(colour)
    return 4 * math.pi / SAMPLES * (NORMS * harmonics(directions)).T @ light


def irradiance(name: str, normals: Tensor, softness: Tensor) -> Tensor:
    """Diffuse light (N, 3) on unit normals (N, 3), over pi; softness (3,) in [0, 1] blurs each
    colour, as light that travels below the skin does.
    """
    factor = torch.tensor(COSINE)[BAND][:, None] * (1 - 0.5 * softness) ** BAND[:, None]
    return (NORMS * harmonics(normals) @ (radiance(name) * factor)).clamp_min(0)


def mirrored(name: str, directions: Tensor) -> Tensor:
    """Blurred light (N, 3) that comes from unit directions (N, 3)."""
    return (NORMS * harmonics(directions) @ radiance(name)).clamp_min(0)


def key_direction(name: str) -> Tensor:
    """Unit direction (3,) of an environment's key light."""
    return normalize(torch.tensor(ENVIRONMENTS[name].key), dim=0)


@dataclass(frozen=True)
class Lit:
    """Light on N points: directions to the viewer `view` (N, 3), how much of the sky they see
    `openness` (N, 1) and how much of the key light reaches them `lit` (N,).
    """

    env: str
    view: Tensor
    openness: Tensor
    lit: Tensor

    def of(self, at: Tensor) -> "Lit":
        """The same for some of the points."""
        return Lit(self.env, self.view[at], self.openness[at], self.lit[at])

    def diffuse(self, normal: Tensor, colour: Tensor, softness: Tensor, wrap: Tensor) -> Tensor:
        """Scattered light (N, 3) from surfaces of a colour (N, 3)."""
        key = torch.tensor(ENVIRONMENTS[self.env].key_colour)
        cosine = (normal @ key_direction(self.env))[:, None]
        direct = ((cosine + wrap) / (1 + wrap)).clamp_min(0)
        reach = self.lit[:, None] ** (1 - softness)
        # light that bounces brightens hollows of bright things
        open_sky = self.openness ** (1 - 0.6 * colour)
        around = irradiance(self.env, normal, softness) * open_sky
        return colour * (around + key * direct * reach) * exposure(self.env)

    def specular(self, normal: Tensor, power: float, facing: float) -> Tensor:
        """Mirrored light (N, 3): the key's, as a Blinn lobe, and the sky's; `facing` is how much a
        surface mirrors that is seen squarely (Schlick 1994).
        """
        towards = key_direction(self.env)
        half = normalize(self.view + towards, dim=1)
        lobe = (power + 8) / 8 * (normal * half).sum(1).clamp_min(0) ** power
        lobe = lobe * (normal @ towards).clamp_min(0) * self.lit
        slant = (1 - (normal * self.view).sum(1).clamp(0, 1)) ** 5
        fresnel = (facing + (1 - facing) * slant)[:, None]
        key = torch.tensor(ENVIRONMENTS[self.env].key_colour)
        about = 2 * (normal * self.view).sum(1, keepdim=True) * normal - self.view
        sky = mirrored(self.env, about) * self.openness**2
        return (facing * lobe[:, None] * key + 0.24 * fresnel * sky) * exposure(self.env)

    def sheen(self, normal: Tensor) -> Tensor:
        """Light (N, 3) on fine fuzz, seen at edges."""
        slant = (1 - (normal * self.view).sum(1, keepdim=True).clamp(0, 1)) ** 3
        return slant * irradiance(self.env, normal, torch.zeros(3)) * exposure(self.env)


@lru_cache(maxsize=8)
def exposure(name: str) -> float:
    """What makes every environment equally bright on a face."""
    front = normalize(torch.tensor([[0.0, 0.15, 1.0]]), dim=1)
    key = ENVIRONMENTS[name].key_colour[1] * float((front @ key_direction(name)).clamp_min(0))
    return 1.15 / float(irradiance(name, front, torch.zeros(3))[0, 1] + key)


def head_up(frame: FramePose) -> Tensor:
    """The head's own upward direction (3,) in the world."""
    return so3_exp(frame.pose[:3])[:, 1]
