"""Glasses and earrings: bent wires, drawn as strands are."""

import math

import numpy as np
import torch
from torch import Tensor

from stkit.face_models.makehuman import makehuman
from stkit.synthetic.hair import Strands
from stkit.synthetic.person import Person

POINTS = 48  # of each wire
FRAME = 0.010  # decimetres: the radius of a frame
COLOURS = ((0.02, 0.02, 0.022), (0.10, 0.045, 0.02), (0.30, 0.24, 0.12), (0.25, 0.25, 0.26))
BROWS, BRIDGE, RIGHT_EAR, LEFT_EAR = (105, 334), 6, 127, 356  # MediaPipe's points


def glasses(person: Person, rest: Tensor) -> Strands | None:
    """Two rings before the eyes, a bridge and temples; None for who wears none."""
    if not person.glasses:
        return None
    rng = np.random.default_rng(person.seed + 31)
    head = makehuman()
    middles = [head.middle_of(part, rest) for part in ("eye_r", "eye_l")]
    ahead = float(rest[head.vertices_of(*BROWS, BRIDGE), 2].max()) + 0.04
    width, height = rng.uniform(0.21, 0.25), rng.uniform(0.15, 0.2)
    power = rng.choice([2.0, 2.6, 4.0])  # a round, a softer or a squarer ring
    turn = torch.linspace(0, 2 * math.pi, POINTS)
    wires = []
    for middle in middles:
        x = width * _rounded(turn.cos(), power)
        y = height * _rounded(turn.sin(), power)
        z = ahead - 0.25 * x.square()
        wires.append(torch.stack([middle[0] + x, middle[1] - 0.03 + y, z], 1))
    s = torch.linspace(0, 1, POINTS)[:, None]
    inner = [wires[0][0], wires[1][POINTS // 2]]
    bow = torch.tensor([0.0, 0.03, 0.02]) * torch.sin(math.pi * s)
    wires.append(inner[0] + s * (inner[1] - inner[0]) + bow)
    for ring, start, ear in ((0, POINTS // 2, RIGHT_EAR), (1, 0, LEFT_EAR)):
        begin = wires[ring][start]
        end = rest[head.vertices_of(ear)[0]] + torch.tensor([0.0, 0.02, -0.16])
        end = torch.stack([1.06 * end[0], end[1], end[2]])
        wires.append(begin + s * (end - begin))
    return _wires(wires, BRIDGE, FRAME, COLOURS[rng.integers(len(COLOURS))])


def earrings(person: Person, rest: Tensor) -> Strands | None:
    """A ring below each ear; None for who wears none."""
    if not person.earrings:
        return None
    rng = np.random.default_rng(person.seed + 37)
    size = rng.uniform(0.05, 0.13)
    turn = torch.linspace(0, 2 * math.pi, POINTS)
    wires = []
    for side in (-1, 1):
        lobe = _lobe(rest, side)
        hang = torch.stack([0 * turn, size * turn.cos() - size, size * turn.sin()], 1)
        wires.append(lobe + hang)
    return _wires(wires, LEFT_EAR, 0.009, COLOURS[2 + rng.integers(2)])


def _lobe(rest: Tensor, side: int) -> Tensor:
    """The lowest point of an ear (3,)."""
    mean = makehuman().mean
    ear = (side * mean[:, 0] > 0.68) & (mean[:, 1].abs() < 0.45) & (mean[:, 2] < -0.1)
    ear = ear & makehuman().part("skin")
    numbers = torch.nonzero(ear)[:, 0]
    return rest[numbers[rest[numbers, 1].argmin()]]


def _wires(wires: list[Tensor], root: int, radius: float, colour: tuple) -> Strands:
    vertex = makehuman().vertices_of(root)[0]
    count = len(wires)
    return Strands(
        torch.stack(wires),
        vertex.expand(count, 3),
        torch.full((count, 3), 1 / 3),
        torch.full((count,), radius),
        torch.tensor(colour).expand(count, 3),
        "wire",
    )


def _rounded(x: Tensor, power: float) -> Tensor:
    """A circle's coordinate on a squarer ring (a superellipse)."""
    return torch.sign(x) * x.abs() ** (2 / power)
