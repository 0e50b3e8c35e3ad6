"""Where a frozen deformation takes the points in each frame, computed once in some hundred steps.

The Gaussian stage asks for the same frames again and again, while points hardly move and the
deformation does not change. Between two refreshes the answer for the places at the last refresh is
taken: places and shares at that time are kept in the checkpoint, so that an interrupted training
goes on with the same numbers.
"""

import torch
from torch import Tensor, nn

from stkit.heads.gaussian import GaussianHead
from stkit.space import FramePose


class KeptShifts(nn.Module):
    """Displacements (N, 3) of frames by their number; see above.

    places (N, 3) and share (N,): those at the last refresh.
    """

    places: Tensor
    share: Tensor

    def __init__(self, head: GaussianHead):
        super().__init__()
        self.known: dict[int, Tensor] = {}
        self.register_buffer("places", head.xyz.detach().clone())
        self.register_buffer("share", head.share.clone())

    def refresh(self, head: GaussianHead) -> None:
        """Forget the frames, and take the head's places as they are now."""
        self.known.clear()
        self.places.copy_(head.xyz.detach())
        self.share.copy_(head.share)

    @torch.no_grad()
    def of(self, head: GaussianHead, t: int, frame: FramePose) -> Tensor:
        """The displacements of frame t."""
        if t not in self.known:
            self.known[t] = head.deformation(
                self.places,
                self.share,
                frame.beta,
                frame.pose,
                head.carriers,
                head.known(frame.beta),
            )
        return self.known[t]
