"""Where the eyes look: pupils, between the corners of their eyes.

Lids alone leave a glance open. The detector knows the middle of each iris.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Eye(NamedTuple):
    """An eye's corners and pairs of upper and lower lid (iBUG numbers), and the number of
    MediaPipe's point in the middle of its iris.
    """

    corners: tuple[int, int]
    lids: tuple[tuple[int, int], tuple[int, int]]
    iris: int


RIGHT = Eye((36, 39), ((37, 41), (38, 40)), 468)
LEFT = Eye((42, 45), ((43, 47), (44, 46)), 473)
EYES = (RIGHT, LEFT)
# lids' distance over the eye's width, below which an iris is hidden, and above which it is plain;
# chosen by eye
HIDDEN, PLAIN = 0.10, 0.22


def has_irises(points: np.ndarray) -> bool:
    """Whether MediaPipe's points (F, 478, 2) have irises; where they are unknown they are 0 or
    NaN.
    """
    irises = points[:, [eye.iris for eye in EYES]]
    return bool(np.isfinite(irises).all() and (irises != 0).any(-1).all())


def gaze_error(miss: Tensor, pixels: Tensor, weight: Tensor, pupils: int) -> Tensor:
    """By how much pupils miss their place between the corners of the eyes, squared (F,).

    miss (F, N, 2): by how much the model's points miss the detector's, in eye distances; pixels (F,
    N, 2): the detector's; weight (F, N). The last 2 `pupils` points lie around the pupils. Eyes
    that are shut or turned away count less.
    """
    total = torch.zeros(len(miss))
    for k, eye in enumerate(EYES):
        first = miss.shape[1] - (2 - k) * pupils
        pupil = miss[:, first : first + pupils].mean(1)
        off = pupil - miss[:, eye.corners].mean(1)
        plain = ((eye_opening(eye, pixels) - HIDDEN) / (PLAIN - HIDDEN)).clamp(0, 1)
        total = total + plain * weight[:, eye.corners].amin(1) * off.square().sum(1)
    return total


def eye_opening(eye: Eye, pixels: Tensor) -> Tensor:
    """The gap between an eye's lids over its width (F,), of points (F, N, 2)."""
    gaps = torch.stack([(pixels[:, a] - pixels[:, b]).norm(dim=1) for a, b in eye.lids])
    first, last = eye.corners
    return gaps.mean(0) / (pixels[:, first] - pixels[:, last]).norm(dim=1)
