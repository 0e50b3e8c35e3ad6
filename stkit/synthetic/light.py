"""Light on made-up people: environments as spherical harmonics, a key light, and soft shadows.

Colours are linear. Directions point towards the light, in the world: +x to the right of a picture
whose camera stands on +z, +y up.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, normalize

from stkit.cameras import Camera
from stkit.geometry import so3_exp
from stkit.render import render_mesh
from stkit.space import FramePose

SAMPLES = 4000  # directions by which an environment is projected
COSINE = (1.0, 2 / 3, 1 / 4)  # a cosine lobe's factors of the bands (Ramamoorthi & Hanrahan 2001)
SHADOW_SIZE = 320  # texels of the shadow map's side
SHADOW_BLUR = 5  # texels
SHADOW_WIDTH = 4.6  # world decimetres that the shadow map shows
FAR = 100.0  # decimetres from the shadow camera to the head
LEAST_VARIANCE = 2e-4  # decimetres^2, against a surface's shadow on itself
BIAS = 0.03  # decimetres


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


def harmonics(directions: Tensor) -> Tensor:
    """The first nine real spherical harmonics (N, 9) in unit directions (N, 3)."""
    x, y, z = directions.unbind(-1)
    return torch.stack(
        [
            torch.full_like(x, 0.282095),
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z * z - 1),
            1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        -1,
    )


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
    return 4 * math.pi / SAMPLES * harmonics(directions).T @ light


def irradiance(name: str, normals: Tensor, softness: Tensor) -> Tensor:
    """Diffuse light (N, 3) on unit normals (N, 3), over pi; softness (3,) in [0, 1] blurs each
    colour, as light that travels below the skin does.
    """
    band = torch.tensor([0, 1, 1, 1, 2, 2, 2, 2, 2])
    factor = torch.tensor(COSINE)[band][:, None] * (1 - 0.5 * softness) ** band[:, None]
    return (harmonics(normals) @ (radiance(name) * factor)).clamp_min(0)


def mirrored(name: str, directions: Tensor) -> Tensor:
    """Blurred light (N, 3) that comes from unit directions (N, 3)."""
    return (harmonics(directions) @ radiance(name)).clamp_min(0)


def key_direction(name: str) -> Tensor:
    """Unit direction (3,) of an environment's key light."""
    return normalize(torch.tensor(ENVIRONMENTS[name].key), dim=0)


@dataclass(frozen=True)
class ShadowMap:
    """Depth as the key light sees it: its mean and the mean of its square (2, S, S)."""

    camera: Camera
    moments: Tensor

    def lit(self, points: Tensor) -> Tensor:
        """How much of the light reaches world points (N, 3), in [0, 1] (N,).

        Source: variance shadow maps (Donnelly & Lauritzen 2006).
        """
        depth = self.camera.to_camera(points)[:, 2] - BIAS
        grid = self.camera.project(points) * 2 / self.camera.width - 1
        found = grid_sample(self.moments[None], grid[None, None], align_corners=False)[0, :, 0]
        variance = (found[1] - found[0].square()).clamp_min(LEAST_VARIANCE)
        behind = (depth - FAR - found[0]).clamp_min(0)
        lit = variance / (variance + behind.square())
        return ((lit - 0.2) / 0.8).clamp(0, 1)  # less light leaks where shadows overlap


def shadow_map(towards: Tensor, verts: Tensor, faces: Tensor, middle: Tensor) -> ShadowMap:
    """What a far light in a unit direction sees of a mesh around a point (3,)."""
    camera = looking_along(towards, middle, SHADOW_SIZE, SHADOW_WIDTH)
    out = render_mesh(verts, faces, verts[:, :1], camera, antialias=False)
    depth = torch.where(out.face_id >= 0, out.depth - FAR, SHADOW_WIDTH)
    moments = torch.stack([depth, depth.square()])
    pad = SHADOW_BLUR // 2
    return ShadowMap(camera, avg_pool2d(moments[None], SHADOW_BLUR, 1, pad)[0])


def looking_along(towards: Tensor, middle: Tensor, size: int, width: float) -> Camera:
    """A nearly parallel camera far away in a unit direction, which shows `width` decimetres."""
    up = torch.tensor([0.0, 1.0, 0.0]) if abs(towards[1]) < 0.95 else torch.tensor([0.0, 0, 1])
    right = normalize(torch.linalg.cross(up, towards), dim=0)
    down = torch.linalg.cross(right, towards)
    viewmat = torch.eye(4)
    viewmat[:3, :3] = torch.stack([right, down, -towards])
    viewmat[:3, 3] = -viewmat[:3, :3] @ (middle + FAR * towards)
    focal = size * FAR / width
    K = torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]])
    return Camera(viewmat, K, size, size)


def openness(verts: Tensor, faces: Tensor, normals: Tensor, directions: int = 48) -> Tensor:
    """How much of the sky vertices (V, 3) see, weighted by the cosine, in [0, 1] (V,)."""
    seen, most = torch.zeros(len(verts)), torch.zeros(len(verts))
    middle = torch.tensor([0.0, -0.3, -0.3])
    for towards in evenly_spread(directions):
        cosine = (normals @ towards).clamp_min(0)
        seen += cosine * shadow_map(towards, verts, faces, middle).lit(verts + 0.02 * normals)
        most += cosine
    return seen / most.clamp_min(1e-6)


def evenly_spread(count: int) -> Tensor:
    """Unit directions (N, 3), evenly spread: a Fibonacci spiral."""
    k = torch.arange(count) + 0.5
    height = 1 - 2 * k / count
    turn = k * math.pi * (3 - math.sqrt(5))
    ring = (1 - height.square()).sqrt()
    return torch.stack([ring * turn.cos(), height, ring * turn.sin()], 1)


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


@dataclass(frozen=True)
class Lamp:
    """What lights strands: an environment's name, the key's shadows, and the head's middle (3,)."""

    env: str
    shadow: ShadowMap
    middle: Tensor

    def depth(self, points: Tensor) -> Tensor:
        """How open hair is to the sky at points (N, 3), in [0, 1] (N,): less near the skull."""
        return 0.35 + 0.65 * (((points - self.middle).norm(dim=1) - 0.75) / 0.45).clamp(0, 1)
