"""Clothes: pieces of the skin, cut along a neckline and moved outwards."""

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from stkit.face_models.makehuman import makehuman
from stkit.face_models.makehuman.hairline import azimuth
from stkit.geometry import vertex_normals
from stkit.synthetic import chart
from stkit.synthetic.person import Clothes

THICKNESS = 0.035  # decimetres from the skin to the cloth
RIM = 0.02  # decimetres that a neckline's edge is thicker
FOLD = 0.015  # decimetres of large folds
# heights of necklines in the front, at the sides and in the back, decimetres
NECKLINES = {
    "crew": (-1.62, -1.42, -1.20),
    "vee": (-2.05, -1.42, -1.20),
    "shirt": (-1.62, -1.34, -1.12),
    "turtleneck": (-1.22, -1.12, -0.95),
}
# how far vertices move to their neighbours' middle and back, so that nothing shrinks (Taubin 1995)
SMOOTHING, SMOOTHINGS = (0.5, -0.53), 8
UNDER = 0.12  # decimetres below the neckline from which on skin is never in view
COLLAR = 0.24  # decimetres that a shirt's collar is high


@dataclass(frozen=True)
class Piece:
    """Vertices as weighted skin vertices: `weights` (P, V) sparse, `offsets` (P, 3) decimetres;
    faces (F, 3).
    """

    weights: Tensor
    offsets: Tensor
    faces: Tensor

    def verts(self, skin: Tensor) -> Tensor:
        """Vertices (P, 3) over skin vertices (V, 3)."""
        return self.weights @ skin + self.offsets


def sew(clothes: Clothes, seed: int, rest: Tensor) -> Piece | None:
    """The cloth over a person's skin at rest (V, 3); None where the shoulders are bare."""
    if clothes.garment == "bare":
        return None
    head = makehuman()
    line = neckline(clothes.garment, head.mean)
    below = line - head.mean[:, 1]
    faces = head.faces[head.face_part == 0]
    normals = vertex_normals(rest, head.faces)
    body = _cut(faces, below)
    edge = (body.weights @ below[:, None])[:, 0]
    folds = FOLD * chart.look_up(
        chart.noise(seed, "folds", 0.45)[None], body.weights @ head.mean
    ).squeeze(1)
    loose = THICKNESS + RIM * torch.exp(-((edge / 0.05) ** 2)) + folds * (edge / 0.3).clamp(0, 1)
    body = _raised(body, normals, torch.where(edge < 1e-4, 0.3 * loose, loose))
    if clothes.garment != "shirt":
        return body
    return _together(body, _collar(head.mean, faces, normals, line))


def hidden(clothes: Clothes) -> Tensor:
    """Which triangles (F,) of the face model lie wholly under the cloth."""
    head = makehuman()
    if clothes.garment == "bare":
        return torch.zeros(len(head.faces), dtype=torch.bool)
    below = neckline(clothes.garment, head.mean) - head.mean[:, 1]
    return (below[head.faces] > UNDER).all(1) & (head.face_part == 0)


def neckline(garment: str, points: Tensor) -> Tensor:
    """Height (N,) of a garment's neckline at points (N, 3) of the mean head, decimetres."""
    front, side, back = NECKLINES[garment]
    turned = azimuth(points).abs()
    if garment == "vee":
        forward = (1 - turned / 0.95).clamp(0, 1)
    else:
        forward = (0.5 + 0.5 * torch.cos(turned.clamp(0, math.pi / 2) * 2)) ** 1.5
    backward = (0.5 - 0.5 * torch.cos((turned - math.pi / 2).clamp(0, math.pi / 2) * 2)) ** 1.5
    return side + (front - side) * forward + (back - side) * backward


def _collar(mean: Tensor, faces: Tensor, normals: Tensor, line: Tensor) -> Piece:
    """A folded collar around the neck, open in the front."""
    turned = azimuth(mean).abs()
    open_front = (1 - turned / 0.75).clamp(0, 1)
    top = line + 0.16 - 0.42 * open_front
    bottom = line - COLLAR + 0.16 - 0.30 * open_front**0.7
    gap = turned - 0.05 - 0.55 * ((line + 0.1 - mean[:, 1]) / 0.5).clamp(0, 1) * open_front
    inside = torch.minimum(torch.minimum(top - mean[:, 1], mean[:, 1] - bottom), gap)
    piece = _cut(faces, inside)
    down = (piece.weights @ ((top - mean[:, 1]) / COLLAR)[:, None])[:, 0].clamp(0, 1)
    return _raised(piece, normals, THICKNESS + 0.03 + 0.045 * down)


def _raised(piece: Piece, normals: Tensor, heights: Tensor) -> Piece:
    out = torch.nn.functional.normalize(piece.weights @ normals, dim=1) * heights[:, None]
    return Piece(piece.weights, piece.offsets + out, piece.faces)


