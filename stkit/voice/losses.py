"""What the network is punished for: wrong motion, wrong velocity, lips that are too far apart."""

import torch
from torch import Tensor

from stkit.voice.lips import lip_gaps
from stkit.voice.states import BETAS, CHANNELS, Scale, mouth_columns

MOUTH_WEIGHT = 3.0  # of the squared errors of channels that move the lips
CLOSURE_WEIGHT = 8.0  # of the closure's: it is short, and its end matters
GAP_WEIGHT, GAP_UNIT = 0.5, 0.03  # of the lips' gap, and the decimetres that count as 1
VELOCITY_WEIGHT = 1.0  # of the differences between neighbouring frames


def channel_weights() -> Tensor:
    """How much each channel's squared error counts (71,), 1 on average."""
    weights = torch.ones(CHANNELS)
    weights[mouth_columns()] = MOUTH_WEIGHT
    weights[-1] = CLOSURE_WEIGHT
    return weights / weights.mean()


def motion_loss(found: Tensor, truth: Tensor, scale: Scale) -> Tensor:
    """Loss of states (B, F, 71) in deviations against the truth.

    As in the release, squared errors of the motion and a term on the lips' landmarks; the velocity
    and the channels' weights are the kit's.
    """
    weights = channel_weights()
    error = found - truth
    gaps = lip_gaps(error[..., :BETAS] * scale.deviation[:BETAS]) / GAP_UNIT
    velocity = error.diff(dim=1)
    return (
        (error.square() * weights).mean()
        + GAP_WEIGHT * gaps.square().mean()
        + VELOCITY_WEIGHT * (velocity.square() * weights).mean()
    )
