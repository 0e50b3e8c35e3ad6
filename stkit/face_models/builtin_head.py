"""The built-in head: a procedural face model that anyone may use.

It stands in for Basel 2009, with 80 identity and 64 expression directions, coefficients that are
roughly N(0, 1), and decimetres. It is also the body of the synthetic subjects.
"""

import hashlib
import os
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from stkit.assets import cache_dir
from stkit.face_models import builtin_motion, builtin_shape
from stkit.face_models.builtin_landmarks import landmark_vertices
from stkit.face_models.builtin_shape import PARTS, Surface
from stkit.face_models.linear import LinearModel


@dataclass(frozen=True)
class BuiltinHead(LinearModel):
    """A linear model whose `surface` keeps the modelling coordinates (parts, chart, hair)."""

    identity_names: tuple[str, ...]
    surface: Surface

    @staticmethod
    def load() -> "BuiltinHead":
        """Model the head (about 4 s), or read what an earlier process left in the cache."""
        shape = _cached_shape()
        surface = shape.surface
        marks, dense, dense_mediapipe = landmark_vertices(surface)
        return BuiltinHead(
            "builtin",
            mean=_tensor(surface.verts.astype(np.float32)),
            faces=_tensor(surface.faces),
            identity=_tensor(shape.identity),
            expression=_tensor(shape.expression),
            landmarks=_tensor(marks),
            dense=_tensor(dense.astype(np.int64)),
            dense_mediapipe=_tensor(dense_mediapipe.astype(np.int64)),
            expression_names=shape.expression_names,
            identity_names=shape.identity_names,
            surface=surface,
        )

    def part(self, *names: str) -> Tensor:
        """Mask (V,) of the vertices that belong to the named parts."""
        return torch.from_numpy(np.isin(self.surface.part, [PARTS.index(n) for n in names]))


@lru_cache(maxsize=1)
def builtin() -> BuiltinHead:
    """The built-in head, loaded once in a process."""
    return BuiltinHead.load()


@dataclass(frozen=True)
class _Shape:
    """What takes time to model, and is cached: the mean's surface and the directions, float32."""

    surface: Surface
    identity: np.ndarray  # (80, V, 3)
    expression: np.ndarray  # (64, V, 3)
    identity_names: tuple[str, ...]
    expression_names: tuple[str, ...]


def _cached_shape() -> _Shape:
    path = _cache_path()
    if path.exists():
        try:
            return _read_shape(path)
        except (SafetensorError, KeyError, ValueError) as e:
            print(f"note: {path} is damaged ({e}); it is deleted and made again")
            path.unlink(missing_ok=True)
    shape = _model_shape()
    _write_shape(path, shape)
    return shape


def _cache_path() -> Path:
    """The cached file of the code as it is now: another version of the code has another name."""
    sources = [Path(m.__file__ or "").read_bytes() for m in (builtin_shape, builtin_motion)]
    digest = hashlib.sha256(b"".join(sources)).hexdigest()
    return cache_dir() / f"builtin_head-{digest[:12]}.safetensors"


def _model_shape() -> _Shape:
    surface = builtin_shape.build()
    expression_names, expression = builtin_motion.expression_directions(surface)
    identity_names, identity = builtin_motion.identity_directions(surface)
    return _Shape(
        surface,
        identity=identity.astype(np.float32),
        expression=expression.astype(np.float32),
        identity_names=tuple(identity_names),
        expression_names=tuple(expression_names),
    )


def _read_shape(path: Path) -> _Shape:
    data = load_file(path)
    return _Shape(
        Surface(*[data[f.name] for f in fields(Surface)]),
        identity=data["identity"],
        expression=data["expression"],
        identity_names=tuple(bytes(data["names_i"]).decode().split(",")),
        expression_names=tuple(bytes(data["names_e"]).decode().split(",")),
    )


def _write_shape(path: Path, shape: _Shape) -> None:
    """Write the file whole or not at all; two processes may write it at once."""
    data = {f.name: np.ascontiguousarray(getattr(shape.surface, f.name)) for f in fields(Surface)}
    data["names_e"] = _letters(shape.expression_names)
    data["names_i"] = _letters(shape.identity_names)
    data["expression"] = shape.expression
    data["identity"] = shape.identity
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    save_file(data, temporary)
    temporary.replace(path)


def _letters(names: tuple[str, ...]) -> np.ndarray:
    return np.frombuffer(",".join(names).encode(), np.uint8)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
