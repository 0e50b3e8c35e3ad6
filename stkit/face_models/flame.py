"""FLAME 2020 and 2023: linear shape and expression, and a jaw and eyes that turn (linear blend skinning).

An expression vector has 59 numbers, as in the lineage: 50 expression coefficients, then axis-angle of the jaw (3) and of the
eyes (6). Neck and root stay at rest: the head's pose is stkit's own. Metres in the file, decimetres here.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.face_models.files import _named
from stkit.face_models.linear import LinearModel, canonical
from stkit.geometry import so3_exp
from stkit.io.safe_pickle import Inert, load_npy, load_pickle

IDENTITIES, EXPRESSIONS = 100, 50
JAW, EYES = 2, (3, 4)


@dataclass(frozen=True)
class Flame:
    """See `stkit.face_models.FaceModel`; `linear` holds what does not turn, the rest is the skeleton's."""

    linear: LinearModel
    weights: Tensor  # (V, 5): root, neck, jaw, eyes
    joints: Tensor  # (5, 3) of the mean
    joints_identity: Tensor  # (I, 5, 3)
    joints_expression: Tensor  # (50, 5, 3)
    correctives: Tensor  # (V, 3, 36): pose blendshapes of joints 1 to 4

    name = "flame"
    betas = EXPRESSIONS + 9
    units = property(
        lambda self: torch.cat([self.joints.new_ones(EXPRESSIONS), self.joints.new_full((9,), 0.1)])
    )  # angles: 0.1 rad
    expression_names = property(
        lambda self: (
            *(f"expression {k}" for k in range(EXPRESSIONS)),
            *(f"{j} {a}" for j in ("jaw", "left eye", "right eye") for a in "xyz"),
        )
    )
    mean = property(lambda self: self.linear.mean)
    faces = property(lambda self: self.linear.faces)
    identity = property(lambda self: self.linear.identity)
    expression = property(lambda self: self.linear.expression)
    landmarks = property(lambda self: self.linear.landmarks)
    dense = property(lambda self: self.linear.dense)
    dense_mediapipe = property(lambda self: self.linear.dense_mediapipe)

    def points(self, ids: Tensor, identity: Tensor, beta: Tensor) -> Tensor:
        """Canonical vertices `ids` (N,) for identity (100,) and every row of beta (F, 59): (F, N, 3)."""
        shape = beta[:, :EXPRESSIONS]
        x = self.linear.points(ids, identity, shape)
        J = self.joints + torch.einsum("i,ijk->jk", identity, self.joints_identity)
        J = J + torch.einsum("fe,ejk->fjk", shape, self.joints_expression)
        turn = so3_exp(beta[:, EXPRESSIONS:].reshape(-1, 3)).reshape(-1, 3, 3, 3)
        eye = torch.eye(3, device=beta.device)
        still = eye.expand(len(beta), 1, 3, 3)
        R = torch.cat([still, still, turn], 1)
        x = x + torch.einsum(
            "fp,nkp->fnk", (R[:, 1:] - eye).reshape(len(beta), -1), self.correctives[ids]
        )
        moved = torch.einsum("fjab,fnjb->fnja", R, x[:, :, None] - J[:, None]) + J[:, None]
        return (self.weights[ids][None, :, :, None] * moved).sum(2)

    def verts(self, identity: Tensor, beta: Tensor | None = None) -> Tensor:
        """Canonical vertices (V, 3) of identity (100,) and one expression (59,), decimetres."""
        beta = torch.zeros(self.betas) if beta is None else beta
        return self.points(torch.arange(len(self.mean)), identity, beta[None])[0]

    def only(self, ids: Tensor) -> "Flame":
        """The same model with no other vertices than `ids` (N,), and so without triangles and landmarks."""
        return replace(
            self,
            linear=self.linear.only(ids),
            weights=self.weights[ids],
            correctives=self.correctives[ids],
        )

    def to(self, device: torch.device | str) -> "Flame":
        """The model on another device."""
        names = ("weights", "joints", "joints_identity", "joints_expression", "correctives")
        return replace(
            self, linear=self.linear.to(device), **{n: getattr(self, n).to(device) for n in names}
        )


