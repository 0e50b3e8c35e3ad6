"""A linear face model in stkit's canonical space, whatever files it came from."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class LinearModel:
    """See `stkit.face_models.FaceModel`. x = mean + identity + expression; `betas` is the length of an expression vector."""

    name: str
    mean: Tensor
    faces: Tensor
    identity: Tensor
    expression: Tensor
    landmarks: Tensor
    dense: Tensor
    dense_mediapipe: Tensor
    expression_names: tuple[str, ...]
    units = 1.0  # coefficients are standard deviations already

    @property
    def betas(self) -> int:
        return len(self.expression)

    def points(self, ids: Tensor, identity: Tensor, beta: Tensor) -> Tensor:
        """Canonical vertices `ids` (N,) for identity (I,) and every row of beta (F, E): (F, N, 3)."""
        x = self.mean[ids] + torch.einsum("i,ivk->vk", identity, self.identity[:, ids])
        return x + torch.einsum("fe,evk->fvk", beta, self.expression[:, ids])

    def verts(self, identity: Tensor, beta: Tensor | None = None) -> Tensor:
        """Canonical vertices (V, 3) of identity (I,) and one expression beta (E,), decimetres."""
        out = self.mean + torch.einsum("i,ivk->vk", identity, self.identity)
        return out if beta is None else out + torch.einsum("e,evk->vk", beta, self.expression)

    def only(self, ids: Tensor) -> "LinearModel":
        """The same model with no other vertices than `ids` (N,), and so without triangles and landmarks."""
        none = self.landmarks[:0]
        cut = (self.mean[ids], self.faces[:0], self.identity[:, ids], self.expression[:, ids])
        return LinearModel(self.name, *cut, none, none, none, self.expression_names)

    def to(self, device: torch.device | str) -> "LinearModel":
        """The model on another device."""
        names = ("mean", "faces", "identity", "expression", "landmarks", "dense", "dense_mediapipe")
        return replace(self, **{n: getattr(self, n).to(device) for n in names})


def canonical(
    name: str,
    mean: np.ndarray,
    faces: np.ndarray,
    identity: np.ndarray,
    expression: np.ndarray,
    landmarks: np.ndarray,
    unit: float | None,
    names: tuple[str, ...] = (),
) -> LinearModel:
    """Check arrays mean (V, 3), faces (F, 3), identity (I, V, 3), expression (E, V, 3), landmarks (68,) and bring them to canonical space.

    `unit` is how many decimetres one of the file's units is; None scales the outer eye corners to the built-in head's
    distance. The landmarks' middle moves to the built-in head's. Raises ValueError saying which array does not fit.
    """
    from stkit.face_models import get

    V = len(mean)
    if mean.shape != (V, 3) or V < 68:
        raise ValueError(
            f"the mean shape is {mean.shape}, expected (V, 3) with at least 68 vertices"
        )
    for label, basis in (("identity", identity), ("expression", expression)):
        if basis.ndim != 3 or basis.shape[1:] != (V, 3) or not 1 <= len(basis) <= 400:
            raise ValueError(f"the {label} basis is {basis.shape}, expected (directions, {V}, 3)")
    if landmarks.shape != (68,):
        raise ValueError(f"there are {landmarks.size} landmark indices, expected 68")
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"the triangles are {faces.shape}, expected (F, 3)")
    for label, index in (("triangles", faces), ("landmarks", landmarks)):
        if index.min() < 0 or index.max() >= V:
            raise ValueError(f"the {label} name vertices outside 0..{V - 1}")
    for label, values in (
        ("mean shape", mean),
        ("identity basis", identity),
        ("expression basis", expression),
    ):
        if not np.isfinite(values).all():
            raise ValueError(f"the {label} has values that are not finite")
    builtin = get("builtin")
    home = builtin.mean[builtin.landmarks].numpy()
    points = mean[landmarks]
    if unit is None:
        unit = float(
            np.linalg.norm(home[36] - home[45]) / max(np.linalg.norm(points[36] - points[45]), 1e-9)
        )
    if not 0.02 < np.linalg.norm(points[36] - points[45]) * unit < 10:
        raise ValueError(
            "the eyes are an impossible distance apart: is the file of another kind or unit?"
        )
    t = lambda a: torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32))
    move = home.mean(0) - points.mean(0) * unit
    i64 = lambda a: torch.from_numpy(np.ascontiguousarray(a, dtype=np.int64))
    none = torch.zeros(0, dtype=torch.int64)
    return LinearModel(
        name,
        t(mean * unit + move),
        i64(faces),
        t(identity * unit),
        t(expression * unit),
        i64(landmarks),
        none,
        none,
        names,
    )
