"""The canonical head space and how its points get into the world."""

import torch
from torch import Tensor

from stkit.geometry import so3_exp

# canonical decimetres: above NECK_TOP points follow the head, below NECK_BOTTOM the chest
NECK_TOP, NECK_BOTTOM = -1.00, -1.60
HEAD_CENTRE = torch.tensor([[0.0, 0.1, -0.35]])  # canonical decimetres


def skin_weight(points: Tensor) -> Tensor:
    """How much canonical points (..., 3) follow the head: 1 above the jaw, 0 on the chest, smooth in between (..., 1)."""
    h = points[..., 1:2] + 0.30 * (
        points[..., 2:3] + 0.55
    )  # the nape turns with the head a little lower than the throat
    t = ((h - NECK_BOTTOM) / (NECK_TOP - NECK_BOTTOM)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def to_world(
    points: Tensor,
    scale: Tensor,
    pose: Tensor,
    torso: Tensor,
    rest: Tensor,
    follow: Tensor | None = None,
) -> Tensor:
    """World points (N, 3), decimetres, of canonical points (N, 3).

    The head moves by x_world = S R x + T (lineage.md 1.1). Shoulders do not turn with the head, so points below the neck
    blend to the chest: its place at the neutral frame, moved by `torso`. The paper is silent on this; GHA crops shoulders.
    `follow` (N, 1) says how much each point goes with the head (default: `skin_weight`).
    """
    head = scale * points @ so3_exp(pose[:3]).T + pose[3:]
    still = scale * points @ so3_exp(rest[:3]).T + rest[3:]
    chest = still @ so3_exp(torso[:3]).T + torso[3:]
    w = skin_weight(points) if follow is None else follow
    return w * head + (1 - w) * chest


def canonical_points(world: Tensor, pose: Tensor, scale: Tensor) -> Tensor:
    """x_can = R^T (x_world - T) / S of points (N, 3) that move with the head."""
    return (world - pose[3:]) @ so3_exp(pose[:3]) / scale
