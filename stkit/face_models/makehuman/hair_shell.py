"""A shell for hair around the sculpted head, which has none.

The shell is a copy of the skin of scalp, neck and ears that directions of its own move outwards:
volume, height, fringe, sides, back, and long hair beside the neck. A fit to mattes uses them, and
identity stays free of hair. At rest the shell lies close over the skin, so that outlines can pull
it outwards; a fit pushes it below the skin where there is no hair. All numbers are the kit's,
chosen by eye.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from stkit.face_models.makehuman.hairline import above_hairline, axis_z, azimuth
from stkit.face_models.makehuman.head import HAIR, LASHES, SKIN, MakeHumanHead

# decimetres over the skin at rest: on the scalp, elsewhere, and along the shell's border
SHORT, CLOSE, BELOW = 0.07, 0.03, -0.04
LOWEST = -1.75  # decimetres: the height where long hair ends
OUTSIDE = 0.02  # decimetres over the skin from which on the shell hides it
EAR_X, EAR_LOW, EAR_HIGH = 0.62, -0.42, 0.30  # decimetres: skin that the shell passes over
LARGEST = 0.25  # decimetres: how far one standard deviation moves a point, at most


def with_hair(head: MakeHumanHead) -> MakeHumanHead:
    """The head with the shell's vertices after its own, and without lashes.

    `identity` gets the shell's directions after the head's 80; `shell_parent` (S,) names the skin
    vertex that each vertex of the shell was copied from.
    """
    x = head.mean
    region = _region(x) & head.part("skin")
    skin = head.faces[head.face_part == SKIN]
    copied = skin[region[skin].all(1)]
    parent, faces = copied.unique(return_inverse=True)
    weights = _span_ears(x, parent, faces)
    base = weights @ x
    outward = _outward(base)
    scalp = above_hairline(azimuth(x[parent]), x[parent, 1])
    over = torch.where(_border(len(parent), faces), BELOW, CLOSE + (SHORT - CLOSE) * scalp)
    shell = base + over[:, None] * outward
    moves = _directions(base, outward, scalp)
    still = torch.zeros(len(moves), len(x), 3)
    keep = head.face_part != LASHES
    return replace(
        head,
        mean=torch.cat([x, shell]),
        faces=torch.cat([head.faces[keep], faces + len(x)]),
        identity=torch.cat(
            [_followed(head.identity, weights), torch.cat([still, moves], 1)],
        ),
        expression=_followed(head.expression, weights),
        face_part=torch.cat([head.face_part[keep], torch.full((len(faces),), HAIR)]),
        vertex_part=torch.cat([head.vertex_part, torch.full((len(parent),), HAIR)]),
        shell_parent=parent,
    )


def outermost(head: MakeHumanHead, verts: Tensor, normals: Tensor) -> Tensor:
    """Which of the vertices (V, 3) of skin and hair one sees (V,): skin that hair hides is not."""
    first = len(verts) - len(head.shell_parent)
    parent = head.shell_parent
    over = ((verts[first:] - verts[parent]) * normals[parent]).sum(1) > OUTSIDE
    out = head.part("skin")
    out[parent] = ~over
    out[first:] = over
    return out


def _region(x: Tensor) -> Tensor:
    """Which points (V, 3) of the mean head the shell copies (V,)."""
    turned, height = azimuth(x).abs(), x[:, 1]
    scalp = above_hairline(turned, height) > 0.3
    neck = (turned > 0.75 + 0.35 * (height > -0.6)) & (height > LOWEST - 0.1) & (height < 0.3)
    behind_jaw = (height < -0.75) | (x[:, 2] < -0.12)
    return scalp | _ears(x) | neck & behind_jaw


def _ears(x: Tensor) -> Tensor:
    """Points (V, 3) of the ears and right behind them (V,)."""
    beside = (x[:, 0].abs() > EAR_X) & (x[:, 2] < -0.08) & (x[:, 2] > -0.75)
    return beside & (x[:, 1] > EAR_LOW) & (x[:, 1] < EAR_HIGH)


def _span_ears(x: Tensor, parent: Tensor, faces: Tensor) -> Tensor:
    """Weights (S, V) of the shell's vertices: their parents', or a membrane across the ears."""
    count = len(parent)
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    near = torch.zeros(count, count)
    near[edges[:, 0], edges[:, 1]] = 1
    near = torch.maximum(near, near.T)
    free = _ears(x[parent])
    middle = near / near.sum(1, keepdim=True).clamp_min(1)
    share = torch.eye(count)[:, ~free]
    share[free] = torch.linalg.solve(
        torch.eye(int(free.sum())) - middle[free][:, free], middle[free][:, ~free]
    )
    weights = torch.zeros(count, len(x))
    weights[:, parent[~free]] = share
    return weights.to_sparse()


def _border(count: int, faces: Tensor) -> Tensor:
    """Which of the shell's vertices lie on its border (S,)."""
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(1).values
    edges, uses = edges.unique(dim=0, return_counts=True)
    out = torch.zeros(count, dtype=torch.bool)
    out[edges[uses == 1].reshape(-1)] = True
    return out


def _followed(directions: Tensor, weights: Tensor) -> Tensor:
    """Directions (K, V, 3) and, after them, how the shell follows (K, V + S, 3)."""
    flat = directions.permute(1, 0, 2).reshape(directions.shape[1], -1)
    shell = (weights @ flat).view(-1, len(directions), 3).permute(1, 0, 2)
    return torch.cat([directions, shell], 1)


def _outward(x: Tensor) -> Tensor:
    """Unit directions (S, 3) away from the axis of head and neck, upwards on the crown."""
    axis = torch.stack([0 * x[:, 0], x[:, 1].clamp_max(0.35), axis_z(x[:, 1])], 1)
    return normalize(x - axis, dim=1)


def _directions(x: Tensor, outward: Tensor, scalp: Tensor) -> Tensor:
    """How far one standard deviation of each direction moves the shell (H, S, 3)."""
    turned, height = azimuth(x), x[:, 1]
    side = _hill(turned.abs(), 1.4, 0.6) * scalp
    low = _step(height, 0.40, -0.10) * _step(height, LOWEST, LOWEST + 0.4)
    left, right = _step(turned, 0.0, 0.3), _step(turned, 0.0, -0.3)
    fields = [
        scalp,
        scalp * _step(height, 0.7, 1.1),
        scalp * _hill(turned.abs(), 0.0, 0.7) * _step(height, 1.1, 0.7),
        side * left,
        side * right,
        scalp * _step(turned.abs(), 2.0, 2.6),
        low * left * _hill(turned.abs(), 1.7, 0.6),
        low * right * _hill(turned.abs(), 1.7, 0.6),
        low * _step(turned.abs(), 2.0, 2.6),
        low * left * _hill(turned.abs(), 1.0, 0.4),
        low * right * _hill(turned.abs(), 1.0, 0.4),
    ]
    return LARGEST * torch.stack([field[:, None] * outward for field in fields])


def _step(x: Tensor, start: float, end: float) -> Tensor:
    """0 at `start`, 1 at `end` and beyond, smooth in between."""
    t = ((x - start) / (end - start)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _hill(x: Tensor, middle: float, width: float) -> Tensor:
    """1 in the middle, falling to both sides."""
    return torch.exp(-(((x - middle) / width) ** 2))
