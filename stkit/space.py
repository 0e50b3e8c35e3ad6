"""The canonical head space and how its points get into the world."""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from stkit.geometry import so3_exp

# canonical decimetres: above NECK_TOP points follow the head, below NECK_BOTTOM the chest
NECK_TOP, NECK_BOTTOM = -0.75, -1.15
NAPE_SLOPE, NAPE = 0.30, 0.55  # how much lower towards the back, and from where (decimetres)
HEAD_CENTRE = torch.tensor([[0.0, 0.1, -0.35]])  # canonical decimetres


def skin_weight(points: Tensor) -> Tensor:
    """How much canonical points (..., 3) follow the head: 1 above the jaw, 0 on the chest, smooth
    in between (..., 1).
    """
    # the nape turns with the head a little lower than the throat
    h = points[..., 1:2] + NAPE_SLOPE * (points[..., 2:3] + NAPE)
    t = ((h - NECK_BOTTOM) / (NECK_TOP - NECK_BOTTOM)).clamp(0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class FramePose:
    """What a head does in one frame, and how it gets into the world.

    beta (64,) expression; pose (6,) of the head and torso (6,) of the chest, axis-angle (radians)
    and translation (decimetres): where the head is, and how the chest has moved since the neutral
    frame; scale () world decimetres per canonical decimetre; rest (6,) the head's pose when the
    chest was at rest; lattice (K, 3): how hair and clothes move on their own (`heads.free_form`),
    canonical decimetres, None: not at all.
    """

    beta: Float[Tensor, " betas"]
    pose: Float[Tensor, "6"]
    torso: Float[Tensor, "6"]
    scale: Float[Tensor, ""]
    rest: Float[Tensor, "6"]
    lattice: Float[Tensor, "nodes 3"] | None = None

    def to(self, device: torch.device | str) -> "FramePose":
        """The same with its tensors on another device."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: x.to(device) for k, x in known.items() if x is not None})


def to_world(
    points: Float[Tensor, "n 3"], frame: FramePose, follow: Tensor | None = None
) -> Float[Tensor, "n 3"]:
    """World points (N, 3), decimetres, of canonical points (N, 3).

    The head moves by x_world = S R x + T (lineage.md 1.1). Shoulders do not turn with the head, so
    points below the neck blend to the chest: its place at the neutral frame, moved by
    `frame.torso`. The paper is silent on this; Gaussian-Head-Avatar crops shoulders away. `follow`
    (N, 1): how much each point goes with the head (default: `skin_weight`).
    """
    head = frame.scale * points @ so3_exp(frame.pose[:3]).T + frame.pose[3:]
    at_rest = frame.scale * points @ so3_exp(frame.rest[:3]).T + frame.rest[3:]
    chest = at_rest @ so3_exp(frame.torso[:3]).T + frame.torso[3:]
    w = skin_weight(points) if follow is None else follow
    return w * head + (1 - w) * chest


def canonical_points(
    world: Float[Tensor, "n 3"], pose: Float[Tensor, "6"], scale: Tensor
) -> Float[Tensor, "n 3"]:
    """x_can = R^T (x_world - T) / S of points (N, 3) that move with the head."""
    return (world - pose[3:]) @ so3_exp(pose[:3]) / scale
