"""MEAD's eight emotions as facial action units, and action units as ARKit's actions.

Ekman and Friesen's units (FACS); which unit belongs to which emotion follows EMFACS, and how
strongly is the kit's, set by eye on the face model.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stkit import face_models

LEVELS = (0.4, 0.7, 1.0)  # of MEAD's level 1, 2 and 3
# unit: its name in words, and what it does to the face; sides alike where the action is paired
UNITS: dict[int, tuple[str, dict[str, float]]] = {
    1: ("inner brow raise", {"browInnerUp": 1.0}),
    2: ("outer brow raise", {"browOuterUp": 1.0}),
    4: ("brow lowering", {"browDown": 1.0}),
    5: ("upper lid raise", {"eyeWide": 1.0}),
    6: ("cheek raise", {"cheekSquint": 1.0, "eyeSquint": 0.35}),
    7: ("lid tightening", {"eyeSquint": 1.0}),
    9: ("nose wrinkle", {"noseSneer": 1.0}),
    10: ("upper lip raise", {"mouthUpperUp": 0.6, "noseSneer": 0.3}),
    12: ("smile", {"mouthSmile": 1.0}),
    14: ("dimple", {"mouthDimple": 1.0, "mouthPress": 0.3}),
    15: ("lip corner drop", {"mouthFrown": 1.0}),
    17: ("chin raise", {"mouthShrugLower": 0.6}),
    20: ("lip stretch", {"mouthStretch": 1.0}),
    23: ("lip tightening", {"mouthPress": 0.8, "mouthRollUpper": 0.25}),
    26: ("jaw drop", {"jawOpen": 0.3}),
}


@dataclass(frozen=True)
class Emotion:
    """units: amount of each action unit at level 3, 0 to 1. vigour: how far the mouth opens in
    speech, beside calm speech. one_sided: the mouth's units show on the left alone.
    """

    units: dict[int, float]
    vigour: float = 1.0
    one_sided: bool = False


EMOTIONS: dict[str, Emotion] = {
    "neutral": Emotion({}),
    "happy": Emotion({6: 0.8, 12: 0.75}, 1.1),
    "sad": Emotion({1: 0.9, 4: 0.35, 15: 0.8, 17: 0.4}, 0.8),
    "angry": Emotion({4: 1.0, 5: 0.35, 7: 0.6, 23: 0.6}, 1.15),
    "fear": Emotion({1: 0.9, 2: 0.4, 4: 0.5, 5: 0.8, 20: 0.6}, 0.95),
    "surprised": Emotion({1: 0.8, 2: 1.0, 5: 0.7, 26: 0.5}, 1.15),
    "disgusted": Emotion({9: 0.9, 10: 0.6, 17: 0.5}, 0.95),
    "contempt": Emotion({12: 0.45, 14: 0.8}, 0.9, one_sided=True),
}
NAMES = tuple(EMOTIONS)


def columns(action: str) -> list[int]:
    """Where an action is among the 64 coefficients: both sides where it is paired."""
    names = face_models.builtin().expression_names
    if action in names:
        return [names.index(action)]
    return [names.index(action + side) for side in ("Left", "Right")]


def upper_face_columns() -> list[int]:
    """Columns of the actions of brows and eyes, gaze apart."""
    names = face_models.builtin().expression_names
    parts = ("brow", "eyeBlink", "eyeSquint", "eyeWide")
    return [k for k, name in enumerate(names[:52]) if name.startswith(parts)]


def face_of(units: dict[int, float], one_sided: bool = False) -> Tensor:
    """Coefficients (64,) of action units."""
    beta = torch.zeros(len(face_models.builtin().expression_names))
    for unit, amount in units.items():
        for action, share in UNITS[unit][1].items():
            places = columns(action)
            if one_sided and action.startswith("mouth"):
                places = places[:1]
            for place in places:
                beta[place] += amount * share
    return beta


def emotional_face(name: str, level: int) -> Tensor:
    """Coefficients (64,) of an emotion at MEAD's level 1, 2 or 3."""
    emotion = EMOTIONS[name]
    return LEVELS[level - 1] * face_of(emotion.units, emotion.one_sided)
