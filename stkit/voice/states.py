"""What the model makes for each frame: 64 coefficients, 6 of pose, and how closed the lips are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stkit import face_models
from stkit.voice.acting import POSE, Direction, Speech, act
from stkit.voice.emotions import columns
from stkit.voice.lips import close
from stkit.voice.visemes import ACTIONS, CLOSURE

BETAS = 64
CHANNELS = BETAS + POSE + 1
LEAST_DEVIATION = 0.02  # of a channel that hardly moves
SURE = (0.35, 0.65)  # of the closure channel: below, lips are free; above, they are closed
# the eight channels of the mouth that scores are about
MOUTH = ACTIONS[:8]


def state_of(speech: Speech, direction: Direction) -> Tensor:
    """The teacher's state (F, 71) of a speech that is acted."""
    return torch.cat([act(speech, direction), speech.mouth[:, CLOSURE:]], 1)


def motion_of(state: Tensor) -> tuple[Tensor, Tensor]:
    """beta (F, 64) and pose (F, 6) of a state (F, 71), with lips closed where it says so."""
    names = face_models.builtin().expression_names
    beta, pose, closure = state[:, :BETAS], state[:, BETAS:-1], state[:, -1]
    beta = beta.clone()
    beta[:, : len(names) - 12] = beta[:, : len(names) - 12].clamp(0, 1)
    low, high = SURE
    return close(beta, ((closure - low) / (high - low)).clamp(0, 1)), pose


def mouth_channels(beta: Tensor) -> Tensor:
    """The eight channels (F, 8) of `MOUTH`, both sides' mean."""
    return torch.stack([beta[:, columns(name)].mean(1) for name in MOUTH], 1)


@dataclass(frozen=True)
class Scale:
    """Mean and deviation (71,) of states, in whose units the network works."""

    mean: Tensor
    deviation: Tensor

    def small(self, state: Tensor) -> Tensor:
        """A state in deviations."""
        return (state - self.mean) / self.deviation

    def large(self, small: Tensor) -> Tensor:
        """A state from deviations."""
        return small * self.deviation + self.mean

    @staticmethod
    def of(states: Tensor) -> "Scale":
        """The scale of states (F, 71)."""
        return Scale(states.mean(0), states.std(0).clamp_min(LEAST_DEVIATION))


def mouth_columns() -> list[int]:
    """Columns of a state that move the lips, and the closure."""
    names = [*ACTIONS, "mouthClose"]
    return sorted({c for name in names for c in columns(name)}) + [CHANNELS - 1]
