"""ARKit's 52 facial actions and the built-in head's directions that they move.

Some of ARKit's actions have no direction of their own: a pair for the left and the right side may
share one, and those in `IGNORED` have none.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.driving.parameters import checked
from stkit.errors import RequestError
from stkit.face_models.seated import BETAS

# Values are the coefficients at ARKit's 1.0: the kit's, chosen by eye.
UNPAIRED: dict[str, dict[str, float]] = {
    "jawOpen": {"jaw_open": 3.0},
    "jawLeft": {"jaw_shift": 2.0},
    "jawRight": {"jaw_shift": -2.0},
    "jawForward": {"jaw_forward": 2.0},
    "mouthPucker": {"pucker": 2.0},
    "mouthFunnel": {"funnel": 2.0},
    "mouthLeft": {"mouth_shift": 2.0},
    "mouthRight": {"mouth_shift": -2.0},
    "mouthRollUpper": {"upper_lip_roll": 2.0},
    "mouthRollLower": {"lower_lip_roll": 2.0},
    "mouthShrugLower": {"chin_raise": 2.0},
    "browInnerUp": {"brow_inner_up_left": 2.0, "brow_inner_up_right": 2.0},
    "cheekPuff": {"cheek_puff_left": 2.0, "cheek_puff_right": 2.0},
}
SIDED = {  # Left and Right move a direction each
    "mouthSmile": ("smile", 2.0),
    "mouthFrown": ("frown", 2.0),
    "browDown": ("brow_down", 2.0),
    "browOuterUp": ("brow_outer_up", 2.0),
    "eyeBlink": ("blink", 2.9),
    "eyeWide": ("eye_wide", 2.0),
    "eyeSquint": ("squint", 2.0),
    "cheekSquint": ("cheek_raise", 2.0),
    "noseSneer": ("nose_wrinkle", 2.0),
}
SHARED = {  # Left and Right move the same direction
    "mouthStretch": ("mouth_wide", 1.0),
    "mouthPress": ("lip_press", 1.0),
    "mouthUpperUp": ("upper_lip_up", 1.0),
    "mouthLowerDown": ("lower_lip_down", 1.0),
}
IGNORED = ("eyeLook", "mouthClose", "mouthDimple", "mouthShrugUpper", "tongueOut")

SIDES = ("Left", "Right")


def _directions() -> dict[str, dict[str, float]]:
    found = dict(UNPAIRED)
    for side in SIDES:
        for name, (direction, gain) in SIDED.items():
            found[name + side] = {f"{direction}_{side.lower()}": gain}
        for name, (direction, gain) in SHARED.items():
            found[name + side] = {direction: gain}
    return found


ARKIT = _directions()  # ARKit's name: the built-in directions it moves, with their value at 1.0


def arkit_name(label: str) -> str:
    """ARKit's name of a column, which formats write with a capital: jawOpen of "JawOpen"."""
    return label[:1].lower() + label[1:]


def beta_of_arkit(path: Path, actions: dict[str, np.ndarray]) -> Tensor:
    """Expressions (F, 64) of the built-in head for series (F,) by ARKit's names.

    Names that the built-in head has no direction for are ignored. Raises ValueError naming the file
    `path` if nothing is left, or a value is not finite or too large.
    """
    known = {name: series for name, series in actions.items() if name in ARKIT}
    if not known:
        raise RequestError(
            f"{path}: none of ARKit's blendshape names (jawOpen, mouthSmileLeft, ...) is in it"
        )
    names = face_models.builtin().expression_names
    beta = torch.zeros(len(next(iter(known.values()))), BETAS)
    for name, series in known.items():
        for direction, gain in ARKIT[name].items():
            beta[:, names.index(direction)] += gain * checked(path, series)
    return beta


def arkit_of_beta(beta: Tensor) -> dict[str, float]:
    """ARKit's actions, 0 to 1, of one expression (64,) of the built-in head.

    Where both sides share a direction, each gets half of it.
    """
    names = face_models.builtin().expression_names
    value = dict(zip(names, beta.tolist()))
    actions = {
        name: float(np.mean([np.clip(value[d] / gain, 0, 1) for d, gain in directions.items()]))
        for name, directions in ARKIT.items()
    }
    for name, (direction, gain) in SHARED.items():
        half = float(np.clip(value[direction] / (2 * gain), 0, 1))
        for side in SIDES:
            actions[name + side] = half
    return actions