def _together(a: Piece, b: Piece) -> Piece:
    faces = torch.cat([a.faces, b.faces + len(a.offsets)])
    return Piece(torch.cat([a.weights, b.weights]), torch.cat([a.offsets, b.offsets]), faces)


def _cut(faces: Tensor, values: Tensor) -> Piece:
    """The part of a mesh where values (V,) are positive; edges that cross 0 get a vertex there."""
    positive = values[faces] > 0
    count = positive.sum(1)
    whole = faces[count == 3]
    # turned so that the odd corner comes first
    one, two = faces[count == 1], faces[count == 2]
    one = _turned(one, positive[count == 1].long().argmax(1))
    two = _turned(two, (~positive[count == 2]).long().argmax(1))
    edges = torch.cat([one[:, [0, 1]], one[:, [0, 2]], two[:, [0, 1]], two[:, [0, 2]]])
    edges = edges.sort(1).values
    crossing, number = edges.unique(dim=0, return_inverse=True)
    number = number + len(values)
    n1, n2 = len(one), len(two)
    a1, b1 = number[:n1], number[n1 : 2 * n1]
    a2, b2 = number[2 * n1 : 2 * n1 + n2], number[2 * n1 + n2 :]
    new = torch.cat(
        [
            whole,
            torch.stack([one[:, 0], a1, b1], 1),
            torch.stack([a2, two[:, 1], two[:, 2]], 1),
            torch.stack([a2, two[:, 2], b2], 1),
        ]
    )
    low, high = values[crossing].unbind(1)
    share = low / (low - high)
    used, packed = new.unique(return_inverse=True)
    old = used < len(values)
    row, edge = torch.nonzero(~old)[:, 0], used[~old] - len(values)
    rows = torch.cat([torch.nonzero(old)[:, 0], row, row])
    columns = torch.cat([used[old], crossing[edge, 0], crossing[edge, 1]])
    shares = torch.cat([torch.ones(int(old.sum())), 1 - share[edge], share[edge]])
    weights = _sparse(rows, columns, shares, (len(used), len(values)))
    return Piece(_smooth(weights, packed), torch.zeros(len(used), 3), packed)


def _smooth(weights: Tensor, faces: Tensor) -> Tensor:
    """Vertices moved to the middle of their neighbours a few times: cloth spans hollows.

    Those on the border have only their neighbours along it.
    """
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(1).values
    edges, count = edges.unique(dim=0, return_counts=True)
    border = torch.zeros(len(weights), dtype=torch.bool)
    border[edges[count == 1].reshape(-1)] = True
    both = torch.cat([edges, edges.flip(1)])
    alone = torch.cat([count, count]) == 1
    both = both[~border[both[:, 0]] | alone]
    degree = torch.zeros(len(weights)).index_add(0, both[:, 0], torch.ones(len(both)))
    itself = torch.arange(len(weights))
    rows, columns = torch.cat([both[:, 0], itself]), torch.cat([both[:, 1], itself])
    for amount in SMOOTHING * SMOOTHINGS:
        share = amount / degree.clamp_min(1)
        values = torch.cat([share[both[:, 0]], torch.where(degree > 0, 1 - amount, 1.0)])
        step = _sparse(rows, columns, values, (len(weights), len(weights)))
        with warnings.catch_warnings():  # torch says that its sparse matrices are new
            warnings.simplefilter("ignore")
            weights = torch.sparse.mm(step, weights)
    return weights.coalesce()


def _sparse(rows: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    index = torch.stack([rows, columns])
    return torch.sparse_coo_tensor(index, values, size, check_invariants=False).coalesce()


def _turned(faces: Tensor, first: Tensor) -> Tensor:
    order = (first[:, None] + torch.arange(3)) % 3
    return faces.gather(1, order)


def cloth_colour(clothes: Clothes, points: Tensor, weave: Tensor) -> Tensor:
    """sRGB (N, 3) of cloth at points (N, 3) of the mean head; weave (N,) is fine noise."""
    first, second = torch.tensor(clothes.colour), torch.tensor(clothes.second)
    x, y, z = points.unbind(-1)
    height = y + 0.45 * z
    if clothes.pattern == "stripes":
        share = _band(height, 0.16, 0.4)
    elif clothes.pattern == "checks":
        share = 0.5 * _band(height, 0.22, 0.5) + 0.5 * _band(x, 0.22, 0.5)
    elif clothes.pattern == "knit":
        share = 0.25 * _band(x + 0.1 * torch.sin(60 * height), 0.035, 0.5)
    else:
        share = torch.zeros_like(x)
    return torch.lerp(first, second, share[:, None]) * (1 + 0.03 * weave)[:, None]


def _band(x: Tensor, period: float, share: float) -> Tensor:
    """1 in stripes that cover a share of each period, with soft edges."""
    phase = (x / period).remainder(1)
    return torch.sigmoid((share / 2 - (phase - 0.5).abs()) * 40)
