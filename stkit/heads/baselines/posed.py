"""What a baseline is to the rest of the kit: canonical Gaussians for an expression and a pose."""

import torch
from torch import Tensor, nn

from stkit.cameras import Camera
from stkit.capture import Capture
from stkit.heads.placing import carried
from stkit.render.gaussians import Gaussians
from stkit.space import FramePose, skin_weight


class PosedGaussians(nn.Module):
    """A head of Gaussians; a baseline says in `canonical` how they move. Canonical decimetres."""

    def rest_points(self) -> Tensor:
        """Where the Gaussians are without any expression (N, 3), by which head and chest carry
        them.
        """
        raise NotImplementedError

    def canonical(self, beta: Tensor, pose: Tensor) -> Gaussians:
        """Gaussians in canonical space under an expression beta (64,) and a pose (6,)."""
        raise NotImplementedError

    def extra_loss(self, beta: Tensor) -> Tensor | float:
        """What the method's paper adds to the loss of the picture."""
        return 0.0

    def trained(self, share: float) -> None:
        """Told before every step which share of the training is done."""

    def groups(self) -> list[dict]:
        """Adam groups with the method's own learning rates."""
        raise NotImplementedError

    def place(self, canonical: Gaussians, frame: FramePose) -> Gaussians:
        """Canonical Gaussians in the world of a frame, decimetres."""
        return carried(canonical, frame, skin_weight(self.rest_points().detach()))

    def render(self, camera: Camera, frame: FramePose) -> tuple[Tensor, Tensor]:
        """Image (H, W, 3) over white and alpha (H, W, 1) of one frame."""
        return self.place(self.canonical(frame.beta, frame.pose), frame).render(camera)

    @torch.no_grad()
    def render_frame(self, capture: Capture, t: int, camera: Camera | None = None) -> Tensor:
        """The head as frame t of a capture (H, W, 3) in [0, 1], over white, from its camera or
        another.
        """
        return self.render(camera or capture.camera, capture.frame_pose(t))[0].clamp(0, 1)
