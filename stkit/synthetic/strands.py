"""Strands as chains of thin Gaussians, shaded, and drawn where no surface hides them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, normalize

from stkit.cameras import FAR, Camera
from stkit.render import rasterize
from stkit.synthetic import light
from stkit.synthetic.shadows import ShadowMap

OVERLAP = 0.55  # of a segment's length: a Gaussian's standard deviation along it
OPACITY = 0.8
HIDDEN_BY = 0.025  # decimetres behind a surface from which on a strand is hidden
DENSITY = 0.08  # how much a strand that crosses a texel of the shadow map shades what is behind
DENSITY_SIZE, DENSITY_WIDTH = 192, 4.6  # texels and decimetres of that map
ROOT = 0.5  # a root's brightness, as a share of the tip's
TIP = 0.45  # a tip's width, as a share of the root's


@dataclass(frozen=True)
class Drawn:
    """Strands (N, P, 3) in the world, their radius (N,) and linear colour (N, 3)."""

    points: Tensor
    radius: Tensor
    colour: Tensor
    kind: str


@dataclass(frozen=True)
class StrandImage:
    """Linear colours (H, W, 3), already multiplied by alpha (H, W, 1), and depth (H, W)."""

    image: Tensor
    alpha: Tensor
    depth: Tensor


def draw_strands(strands: list[Drawn], camera: Camera, depth: Tensor, lamp: "Lamp") -> StrandImage:
    """Strands in front of a depth map (H, W)."""
    means, directions, scales, colours = [], [], [], []
    for s in strands:
        start, end = s.points[:, :-1], s.points[:, 1:]
        middle = ((start + end) / 2).reshape(-1, 3)
        along = (end - start).reshape(-1, 3)
        visible = _visible(middle, camera, depth)
        tip, root = (1.0, 1.0) if s.kind == "wire" else (TIP, ROOT)
        taper = torch.linspace(1, tip, start.shape[1])
        width = (s.radius[:, None] * taper).reshape(-1)[visible]
        length = OVERLAP * along[visible].norm(dim=1)
        means.append(middle[visible])
        directions.append(normalize(along[visible], dim=1))
        scales.append(torch.stack([length, width, width], 1))
        order = torch.arange(start.shape[1]) / start.shape[1]
        tone = root + (1 - root) * order
        colours.append((s.colour[:, None] * tone[:, None]).reshape(-1, 3)[visible])
    mean, along = torch.cat(means), torch.cat(directions)
    shaded = _shaded(mean, along, torch.cat(colours), camera, lamp)
    size = (camera.width, camera.height)
    image, alpha, _ = rasterize(
        mean,
        _turned_along(along),
        torch.cat(scales),
        torch.full((len(mean),), OPACITY),
        shaded,
        camera.viewmat[None],
        camera.K[None],
        *size,
        eps2d=0.08,
        render_mode="RGB+ED",
        rasterize_mode="antialiased",
        meta=False,
    )
    return StrandImage(image[0, ..., :3], alpha[0], image[0, ..., 3])


def _visible(points: Tensor, camera: Camera, depth: Tensor) -> Tensor:
    """Which points (N, 3) are in the picture and not behind the surface."""
    x, y = camera.project(points).long().unbind(1)
    inside = (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)
    surface = depth[y.clamp(0, camera.height - 1), x.clamp(0, camera.width - 1)]
    return inside & (camera.to_camera(points)[:, 2] < surface + HIDDEN_BY)


def _shaded(
    points: Tensor,
    along: Tensor,
    colour: Tensor,
    camera: Camera,
    lamp: "Lamp",
) -> Tensor:
    """Light (M, 3) from segments: Kajiya & Kay 1989 with two highlights."""
    view = normalize(camera.centre() - points, dim=1)
    towards = light.key_direction(lamp.env)
    key = torch.tensor(light.ENVIRONMENTS[lamp.env].key_colour)
    lit = lamp.reaches(points)
    to_light = along @ towards
    diffuse = (1 - to_light.square()).clamp_min(0).sqrt()
    half = normalize(view + towards, dim=1)
    at_half = (along * half).sum(1)
    first = (1 - (at_half + 0.06).clamp(-1, 1).square()).sqrt() ** 90
    second = (1 - (at_half - 0.10).clamp(-1, 1).square()).sqrt() ** 24
    outward = normalize(points - lamp.middle, dim=1)
    sky = light.irradiance(lamp.env, outward, torch.full((3,), 0.4))
    depth = lamp.depth(points)[:, None]
    direct = lit[:, None] * key
    body = colour * (0.75 * diffuse[:, None] * direct + sky * depth)
    shine = direct * (0.011 * first[:, None] + 0.35 * second[:, None] * colour)
    gleam = 0.004 * sky * depth * first[:, None]
    return (body + shine + gleam) * light.exposure(lamp.env)


@dataclass(frozen=True)
class HairFog:
    """Loose hair as the key light meets it, as a fog: maps (4, S, S) of how many points are behind
    each texel, where they begin and end, and whether there are any; None where nobody has hair.

    Source: deep opacity maps (Yuksel & Keyser 2008), with one layer.
    """

    camera: Camera
    maps: Tensor | None

    def passed(self, points: Tensor) -> Tensor:
        """How much light gets through to world points (N, 3), in [0, 1] (N,)."""
        if self.maps is None:
            return torch.ones(len(points))
        grid = self.camera.project(points) * 2 / DENSITY_SIZE - 1
        found = grid_sample(self.maps[None], grid[None, None], align_corners=False)[0, :, 0]
        count, first, last, any_hair = found
        start, end = first / any_hair.clamp_min(1e-3), last / any_hair.clamp_min(1e-3)
        own = self.camera.to_camera(points)[:, 2] - FAR
        behind = ((own - start) / (end - start).clamp_min(0.15)).clamp(0, 1)
        return torch.exp(-DENSITY * count * behind)


def hair_fog(strands: list[Drawn], light_camera: Camera) -> HairFog:
    """The fog of the loose hair among strands."""
    camera = light_camera.resized(DENSITY_SIZE)
    loose = [s.points[:, ::2].reshape(-1, 3) for s in strands if s.kind == "hair"]
    if not loose:
        return HairFog(camera, None)
    hair = torch.cat(loose)
    pixel = camera.project(hair).long().clamp(0, DENSITY_SIZE - 1)
    index = pixel[:, 1] * DENSITY_SIZE + pixel[:, 0]
    depth = camera.to_camera(hair)[:, 2] - FAR
    texels = DENSITY_SIZE**2
    count = torch.zeros(texels).index_add(0, index, torch.ones(len(hair)))
    first = torch.full((texels,), 9.0).scatter_reduce(0, index, depth, "amin")
    last = torch.full((texels,), -9.0).scatter_reduce(0, index, depth, "amax")
    there = count > 0
    maps = torch.stack([count, first.where(there, 0), last.where(there, 0), there.float()])
    blurred = avg_pool2d(maps.reshape(1, 4, DENSITY_SIZE, DENSITY_SIZE), 3, 1, 1)[0]
    return HairFog(camera, blurred)


@dataclass(frozen=True)
class Lamp:
    """What lights a person: an environment's name, the shadows of surfaces and of hair, and the
    head's middle (3,).
    """

    env: str
    shadow: ShadowMap
    fog: HairFog
    middle: Tensor

    def depth(self, points: Tensor) -> Tensor:
        """How open hair is to the sky at points (N, 3), in [0, 1] (N,): less near the skull."""
        return 0.35 + 0.65 * (((points - self.middle).norm(dim=1) - 0.75) / 0.45).clamp(0, 1)

    def reaches(self, points: Tensor) -> Tensor:
        """How much of the key light reaches world points (N, 3), in [0, 1] (N,)."""
        return self.shadow.lit(points) * self.fog.passed(points)


def _turned_along(along: Tensor) -> Tensor:
    """Quaternions (N, 4) that turn the x axis to unit directions (N, 3)."""
    x, y, z = along.unbind(1)
    w = 1 + x
    quats = torch.stack([w, torch.zeros_like(x), -z, y], 1)
    flipped = torch.tensor([0.0, 0.0, 0.0, 1.0])
    return torch.where((w < 1e-4)[:, None], flipped, quats)
