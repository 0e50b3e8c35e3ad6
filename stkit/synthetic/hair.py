"""Hair of the head, grown as strands: curves of points that start on the skin."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from stkit.face_models.makehuman import makehuman
from stkit.face_models.makehuman.hairline import above_hairline, azimuth
from stkit.geometry import generator, nearest
from stkit.synthetic import chart
from stkit.synthetic.combing import KNOT, Comb, Roots
from stkit.synthetic.distance import DistanceGrid
from stkit.synthetic.person import Person

WIDTH = 0.55  # canonical decimetres from the middle to a parting at a temple
BUN, BUN_HAIRS, BUN_RADIUS = torch.tensor([0.0, 0.05, -0.02]), 2600, 0.30
# "hair" moves with its root, "short" hair also turns with the skin below; "wire" is metal
KINDS = ("hair", "short", "wire")


@dataclass(frozen=True)
class Strands:
    """N strands of P points (N, P, 3), canonical decimetres, at rest.

    roots (N, 3): vertices of the triangle that each starts on, with shares (N, 3); radius (N,)
    decimetres; colour (N, 3) linear RGB; kind: one of `KINDS`.
    """

    points: Tensor
    roots: Tensor
    shares: Tensor
    radius: Tensor
    colour: Tensor
    kind: str


@dataclass(frozen=True)
class Style:
    """How a head of hair grows.

    length (decimetres) on the top, at the sides and in the back; lift: how steeply it leaves the
    skin; comb: a name of `COMBS`; fall: how much gravity bends it; layers: decimetres that the hair
    is thick; curl: radius of curls, decimetres, and turns for each decimetre; clumping 0 to 1;
    thick: radius of a strand at its root, decimetres.
    """

    length: tuple[float, float, float]
    lift: float
    comb: str
    fall: float
    layers: float
    curl: float = 0.004
    turns: float = 0.5
    clumping: float = 0.5
    strands: int = 12_000
    points: int = 14
    thick: float = 0.0048


STYLES = {
    "bald": Style((0.03, 0.03, 0.03), 0.6, "out", 0.0, 0.02, strands=0),
    "buzz": Style((0.07, 0.05, 0.05), 0.7, "out", 0.0, 0.05, 0.0, strands=16_000, points=4),
    "short": Style((0.55, 0.22, 0.25), 0.55, "forward", 0.08, 0.20, 0.006, points=9),
    "parted": Style((0.85, 0.28, 0.3), 0.5, "side", 0.12, 0.22, 0.006, clumping=0.6, points=11),
    "swept": Style((0.95, 0.3, 0.4), 0.6, "back", 0.10, 0.26, 0.006, clumping=0.6, points=11),
    "curly": Style((0.75, 0.55, 0.65), 0.7, "out", 0.10, 0.40, 0.04, 2.0, 0.75, 12_000, 18, 0.0036),
    "coils": Style(
        (0.30, 0.20, 0.22), 0.85, "out", 0.0, 0.25, 0.02, 4.0, 0.7, strands=14_000, points=10
    ),
    "afro": Style(
        (0.5, 0.42, 0.42), 0.95, "out", 0.0, 0.55, 0.03, 4.0, 0.3, strands=13_000, points=12
    ),
    "bob": Style((1.75, 1.30, 1.15), 0.35, "side", 0.35, 0.24, 0.006, clumping=0.5, points=18),
    "long": Style((2.9, 2.4, 2.5), 0.35, "side", 0.40, 0.22, 0.008, clumping=0.55, points=22),
    "wavy": Style(
        (2.6, 2.2, 2.2), 0.4, "side", 0.38, 0.30, 0.045, 0.9, 0.75, strands=11_000, points=24
    ),
    "tied": Style((1.7, 1.3, 1.0), 0.25, "tied", 0.0, 0.12, 0.003, clumping=0.4, points=14),
}


def scalp(person: Person) -> Tensor:
    """How densely hair grows on every vertex of the mean head (V,), in [0, 1]."""
    x = makehuman().mean
    ears = (x[:, 0].abs() > 0.70) & (x[:, 1] < 0.28) & (x[:, 1] > -0.4)
    grows = _density(person, azimuth(x), x[:, 1])
    return grows * makehuman().part("skin") * ~ears


def scalp_mask(person: Person) -> Tensor:
    """The same on the chart (SIZE, SIZE), without the ears."""
    t = chart.texels()
    turned = t.across / chart.RADIUS
    ears = ((turned.abs() - 1.5).abs() < 0.27) & (t.up < 0.28) & (t.up > -0.4)
    return _density(person, turned, t.up) * ~ears


def _density(person: Person, turned: Tensor, height: Tensor) -> Tensor:
    """Hair by azimuth and height, with a hairline that waves a little."""
    wave = 0.02 * torch.sin(9 * turned.abs() + person.seed)
    return above_hairline(turned, height, person.hair.receding, wave)


def grow_hair(
    person: Person, rest: Tensor, normals: Tensor, around: DistanceGrid
) -> Strands | None:
    """The hair of the head over a person's skin at rest (V, 3) with its normals (V, 3)."""
    style = STYLES[person.hair.style]
    if not style.strands:
        return None
    rng = generator(person.seed, "hair")
    roots, shares = sample_roots(rest, scalp(person), style.strands, rng)
    start = (shares[..., None] * rest[roots]).sum(1)
    normal = normalize((shares[..., None] * normals[roots]).sum(1), dim=1)
    length = _lengths(style, start, rng)
    layer = style.layers * (0.12 + 0.88 * torch.rand(len(start), generator=rng))
    comb = Comb(style.comb, WIDTH * person.hair.part, style.lift, style.fall)
    points = comb.grow(Roots(start, normal, length, layer), style.points, around, rng)
    points = _clumped(points, style, rng)
    points = _curled(points, style, length, rng)
    if style.comb == "tied":
        points, roots, shares = _with_bun(points, roots, shares, rng)
    radius = torch.full((len(points),), style.thick)
    colour = colours_of_strands(person, len(points), person.hair.grey, rng)
    return Strands(points, roots, shares, radius, colour, "hair")


