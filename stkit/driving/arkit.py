"""ARKit's 52 facial actions, which are the built-in head's own first coefficients."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.driving.parameters import checked
from stkit.errors import RequestError
from stkit.face_models.makehuman.head import ARKIT
from stkit.face_models.seated import BETAS


def arkit_names() -> tuple[str, ...]:
    """The 52 names, in the order of the built-in head's coefficients."""
    return face_models.builtin().expression_names[:ARKIT]


def arkit_name(label: str) -> str:
    """ARKit's name of a column, which formats write with a capital: jawOpen of "JawOpen"."""
    return label[:1].lower() + label[1:]


def beta_of_arkit(path: Path, actions: dict[str, np.ndarray]) -> Tensor:
    """Expressions (F, 64) of the built-in head for series (F,) by ARKit's names.

    Other names are ignored. Raises ValueError naming the file `path` if nothing is left, or a value
    is not finite or too large.
    """
    names = arkit_names()
    known = {name: series for name, series in actions.items() if name in names}
    if not known:
        raise RequestError(
            f"{path}: none of ARKit's blendshape names (jawOpen, mouthSmileLeft, ...) is in it"
        )
    beta = torch.zeros(len(next(iter(known.values()))), BETAS)
    for name, series in known.items():
        beta[:, names.index(name)] = checked(path, series)
    return beta


def arkit_of_beta(beta: Tensor) -> dict[str, float]:
    """ARKit's actions, 0 to 1, of one expression (64,) of the built-in head."""
    return dict(zip(arkit_names(), beta[:ARKIT].clamp(0, 1).tolist()))
