"""Where hair grows on the mean head, by azimuth and height."""

import torch
from torch import Tensor

AXIS_Z, NECK_AXIS_Z = -0.35, -0.75  # canonical decimetres: the axis of the head, and of the neck
JAW, COLLARBONES = -0.5, -1.2  # decimetres: heights between which the axis leans back
# the hairline's height (decimetres) over azimuth (radians), and how much it rises where it recedes
AZIMUTHS = torch.tensor([0.0, 0.30, 0.55, 0.80, 1.05, 1.25, 1.42, 1.60, 1.85, 2.2, 3.15])
HEIGHTS = torch.tensor([0.70, 0.68, 0.58, 0.45, 0.34, 0.10, 0.00, 0.24, 0.05, -0.42, -0.55])
RECEDING = torch.tensor([0.22, 0.32, 0.46, 0.40, 0.15, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0])
SOFTNESS = 0.025  # decimetres


def axis_z(height: Tensor) -> Tensor:
    """Where the axis of head and neck stands at these heights, decimetres."""
    return AXIS_Z + (NECK_AXIS_Z - AXIS_Z) * ((JAW - height) / (JAW - COLLARBONES)).clamp(0, 1)


def azimuth(points: Tensor) -> Tensor:
    """Radians (...) around the axis of points (..., 3) of the mean head: 0 in front, positive to
    the subject's left.
    """
    return torch.atan2(points[..., 0], points[..., 2] - axis_z(points[..., 1]))


def above_hairline(
    turned: Tensor, height: Tensor, receding: float = 0.0, wave: Tensor | float = 0.0
) -> Tensor:
    """1 where hair grows, 0 on the face (...), by azimuth (...) and height (...).

    receding in [0, 1]; wave: what is added to the hairline's height, decimetres.
    """
    heights = HEIGHTS + receding * RECEDING
    x = turned.abs()
    k = torch.searchsorted(AZIMUTHS, x.contiguous()).clamp(1, len(AZIMUTHS) - 1)
    share = ((x - AZIMUTHS[k - 1]) / (AZIMUTHS[k] - AZIMUTHS[k - 1])).clamp(0, 1)
    share = share * share * (3 - 2 * share)
    line = heights[k - 1] + share * (heights[k] - heights[k - 1]) + wave
    return torch.sigmoid((height - line) / SOFTNESS)