def _lengths(style: Style, start: Tensor, rng: torch.Generator) -> Tensor:
    """Decimetres of each strand (N,): top, sides and back blend."""
    top = torch.sigmoid((start[:, 1] - 0.62) / 0.10)
    back = torch.sigmoid((-0.75 - start[:, 2]) / 0.12) * (1 - top)
    side = 1 - top - back
    length = top * style.length[0] + side * style.length[1] + back * style.length[2]
    return length * (1 + 0.10 * torch.randn(len(start), generator=rng)).clamp(0.6, 1.3)


def _clumped(points: Tensor, style: Style, rng: torch.Generator) -> Tensor:
    """Strands drawn to a few guides, more towards their tips."""
    guides = torch.randperm(len(points), generator=rng)[: max(len(points) // 28, 1)]
    near = nearest(points[:, 0], points[guides, 0]).indices[:, 0]
    s = torch.linspace(0, 1, points.shape[1])[:, None]
    pull = style.clumping * s**0.8 * 0.85
    goal = points[guides][near]
    shift = points[:, :1] - goal[:, :1]
    return torch.lerp(points, goal + 0.35 * shift, pull)


def _curled(points: Tensor, style: Style, length: Tensor, rng: torch.Generator) -> Tensor:
    """Strands wound into curls, which start off the skin."""
    along = normalize(points.diff(dim=1, append=points[:, -1:] * 2 - points[:, -2:-1]), dim=2)
    aside = normalize(
        torch.linalg.cross(along, torch.tensor([0.3, 0.2, 0.93]).expand_as(along)), dim=2
    )
    other = torch.linalg.cross(along, aside)
    s = torch.linspace(0, 1, points.shape[1])
    # neighbours curl together: the phase changes slowly over the head
    wave = torch.randn(3, 3, generator=rng) * 4
    phase = (points[:, 0] @ wave).sin().sum(1) * 2 + 0.5 * torch.randn(len(points), generator=rng)
    angle = phase[:, None] + 2 * math.pi * style.turns * length[:, None] * s
    size = style.curl * (s * 3).clamp(0, 1)
    bend = angle.cos()[..., None] * aside + angle.sin()[..., None] * other
    return points + size[:, None] * bend


def _with_bun(
    points: Tensor, roots: Tensor, shares: Tensor, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """The strands, which end at the knot, and a bun of rings around it."""
    tilt = 0.35 * torch.randn(BUN_HAIRS, 3, generator=rng) + torch.tensor([0.0, 0.2, -1.0])
    axis = normalize(tilt, dim=1)
    a = normalize(torch.linalg.cross(axis, torch.tensor([1.0, 0.1, 0.0]).expand_as(axis)), dim=1)
    b = torch.linalg.cross(axis, a)
    turn = 2 * math.pi * torch.rand(BUN_HAIRS, 1, generator=rng)
    angle = turn + torch.linspace(0, 2.6, points.shape[1])
    share = 0.35 + 0.65 * torch.rand(BUN_HAIRS, 1, generator=rng).sqrt()  # of the radius
    depth = 0.17 * (1 - (0.97 * share).square()).sqrt()
    behind = torch.where(torch.rand(BUN_HAIRS, 1, generator=rng) < 0.85, depth, -depth)
    circle = angle.cos()[..., None] * a[:, None] + angle.sin()[..., None] * b[:, None]
    ring = BUN_RADIUS * share[..., None] * circle
    bun = KNOT + BUN + behind[..., None] * axis[:, None] + ring
    at = torch.randint(len(points), (BUN_HAIRS,), generator=rng)
    return torch.cat([points, bun]), torch.cat([roots, roots[at]]), torch.cat([shares, shares[at]])


def sample_roots(
    rest: Tensor, density: Tensor, count: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Random triangles' vertices (N, 3) and shares (N, 3), evenly where density (V,) is 1."""
    head = makehuman()
    faces = head.faces[head.face_part == 0]
    a, b, c = rest[faces].unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1)
    chosen = torch.multinomial(area * density[faces].mean(1), count, True, generator=rng)
    u, v = torch.rand(2, count, generator=rng)
    flip = u + v > 1
    u, v = torch.where(flip, 1 - u, u), torch.where(flip, 1 - v, v)
    return faces[chosen], torch.stack([1 - u - v, u, v], 1)


GREY = torch.tensor([0.45, 0.44, 0.43])  # linear RGB of a strand without pigment


def pigmented(person: Person) -> Tensor:
    """Linear RGB (3,) of the strands that have kept their colour."""
    look = person.hair
    light, dark = torch.tensor([0.52, 0.36, 0.17]), torch.tensor([0.011, 0.008, 0.007])
    red = torch.tensor([0.30, 0.075, 0.022])
    shade = torch.exp(torch.lerp(light.log(), dark.log(), look.melanin))
    paler = 1 - look.melanin
    return torch.lerp(shade, red * (0.1 + paler), 0.6 * look.red * paler)


def colours_of_strands(person: Person, count: int, grey: float, rng: torch.Generator) -> Tensor:
    """Linear RGB (N, 3): every strand a little different, a share of them grey."""
    white = torch.sigmoid((grey - torch.rand(count, 1, generator=rng)) / 0.12)
    colour = torch.lerp(pigmented(person), GREY, white)
    return colour * (1 + 0.16 * torch.randn(count, 1, generator=rng)).clamp(0.5, 1.6)
