"""Parametric face models behind one protocol.

The built-in head, MakeHuman's, is always there. The others need files that a person obtained.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from stkit.assets import asset_path, how_to_get
from stkit.errors import MissingFileError, RequestError
from stkit.face_models.builtin import BuiltinHead, builtin
from stkit.face_models.files import load_basel2009, load_basel2017, load_faceverse
from stkit.face_models.flame import load_flame
from stkit.face_models.protocol import FaceModel

__all__ = ["LOADERS", "SHIPPED", "BuiltinHead", "FaceModel", "builtin", "get"]

SHIPPED: dict[str, Callable[[], FaceModel]] = {"makehuman": builtin}

LOADERS: dict[str, Callable[[Path], FaceModel]] = {
    "bfm2009": load_basel2009,
    "bfm2017": load_basel2017,
    "faceverse": load_faceverse,
    "flame": load_flame,
}


@lru_cache(maxsize=4)
def get(name: str = "makehuman") -> FaceModel:
    """A face model by a name of `SHIPPED`, or by a kind and a path such as "flame:PATH".

    The kinds are those of `LOADERS`; without a path the asset of the manifest is taken. Raises
    ValueError with the known names, and FileNotFoundError with the way to get what is missing.
    """
    if name in SHIPPED:
        return SHIPPED[name]()
    kind, _, given = name.partition(":")
    if kind not in LOADERS:
        known = ", ".join([*SHIPPED, *(f"{k}:PATH" for k in LOADERS)])
        raise RequestError(f"face model {name!r} is unknown; available: {known}")
    path = Path(given) if given else asset_path(kind)
    if path is None:
        raise MissingFileError(how_to_get(kind))
    return LOADERS[kind](path)
