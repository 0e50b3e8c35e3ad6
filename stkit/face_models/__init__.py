"""Parametric face models behind one protocol. The built-in head is always there; others need files a person obtained."""

import importlib
from functools import lru_cache
from typing import Protocol

from torch import Tensor


class FaceModel(Protocol):
    """A head in canonical space: decimetres, +x subject's left, +y up, +z out of the face.

    mean (V, 3), faces (F, 3), identity (I, V, 3), expression (E, V, 3), landmarks (68,) vertex indices in iBUG order,
    dense (M,) vertex indices of a denser landmark set and their MediaPipe numbers; `betas`: length of an expression vector,
    which is E, or more where parts turn (FLAME's jaw and eyes). `units`: how much of each coefficient is a usual change.
    """

    name: str
    mean: Tensor
    faces: Tensor
    identity: Tensor
    expression: Tensor
    landmarks: Tensor
    dense: Tensor
    dense_mediapipe: Tensor
    betas: int
    units: Tensor | float

    def points(self, ids: Tensor, identity: Tensor, beta: Tensor) -> Tensor:
        """Vertices `ids` (N,) for identity (I,) and every row of beta (F, betas): (F, N, 3)."""

    def verts(self, identity: Tensor, beta: Tensor | None = None) -> Tensor:
        """All vertices (V, 3) of one identity and expression."""

    def only(self, ids: Tensor) -> "FaceModel":
        """The same model with no other vertices than `ids`."""

    def to(self, device) -> "FaceModel":
        """The model on another device."""


LOADERS = {
    "bfm2009": ("files", "load_basel2009"),
    "bfm2017": ("files", "load_basel2017"),
    "faceverse": ("files", "load_faceverse"),
    "flame": ("flame", "load_flame"),
}


@lru_cache(maxsize=4)
def get(name: str = "builtin") -> FaceModel:
    """'builtin', or 'bfm2009:PATH', 'bfm2017:PATH', 'flame:PATH', 'faceverse:PATH' for files you obtained.

    Without a path the asset of the manifest is taken. Raises ValueError with the known names, FileNotFoundError with the
    way to get what is missing.
    """
    if name == "builtin":
        from stkit.face_models.builtin import BuiltinHead

        return BuiltinHead.load()
    kind, _, path = name.partition(":")
    if kind not in LOADERS:
        raise ValueError(
            f"face model {name!r} is unknown; available: builtin, "
            + ", ".join(f"{k}:PATH" for k in LOADERS)
        )
    if not path:
        from stkit.assets import asset_path, how_to_get

        path = asset_path(kind)
        if path is None:
            raise FileNotFoundError(how_to_get(kind))
    module, function = LOADERS[kind]
    return getattr(importlib.import_module(f".{module}", __name__), function)(path)
