"""Where a landmark detector misses a face model's points, as people in general show it.

A detector has learned faces of its own: it puts a point beside the vertex that stands for it, for
everybody by about as much (the mean), and it draws an unusual face towards usual ones (the modes).
A fit that does not know this takes the detector's habits for the person's shape.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DetectorError:
    """Offsets of N detected points from their vertices, canonical decimetres.

    mean (N, 3) over people; modes (K, N, 3): what one standard deviation of each of K independent
    habits adds. The points are a model's 68 landmarks, then its denser ones.
    """

    mean: Tensor
    modes: Tensor

    @staticmethod
    def none(points: int) -> "DetectorError":
        """A detector that is not known to miss (N = `points`, K = 0)."""
        return DetectorError(torch.zeros(points, 3), torch.zeros(0, points, 3))

    def offsets(self, person: Tensor) -> Tensor:
        """Offsets (N, 3) for one person's coefficients (K,)."""
        return self.mean + torch.einsum("k,knc->nc", person, self.modes)
