"""The optimiser that all fits of a clip share: Adam with learning rates that fall along half a
cosine.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

ADAM_BETAS = (0.9, 0.99)  # Adam's decay rates, not expressions
LAST_RATE = 0.02  # share of the learning rate that is left after the last step; chosen by eye


def falling_rate(k: int, steps: int) -> float:
    """Factor of the learning rate at step k of `steps`: half a cosine from 1 to 0, plus `LAST_RATE`
    throughout.

    So it starts at 1.02 and ends at 0.02. `stkit.training.cosine` runs from 1 to its floor instead.
    """
    return 0.5 * (1 + np.cos(np.pi * k / steps)) + LAST_RATE


def falling_adam(
    groups: list[dict], rate: Callable[[int], float]
) -> tuple[torch.optim.Adam, LambdaLR]:
    """Adam on parameter groups with learning rates of their own, and the schedule rate(k) for all
    of them.
    """
    optimiser = torch.optim.Adam(groups, betas=ADAM_BETAS)
    return optimiser, LambdaLR(optimiser, rate)


def descend(loss: Tensor, optimiser: torch.optim.Adam, schedule: LambdaLR | None) -> float:
    """One step down the gradient of `loss` (); the loss before it. Without a schedule the rates
    stay as they are.
    """
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if schedule is not None:
        schedule.step()
    return loss.item()
