"""Short hair that turns with the skin it grows on: brows, beards and lashes."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from stkit.face_models.makehuman import makehuman
from stkit.face_models.makehuman.head import LASHES
from stkit.geometry import generator
from stkit.synthetic import chart
from stkit.synthetic.hair import Strands, colours_of_strands, sample_roots
from stkit.synthetic.marks import marks
from stkit.synthetic.person import Person

# the lower and the upper borders of the brows, from their inner ends outwards (MediaPipe's numbers)
BROWS = (
    ((55, 65, 52, 53, 46), (107, 66, 105, 63, 70)),
    ((285, 295, 282, 283, 276), (336, 296, 334, 293, 300)),
)
BROW_HAIRS, BEARD_HAIRS, LASH_HAIRS = 2600, 7000, 190
POINTS = 5  # of each hair


def grow_brows(person: Person, rest: Tensor, normals: Tensor) -> Strands:
    """Both brows: hairs that lie outwards along an arch, upright at its inner end."""
    rng = generator(person.seed, "brows")
    mean = makehuman().mean
    near = _brow_chance(person, chart.place(mean), 2.0) * (mean[:, 2] > -0.1)
    count = int(BROW_HAIRS * person.hair.brows)
    roots, shares = sample_roots(rest, near, count, rng)
    # vertices are too coarse to draw a brow's border: roots outside of it are left out
    inside = _brow_chance(person, chart.place(_at(mean, roots, shares)), 1.0)
    keep = torch.rand(count, generator=rng) < inside
    roots, shares = roots[keep], shares[keep]
    start, normal = _at(rest, roots, shares), normalize(_at(normals, roots, shares), dim=1)
    x, y = start[:, :1], start[:, 1:2]
    inner = torch.exp(-(((x.abs() - 0.12) / 0.08) ** 2))
    up = 0.10 + 0.9 * inner - 2.0 * (y - y.mean())
    wanted = torch.cat([x.sign() * (1 - 0.75 * inner), up, torch.full_like(x, -0.2)], 1)
    wanted = wanted + 0.22 * torch.randn(wanted.shape, generator=rng)
    length = 0.075 + 0.03 * torch.randn(len(start), generator=rng).clamp(-1, 2)
    points = _bent(start, normal, _along_skin(wanted, normal), length, (0.28, -0.22))
    colour = colours_of_strands(person, len(points), 0.5 * person.hair.grey, rng)
    return Strands(points, roots, shares, torch.full((len(points),), 0.0030), colour, "short")


def _brow_chance(person: Person, places: Tensor, wider: float) -> Tensor:
    """How likely a hair grows at places (N, 2) of the chart (N,): 1 on the brow's arch."""
    chance = torch.zeros(len(places))
    for lower, upper in BROWS:
        arch = _densified((marks(*lower) + marks(*upper)) / 2)
        near = torch.cdist(places, arch).min(1)
        along = near.indices / (len(arch) - 1)
        width = 0.043 * person.hair.brows * (1 - 0.6 * along)
        width = wider * width * (0.55 + 0.45 * (along * 5).clamp(0, 1))
        chance = torch.maximum(chance, torch.exp(-((near.values / width) ** 4)))
    return chance


def _densified(path: Tensor) -> Tensor:
    """A polyline (K, 2) with 12 points for each of its pieces."""
    s = torch.linspace(0, 1, 13)[:-1, None]
    pieces = [a + s * (b - a) for a, b in zip(path[:-1], path[1:])]
    return torch.cat([*pieces, path[-1:]])


def grow_beard(person: Person, rest: Tensor, normals: Tensor, mask: Tensor) -> Strands | None:
    """A short beard or a moustache where mask (SIZE, SIZE) says that it grows."""
    if person.hair.beard not in ("short", "moustache"):
        return None
    rng = generator(person.seed, "beard")
    mean = makehuman().mean
    density = chart.look_up(mask[None], mean)[:, 0] * makehuman().part("skin")
    roots, shares = sample_roots(rest, density, BEARD_HAIRS, rng)
    at = _at(mean, roots, shares)
    keep = torch.rand(len(at), generator=rng) < chart.look_up(mask[None], at)[:, 0]
    if person.hair.beard == "moustache":
        keep &= (at[:, 1] > marks(13)[0, 1]) & (at[:, 0].abs() < 0.30)
    roots, shares = roots[keep], shares[keep]
    start, normal = _at(rest, roots, shares), normalize(_at(normals, roots, shares), dim=1)
    wanted = torch.cat([0.7 * start[:, :1].sign(), torch.full((len(start), 1), -1.0)], 1)
    wanted = torch.cat([wanted, torch.zeros(len(start), 1)], 1)
    wanted = wanted + 0.35 * torch.randn(start.shape, generator=rng)
    length = 0.06 + 0.03 * torch.rand(len(start), generator=rng)
    points = _bent(start, normal, _along_skin(wanted, normal), length, (0.7, -0.35))
    colour = colours_of_strands(person, len(points), person.hair.grey, rng)
    return Strands(points, roots, shares, torch.full((len(points),), 0.0036), colour, "short")


def grow_lashes(person: Person, rest: Tensor) -> Strands:
    """Lashes where they were sculpted, away from the eyeballs; the upper ones longer."""
    rng = generator(person.seed, "lashes")
    head = makehuman()
    faces = head.faces[head.face_part == LASHES]
    a, b, c = rest[faces].unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1)
    chosen = torch.multinomial(area, LASH_HAIRS, True, generator=rng)
    middle = rest[faces[chosen]].mean(1)
    left, right = (head.middle_of(side, rest) for side in ("eye_l", "eye_r"))
    eye = torch.where(middle[:, :1] > 0, left, right)
    radius = (rest[head.part("eye_l")] - left).norm(dim=1).mean()
    outward = normalize(middle - eye, dim=1)
    upper = (middle[:, 1] > eye[:, 1] - 0.02).float()
    start = eye + (radius + 0.012) * outward
    aside = 0.25 * middle[:, :1].sign() * torch.tensor([1.0, 0, 0])
    wanted = outward + aside + 0.1 * torch.randn(outward.shape, generator=rng)
    length = (0.016 + 0.042 * upper) * (1 + 0.2 * torch.randn(len(start), generator=rng))
    up = torch.tensor([0.0, 1.0, 0.0]) * (2 * upper[:, None] - 1)
    points = _bent(start, up, normalize(wanted, dim=1), length, (0.0, 0.55))
    colour = 0.5 * colours_of_strands(person, len(points), 0.0, rng)
    shares = torch.full((len(points), 3), 1 / 3)
    thick = torch.full((len(points),), 0.0013)
    return Strands(points, faces[chosen], shares, thick, colour, "short")


def _at(values: Tensor, roots: Tensor, shares: Tensor) -> Tensor:
    """Vertices' values (V, C) at roots (N, 3) with shares (N, 3): (N, C)."""
    return (shares[..., None] * values[roots]).sum(1)


def _along_skin(wanted: Tensor, normal: Tensor) -> Tensor:
    """Directions (N, 3) without what of them leaves the skin; of length 1."""
    return normalize(wanted - (wanted * normal).sum(1, keepdim=True) * normal, dim=1)


def _bent(
    start: Tensor, upward: Tensor, along: Tensor, length: Tensor, rise: tuple[float, float]
) -> Tensor:
    """Curves (N, POINTS, 3) that run along and rise by rise[0] s + rise[1] s^2."""
    s = torch.linspace(0, 1, POINTS)[None, :, None]
    height = rise[0] * s + rise[1] * s**2
    return start[:, None] + length[:, None, None] * (s * along[:, None] + height * upward[:, None])
