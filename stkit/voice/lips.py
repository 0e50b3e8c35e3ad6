"""Lips that really meet: the gap between the inner lips is linear in the expression."""

from functools import lru_cache

import torch
from torch import Tensor

from stkit import face_models
from stkit.face_models.makehuman.head import MakeHumanHead, makehuman

# MediaPipe's points of the inner lips, upper and lower, from the middle to both sides
UPPER = (13, 82, 312, 81, 311, 80, 310)
LOWER = (14, 87, 317, 178, 402, 88, 318)


@lru_cache(maxsize=1)
def _gap_of_actions() -> Tensor:
    """How far each expression opens each of the seven pairs of points (64, 7), decimetres."""
    head: MakeHumanHead = makehuman()
    upper, lower = head.vertices_of(*UPPER), head.vertices_of(*LOWER)
    return head.expression[:, upper, 1] - head.expression[:, lower, 1]


def lip_gaps(beta: Tensor) -> Tensor:
    """How far lips are apart (..., 7), decimetres, beyond where they touch; negative: pressed.

    beta (..., 64). From the middle of the mouth to its corners, both sides.
    """
    return beta @ _gap_of_actions()


def lip_points(beta: Tensor) -> Tensor:
    """The fourteen points of the inner lips (..., 14, 3), decimetres, of the mean head with
    expressions beta (..., 64).
    """
    head = makehuman()
    points = head.vertices_of(*UPPER, *LOWER)
    return head.mean[points] + torch.einsum("...k,kpc->...pc", beta, head.expression[:, points])


def close(beta: Tensor, closure: Tensor) -> Tensor:
    """beta (..., 64) with lips closed as far as `closure` (...) says: at 1 no pair is apart.

    ARKit's mouthClose undoes what the jaw opens; as much of it is added as the widest gap needs.
    """
    column = face_models.builtin().expression_names.index("mouthClose")
    effect = -_gap_of_actions()[column]
    needed = (lip_gaps(beta) / effect).max(-1).values.clamp_min(0)
    closed = beta.clone()
    closed[..., column] = (beta[..., column] + closure * needed).clamp(0, 1)
    return closed
