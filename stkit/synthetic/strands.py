"""Strands as chains of thin Gaussians, shaded, and drawn where no surface hides them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, normalize

from stkit.cameras import Camera
from stkit.render import rasterize
from stkit.synthetic import light

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


def draw_strands(
    strands: list[Drawn], camera: Camera, depth: Tensor, lamp: "light.Lamp"
) -> StrandImage:
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
    shaded = _shaded(mean, along, torch.cat(colours), strands, camera, lamp)
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
    strands: list[Drawn],
    camera: Camera,
    lamp: "light.Lamp",
) -> Tensor:
    """Light (M, 3) from segments: Kajiya & Kay 1989 with two highlights."""
    view = normalize(camera.centre() - points, dim=1)
    towards = light.key_direction(lamp.env)
    key = torch.tensor(light.ENVIRONMENTS[lamp.env].key_colour)
    lit = lamp.shadow.lit(points) * shade_on(strands, lamp.shadow.camera, points)
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


def shade_on(strands: list[Drawn], camera: Camera, points: Tensor) -> Tensor:
    """How much light passes the hair before points (N, 3), in [0, 1] (N,).

    Hair is taken as fog that begins where the light meets it first and ends at its mean depth's
    other side; source: deep opacity maps (Yuksel & Keyser 2008), with one layer.
    """
    loose = [s for s in strands if s.kind == "hair"]
    if not loose:
        return torch.ones(len(points))
    hair = torch.cat([s.points[:, ::2].reshape(-1, 3) for s in loose])
    small = camera.resized(DENSITY_SIZE)
    pixel = small.project(hair).long().clamp(0, DENSITY_SIZE - 1)
    index = pixel[:, 1] * DENSITY_SIZE + pixel[:, 0]
    depth = small.to_camera(hair)[:, 2] - light.FAR
    count = torch.zeros(DENSITY_SIZE**2).index_add(0, index, torch.ones(len(hair)))
    first = torch.full((DENSITY_SIZE**2,), 9.0).scatter_reduce(0, index, depth, "amin")
    last = torch.full((DENSITY_SIZE**2,), -9.0).scatter_reduce(0, index, depth, "amax")
    maps = torch.stack(
        [count, first.where(count > 0, 0), last.where(count > 0, 0), (count > 0).float()]
    )
    maps = avg_pool2d(maps.reshape(1, 4, DENSITY_SIZE, DENSITY_SIZE), 3, 1, 1)
    grid = small.project(points) * 2 / DENSITY_SIZE - 1
    count, first, last, any_hair = grid_sample(maps, grid[None, None], align_corners=False)[0, :, 0]
    start, end = first / any_hair.clamp_min(1e-3), last / any_hair.clamp_min(1e-3)
    own = small.to_camera(points)[:, 2] - light.FAR
    passed = ((own - start) / (end - start).clamp_min(0.15)).clamp(0, 1)
    return torch.exp(-DENSITY * count * passed)


def _turned_along(along: Tensor) -> Tensor:
    """Quaternions (N, 4) that turn the x axis to unit directions (N, 3)."""
    x, y, z = along.unbind(1)
    w = 1 + x
    quats = torch.stack([w, torch.zeros_like(x), -z, y], 1)
    flipped = torch.tensor([0.0, 0.0, 0.0, 1.0])
    return torch.where((w < 1e-4)[:, None], flipped, quats)
