"""Proportions: larger eyes, a smaller chin, by shapes that MakeHuman's artists sculpted."""

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from stkit import face_models
from stkit.art.art_style import PROPORTIONS
from stkit.face_models.makehuman.shape_change import target_displacement

SIDES = ("l", "r")
# the shapes that a proportion mixes where it is positive and negative, and how far each goes at 1
SHAPES: dict[str, dict[str, float]] = {
    "eyes": {"eye-scale": 2.6, "eye-height2": 0.8},
    "nose": {"nose-scale-horiz": 0.9, "nose-scale-vert": 0.6, "nose-scale-depth": 0.6},
    "mouth": {"mouth-scale-horiz": 1.0, "mouth-scale-vert": 0.5},
    "chin": {"chin-width": 1.2, "chin-height": 0.6, "chin-bones": 0.8},
    "cheeks": {"cheek-volume": 1.2, "cheek-bones": 0.5},
    "head": {"head-scale-vert": 0.6, "head-scale-horiz": 0.6},
}
PAIRED = ("eye", "cheek")


def shape_weights(proportions: Mapping[str, float]) -> dict[str, float]:
    """MakeHuman's shapes by weight for proportions in [-1, 1]."""
    weights: dict[str, float] = {}
    for name, amount in proportions.items():
        end = "incr" if amount > 0 else "decr"
        for shape, share in SHAPES[name].items():
            paired = shape.startswith(PAIRED)
            names = [f"{side}-{shape}" for side in SIDES] if paired else [shape]
            weights |= {f"{full}-{end}": share * abs(amount) for full in names}
    return weights


@lru_cache(maxsize=len(PROPORTIONS) * 2)
def _displacement(name: str, positive: bool) -> Tensor:
    """What a proportion at 1 or -1 adds to the built-in head's vertices (V, 3), its hair's too."""
    moved = target_displacement(shape_weights({name: 1.0 if positive else -1.0}))
    head = face_models.builtin()
    return torch.cat([moved, moved[head.shell_parent]])


def displacement(proportions: Mapping[str, float]) -> Tensor:
    """What proportions add to the built-in head's vertices (V, 3), canonical decimetres."""
    total = torch.zeros(len(face_models.builtin().mean), 3)
    for name, amount in proportions.items():
        total = total + abs(amount) * _displacement(name, amount > 0)
    return total
