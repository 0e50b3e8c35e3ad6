"""Parametric face models behind one protocol. The built-in head is always there; others need files a person obtained."""

from functools import lru_cache
from typing import Protocol

from torch import Tensor


class FaceModel(Protocol):
    """A linear head in canonical space: decimetres, +x subject's left, +y up, +z out of the face.

    mean (V, 3), faces (F, 3), identity (I, V, 3), expression (E, V, 3), landmarks (68,) vertex indices in iBUG order,
    dense (M,) vertex indices of a denser landmark set.
    """

    name: str
    mean: Tensor
    faces: Tensor
    identity: Tensor
    expression: Tensor
    landmarks: Tensor
    dense: Tensor


@lru_cache(maxsize=2)
def get(name: str = "builtin") -> FaceModel:
    """A face model by name. Raises ValueError with the known names."""
    if name == "builtin":
        from .builtin import BuiltinHead

        return BuiltinHead.load()
    raise ValueError(f"face model {name!r} is unknown; available: builtin")