def load_flame(path: Path) -> Flame:
    """`generic_model.pkl` or `flame2023.pkl`, with a landmark embedding beside it (see `landmarks68`)."""
    path = Path(path)
    data = load_pickle(path)

    def build():
        if not isinstance(data, dict):
            raise ValueError("holds no dictionary; is it a FLAME model?")
        mean, shapes = _array(data["v_template"]), _array(data["shapedirs"])
        V = len(mean)
        if shapes.shape[:2] != (V, 3) or shapes.shape[2] < 150:
            raise ValueError(f"shapedirs is {shapes.shape}, expected ({V}, 3, at least 150)")
        first = (
            300 if shapes.shape[2] >= 350 else shapes.shape[2] - EXPRESSIONS
        )  # expressions follow 300 shapes
        identity, expression = shapes[..., :IDENTITIES], shapes[..., first : first + EXPRESSIONS]
        faces = np.asarray(_array(data["f"]), np.int64)
        regressor, weights = _array(data["J_regressor"]), _array(data["weights"])
        correctives = _array(data["posedirs"])
        for name, a, wanted in (
            ("J_regressor", regressor, (5, V)),
            ("weights", weights, (V, 5)),
            ("posedirs", correctives, (V, 3, 36)),
        ):
            if a.shape != wanted:
                raise ValueError(f"{name} is {a.shape}, expected {wanted}")
            if not np.isfinite(a).all():
                raise ValueError(f"{name} has values that are not finite")
        swap = lambda a: np.moveaxis(a, 2, 0)
        linear = canonical(
            "flame",
            mean,
            faces,
            swap(identity),
            swap(expression),
            landmarks68(path.parent, faces),
            10.0,
        )
        t = lambda a: torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32))
        G = t(regressor)
        at = lambda basis: torch.einsum("jv,bvk->bjk", G, basis)
        return Flame(
            linear,
            t(weights),
            G @ linear.mean,
            at(linear.identity),
            at(linear.expression),
            t(correctives * 10.0),
        )

    return _named(path, build)


def landmarks68(folder: Path, faces: np.ndarray) -> np.ndarray:
    """Vertices (68,) nearest to FLAME's landmarks, from `landmark_embedding.npy`, or from `flame_static_embedding.pkl` (51 points)
    and `flame_dynamic_embedding.npy` (the jaw's 17 at zero yaw)."""
    whole, static, moving = (
        folder / n
        for n in (
            "landmark_embedding.npy",
            "flame_static_embedding.pkl",
            "flame_dynamic_embedding.npy",
        )
    )
    if whole.exists():
        data = load_npy(whole)
        triangles, weights = (
            np.asarray(data["full_lmk_faces_idx"]).reshape(-1),
            np.asarray(data["full_lmk_bary_coords"]).reshape(-1, 3),
        )
    elif static.exists() and moving.exists():
        inner, jaw = load_pickle(static), load_npy(moving)
        if isinstance(inner, Inert):
            inner = inner.state
        first = lambda key: np.asarray(jaw[key])[0]
        triangles = np.concatenate(
            [first("lmk_face_idx").reshape(-1), np.asarray(inner["lmk_face_idx"]).reshape(-1)]
        )
        weights = np.concatenate(
            [first("lmk_b_coords").reshape(-1, 3), np.asarray(inner["lmk_b_coords"]).reshape(-1, 3)]
        )
    else:
        raise ValueError(
            f"needs {whole.name}, or {static.name} and {moving.name}, beside it for the landmarks"
        )
    triangles = triangles.astype(np.int64)
    if (
        len(triangles) != 68
        or len(weights) != 68
        or triangles.min() < 0
        or triangles.max() >= len(faces)
    ):
        raise ValueError(f"the landmark embedding in {folder} does not fit this mesh")
    return faces[triangles, weights.argmax(1)]


def _array(value) -> np.ndarray:
    """A plain array from what FLAME stores: an array, a chumpy object (its `x`), or a scipy sparse matrix."""
    if isinstance(value, Inert):
        state = value.state if isinstance(value.state, dict) else {}
        if "indptr" in state:
            return _dense(state)
        value = state.get("x", state.get("_data"))
    out = np.asarray(value)
    if out.dtype == object or out.ndim == 0:
        raise ValueError("an array is stored in an unknown way")
    return out.astype(np.int64 if out.dtype.kind in "iu" else float)


def _dense(state: dict) -> np.ndarray:
    """A compressed-column matrix as a dense array; every index is checked before it is used."""
    rows, columns = (int(k) for k in (state["_shape"] if "_shape" in state else state["shape"]))
    data, indices, pointers = (np.asarray(state[k]) for k in ("data", "indices", "indptr"))
    if rows * columns > 10**8 or len(pointers) != columns + 1 or len(data) != len(indices):
        raise ValueError("a sparse matrix does not agree with itself")
    counts = np.diff(pointers)
    if (
        (counts < 0).any()
        or counts.sum() != len(data)
        or (len(indices) and (indices.min() < 0 or indices.max() >= rows))
    ):
        raise ValueError("a sparse matrix names entries outside itself")
    out = np.zeros((rows, columns))
    np.add.at(out, (indices, np.repeat(np.arange(columns), counts)), data)
    return out
