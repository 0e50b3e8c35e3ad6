"""Where hair goes: combs as directions along the head, and strands that follow one of them.

All numbers are the kit's, chosen by eye; lengths are canonical decimetres.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from stkit.synthetic.distance import DistanceGrid

CROWN = torch.tensor([0.0, 1.15, -0.75])  # where hair starts to whirl
KNOT = torch.tensor([0.0, 0.45, -1.45])  # where tied hair is gathered
DOWN = torch.tensor([0.0, -1.0, 0.0])
WILDNESS = 0.22  # of a strand's own direction against the comb's
TURN, TURN_OF_LOOSE = 0.42, 0.15  # how far a strand turns to the comb at each step
ARRIVES = 6  # power with which the last of a tied strand sinks to the knot


@dataclass(frozen=True)
class Roots:
    """N strands before they grow: start (N, 3), unit normal (N, 3) of the skin there, length (N,),
    and how far from the skin each lies at most, layer (N,).
    """

    start: Tensor
    normal: Tensor
    length: Tensor
    layer: Tensor


def comb_back(x: Tensor, part: float) -> Tensor:
    """Over the crown, then down."""
    front = torch.sigmoid((x[:, 2:] + 0.6) / 0.3)
    return front * torch.tensor([0.0, 0.1, -1.0]) + (1 - front) * DOWN


def comb_to_knot(x: Tensor, part: float) -> Tensor:
    """To the back of the head, where it is tied."""
    return KNOT - x


def comb_aside(x: Tensor, part: float) -> Tensor:
    """Away from a parting at x = part, around the face, and down behind the shoulders."""
    across, up, ahead = x.split(1, 1)
    away = torch.tanh((across - part) / 0.12)
    on_top = torch.sigmoid((up - 0.75) / 0.12)
    sideways = torch.cat([away, torch.full_like(up, -0.25), 0.12 * (ahead + 0.4).sign()], 1)
    face = torch.sigmoid((ahead + 0.12) / 0.06) * torch.sigmoid((0.80 - up) / 0.08)
    around = torch.cat([1.3 * torch.tanh(across / 0.1), 0 * up, torch.full_like(up, -1.5)], 1)
    low = torch.sigmoid((-0.25 - up) / 0.12)
    beside = 0.8 * across.sign() * (0.72 - across.abs()).clamp_min(0)
    behind = -1.2 * torch.sigmoid((ahead + 0.30) / 0.08)
    hanging = on_top * sideways + (1 - on_top) * DOWN
    return hanging + 2.2 * face * around + low * torch.cat([beside, 0 * up, behind], 1)


def comb_forward(x: Tensor, part: float) -> Tensor:
    """From the crown to all sides, with a fringe that leans to one side."""
    lean = torch.tensor([0.45 if part >= 0 else -0.45, 0.0, 0.6])
    on_top = torch.sigmoid((x[:, 1:2] - 0.6) / 0.15)
    return normalize(x - CROWN, dim=1) + on_top * lean + (1 - on_top) * DOWN


def comb_out(x: Tensor, part: float) -> Tensor:
    """From the crown to all sides."""
    return normalize(x - CROWN, dim=1)


COMBS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "back": comb_back,
    "tied": comb_to_knot,
    "side": comb_aside,
    "forward": comb_forward,
    "out": comb_out,
}


@dataclass(frozen=True)
class Comb:
    """How strands grow: the comb's name, the parting, how steeply they leave the skin `lift`, and
    how much gravity bends them `fall`.
    """

    name: str
    part: float
    lift: float
    fall: float

    def flow(self, x: Tensor, outward: Tensor) -> Tensor:
        """Unit directions (N, 3) at points (N, 3): along the surface, or freely with "out"."""
        wanted = COMBS[self.name](x, self.part)
        if self.name == "out":
            return normalize(wanted + 0.3 * outward, dim=1)
        along = wanted - (wanted * outward).sum(1, keepdim=True) * outward
        return normalize(along + 1e-4 * DOWN, dim=1)

    def grow(self, roots: Roots, points: int, around: DistanceGrid, rng: torch.Generator) -> Tensor:
        """Strands (N, points, 3) that follow the comb, hang, and stay outside of the head."""
        steps = points - 1
        wild = WILDNESS * torch.randn(roots.start.shape, generator=rng)
        rise = self.lift * roots.normal
        flow = self.flow(roots.start, roots.normal)
        heading = normalize(rise + (1 - self.lift) * flow + 0.5 * wild, dim=1)
        x, out = roots.start, [roots.start]
        for k in range(steps):
            along = (k + 1) / steps
            if self.name == "tied":  # every strand arrives
                x = x + (KNOT - x) / (steps - k) + 0.02 * wild
            else:
                heading = self._turned(heading, x, along, wild, around)
                x = x + roots.length[:, None] / steps * heading
            x = self._over_skin(x, roots.layer, along, around)
            out.append(x)
        return torch.stack(out, 1)

    def _turned(
        self, heading: Tensor, x: Tensor, along: float, wild: Tensor, around: DistanceGrid
    ) -> Tensor:
        """Headings (N, 3) after a step: towards the comb, and downwards near the tips."""
        weight = self.fall * (0.4 + along) * DOWN
        pull = normalize(self.flow(x, around.at(x)[1]) + weight, dim=1) + 0.5 * wild
        turn = TURN_OF_LOOSE if self.name == "out" else TURN
        return normalize((1 - turn) * heading + turn * pull, dim=1)

    def _over_skin(self, x: Tensor, layer: Tensor, along: float, around: DistanceGrid) -> Tensor:
        """Points (N, 3) moved out of the head to their layer; heavy hair also sinks onto it."""
        distance, outward = around.at(x)
        height = layer * min(1.0, 2.2 * along)
        if self.name == "tied":
            height = height * (1 - along**ARRIVES)
        lift = (height - distance).clamp_min(0)
        if self.fall > 0.2:
            lift = lift - (0.35 * (distance - 1.3 * height - 0.03)).clamp(0, 0.05)
        return x + lift[:, None] * outward
