"""From canonical space into the world: Gaussians that follow the head or the chest."""

from dataclasses import replace
from typing import Protocol

from torch import Tensor, nn

from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.geometry import axis_angle_to_quat, quat_multiply
from stkit.render.gaussians import Gaussians
from stkit.space import FramePose, to_world


class RenderableHead(Protocol):
    """A head that can be shown as any frame of its clip: the method's own, or a baseline's."""

    def render_frame(self, capture: Capture, t: int, camera: Camera | None = None) -> Tensor:
        """The head as frame t of a capture (H, W, 3) in [0, 1], over white."""
        ...


class PosableHead(RenderableHead, Protocol):
    """A head of Gaussians, which tracking can be aligned to."""

    def canonical(self, beta: Tensor, pose: Tensor) -> Gaussians:
        """Gaussians in canonical space under an expression beta (64,) and a pose (6,)."""
        ...

    def place(self, canonical: Gaussians, frame: FramePose) -> Gaussians:
        """Canonical Gaussians in the world of a frame, decimetres."""
        ...


def carried(canonical: Gaussians, frame: FramePose, follow: Tensor) -> Gaussians:
    """Canonical Gaussians in the world of a frame; follow (N, 1): how much each goes with the head
    rather than with the chest.
    """
    head = axis_angle_to_quat(frame.pose[:3])
    chest = quat_multiply(axis_angle_to_quat(frame.torso[:3]), axis_angle_to_quat(frame.rest[:3]))
    turn = nn.functional.normalize(follow * head + (1 - follow) * chest, dim=-1)
    return replace(
        canonical,
        means=to_world(canonical.means, frame, follow),
        quats=quat_multiply(turn, canonical.quats),
        scales=frame.scale * canonical.scales,
    )
