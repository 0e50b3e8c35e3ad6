"""Which emotion a motion shows: the nearest of the eight, as the teacher acts them.

Linear discriminant analysis on the mean expression of a clip. It learns from performances of the
teacher with seeds that no training has.
"""

import torch
from torch import Tensor

from stkit.voice.acting import Direction, Speech, act
from stkit.voice.emotions import NAMES
from stkit.voice.states import BETAS

FIRST_SEED = 2**50  # training draws seeds below 2**40
HOLD = 0.02  # of the covariance, so that columns that never move do no harm


class EmotionJudge:
    """Learned from `takes` performances of each emotion at each level of every speech."""

    def __init__(self, speeches: list[Speech], takes: int = 2):
        means, labels = [], []
        seed = FIRST_SEED
        for speech in speeches:
            for label, name in enumerate(NAMES):
                for level in (1, 2, 3) * takes:
                    seed += 1
                    state = act(speech, Direction.of(name, level, seed))
                    means.append(state[:, :BETAS].mean(0))
                    labels.append(label)
        x, y = torch.stack(means), torch.tensor(labels)
        self.centres = torch.stack([x[y == k].mean(0) for k in range(len(NAMES))])
        # each level is a cluster of its own: within one emotion, strength is no error
        apart = x - self.centres[y]
        covariance = apart.T @ apart / len(x) + HOLD**2 * torch.eye(BETAS)
        self.precision = torch.linalg.inv(covariance)

    def __call__(self, beta: Tensor) -> str:
        """The emotion that a motion (F, 64) shows."""
        apart = beta.mean(0) - self.centres
        return NAMES[int(((apart @ self.precision) * apart).sum(1).argmin())]
