"""Where a landmark detector misses a face model's points, as people in general show it.

A detector has learned faces of its own: it puts a point beside the vertex that stands for it, for
everybody by about as much (the mean), further or less when the face moves (the actions), and it
draws an unusual face towards usual ones (the modes). A fit that does not know this takes the
detector's habits for the person's shape and expression.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DetectorError:
    """Offsets of N detected points from their vertices, canonical decimetres.

    mean (N, 3) over people; actions (A, N, 3): what the first A expression coefficients add, each
    in full; modes (K, N, 3): what one standard deviation of each of K independent habits adds. The
    points are a model's 68 landmarks, then its denser ones.
    """

    mean: Tensor
    actions: Tensor
    modes: Tensor

    @staticmethod
    def none(points: int) -> "DetectorError":
        """A detector that is not known to miss (N = `points`, A = K = 0)."""
        nothing = torch.zeros(0, points, 3)
        return DetectorError(torch.zeros(points, 3), nothing, nothing)

    def usual(self, beta: Tensor) -> Tensor:
        """Offsets (F, N, 3) on people in general for expressions (F, E)."""
        return self.mean + torch.einsum("fa,anc->fnc", beta[:, : len(self.actions)], self.actions)

    def habit(self, person: Tensor) -> Tensor:
        """What is added on one person (N, 3), with coefficients (K,)."""
        return torch.einsum("k,knc->nc", person, self.modes)
