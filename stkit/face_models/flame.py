"""FLAME 2020 and 2023: linear shape and expression, and a jaw and eyes that turn.

An expression vector has 59 numbers, as in the lineage: 50 expression coefficients, then axis-angle
of the jaw (3) and of the eyes (6). Neck and root stay at rest, since the head's pose is stkit's
own. The skin follows the joints by linear blend skinning. Metres in the file, decimetres here.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stkit.errors import RequestError
from stkit.face_models.canonical import canonical
from stkit.face_models.detector import DetectorError
from stkit.face_models.files import named
from stkit.face_models.linear import LinearModel
from stkit.geometry import so3_exp
from stkit.io.pickled_objects import Inert
from stkit.io.safe_pickle import load_npy, load_pickle

IDENTITIES, EXPRESSIONS = 100, 50
ALL_IDENTITIES = 300  # in the file; expressions follow them
JOINTS = ("root", "neck", "jaw", "left eye", "right eye")
TURNING = JOINTS[2:]
UNIT_ANGLE = 0.1  # radians: a usual change of an angle
DECIMETRES = 10.0  # in a metre
MAX_ENTRIES = 10**8  # of a sparse matrix when it is written out


@dataclass(frozen=True)
class Flame:
    """See `stkit.face_models.FaceModel`; `linear` holds what does not turn, the rest the skeleton.

    weights (V, 5) of the joints, joints (5, 3) of the mean face and how they move with identity
    (I, 5, 3) and expression (50, 5, 3); correctives (V, 3, 36), the pose blendshapes of all joints
    but the root.
    """

    linear: LinearModel
    weights: Tensor
    joints: Tensor
    joints_identity: Tensor
    joints_expression: Tensor
    correctives: Tensor

    name = "flame"
    betas = EXPRESSIONS + 3 * len(TURNING)

    bounded = 0
    pairs = torch.zeros(0, 2, dtype=torch.long)
    pupils = torch.zeros(2, 0, dtype=torch.long)

    @property
    def units(self) -> Tensor:
        """A usual change (59,): one standard deviation, and `UNIT_ANGLE` for angles."""
        angles = self.joints.new_full((3 * len(TURNING),), UNIT_ANGLE)
        return torch.cat([self.joints.new_ones(EXPRESSIONS), angles])

    @property
    def expression_names(self) -> tuple[str, ...]:
        """What each of the 59 numbers does."""
        shapes = [f"expression {k}" for k in range(EXPRESSIONS)]
        return (*shapes, *(f"{joint} {axis}" for joint in TURNING for axis in "xyz"))

    @property
    def mean(self) -> Tensor:
        """Vertices (V, 3) of the mean face at rest."""
        return self.linear.mean

    @property
    def faces(self) -> Tensor:
        """Triangles (F, 3)."""
        return self.linear.faces

    @property
    def identity(self) -> Tensor:
        """Directions (100, V, 3) of the shape."""
        return self.linear.identity

    @property
    def landmarks(self) -> Tensor:
        """The vertices (68,) of the landmarks."""
        return self.linear.landmarks

    @property
    def detector(self) -> DetectorError:
        """The detector is not known to miss this model's points."""
        return self.linear.detector

    @property
    def dense(self) -> Tensor:
        """No denser landmark set is known."""
        return self.linear.dense

    @property
    def dense_mediapipe(self) -> Tensor:
        """No denser landmark set is known."""
        return self.linear.dense_mediapipe

    def points(self, ids: Tensor, identity: Tensor, beta: Tensor) -> Tensor:
        """Vertices `ids` (N,) for identity (100,) and every row of beta (F, 59): (F, N, 3)."""
        shape = beta[:, :EXPRESSIONS]
        x = self.linear.points(ids, identity, shape)
        J = self.joints + torch.einsum("i,ijk->jk", identity, self.joints_identity)
        J = J + torch.einsum("fe,ejk->fjk", shape, self.joints_expression)
        turn = so3_exp(beta[:, EXPRESSIONS:].reshape(-1, 3)).reshape(-1, 3, 3, 3)
        eye = torch.eye(3, device=beta.device)
        at_rest = eye.expand(len(beta), 1, 3, 3)
        R = torch.cat([at_rest, at_rest, turn], 1)
        change = (R[:, 1:] - eye).reshape(len(beta), -1)
        x = x + torch.einsum("fp,nkp->fnk", change, self.correctives[ids])
        moved = torch.einsum("fjab,fnjb->fnja", R, x[:, :, None] - J[:, None]) + J[:, None]
        return (self.weights[ids][None, :, :, None] * moved).sum(2)

    def verts(self, identity: Tensor, beta: Tensor | None = None) -> Tensor:
        """All vertices (V, 3) of identity (100,) and one expression (59,), decimetres."""
        beta = torch.zeros(self.betas) if beta is None else beta
        return self.points(torch.arange(len(self.mean)), identity, beta[None])[0]

    def only(self, ids: Tensor) -> "Flame":
        """The same model with no other vertices than `ids` (N,), without triangles or landmarks."""
        return replace(
            self,
            linear=self.linear.only(ids),
            weights=self.weights[ids],
            correctives=self.correctives[ids],
        )

    def to(self, device: torch.device | str) -> "Flame":
        """The model on another device."""
        return Flame(
            self.linear.to(device),
            weights=self.weights.to(device),
            joints=self.joints.to(device),
            joints_identity=self.joints_identity.to(device),
            joints_expression=self.joints_expression.to(device),
            correctives=self.correctives.to(device),
        )


def load_flame(path: Path) -> Flame:
    """`generic_model.pkl` or `flame2023.pkl`, with a landmark embedding beside it.

    See `landmarks68` for the embedding. Raises ValueError naming the file and what does not fit.
    """
    path = Path(path)
    data = load_pickle(path)
    return named(path, lambda: _build(data, path.parent))


def _build(data: Any, folder: Path) -> Flame:
    if not isinstance(data, dict):
        raise RequestError("holds no dictionary; is it a FLAME model?")
    mean = _array(data["v_template"])
    shapes = _array(data["shapedirs"])
    count = len(mean)
    if shapes.shape[:2] != (count, 3) or shapes.shape[2] < IDENTITIES + EXPRESSIONS:
        least = IDENTITIES + EXPRESSIONS
        raise RequestError(f"shapedirs is {shapes.shape}, expected ({count}, 3, at least {least})")
    is_whole = shapes.shape[2] >= ALL_IDENTITIES + EXPRESSIONS
    first = ALL_IDENTITIES if is_whole else shapes.shape[2] - EXPRESSIONS
    faces = np.asarray(_array(data["f"]), np.int64)
    regressor = _skeleton(data, "J_regressor", (len(JOINTS), count))
    weights = _skeleton(data, "weights", (count, len(JOINTS)))
    correctives = _skeleton(data, "posedirs", (count, 3, 9 * (len(JOINTS) - 1)))
    linear = canonical(
        "flame",
        mean,
        faces=faces,
        identity=np.moveaxis(shapes[..., :IDENTITIES], 2, 0),
        expression=np.moveaxis(shapes[..., first : first + EXPRESSIONS], 2, 0),
        landmarks=landmarks68(folder, faces),
        unit=DECIMETRES,
    )
    G = _tensor(regressor)
    return Flame(
        linear,
        weights=_tensor(weights),
        joints=G @ linear.mean,
        joints_identity=torch.einsum("jv,bvk->bjk", G, linear.identity),
        joints_expression=torch.einsum("jv,bvk->bjk", G, linear.expression),
        correctives=_tensor(correctives * DECIMETRES),
    )


def _skeleton(data: dict, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One of the skeleton's arrays, checked."""
    array = _array(data[name])
    if array.shape != shape:
        raise RequestError(f"{name} is {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise RequestError(f"{name} has values that are not finite")
    return array


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def landmarks68(folder: Path, faces: np.ndarray) -> np.ndarray:
    """The vertices (68,) nearest to FLAME's landmarks.

    They come from `landmark_embedding.npy`, or from `flame_static_embedding.pkl` (51 points) and
    `flame_dynamic_embedding.npy` (the jaw's 17 at zero yaw). Raises ValueError if neither is there
    or one does not fit the triangles (F, 3).
    """
    whole = folder / "landmark_embedding.npy"
    static = folder / "flame_static_embedding.pkl"
    moving = folder / "flame_dynamic_embedding.npy"
    if whole.exists():
        data = load_npy(whole)
        triangles = np.asarray(data["full_lmk_faces_idx"]).reshape(-1)
        weights = np.asarray(data["full_lmk_bary_coords"]).reshape(-1, 3)
    elif static.exists() and moving.exists():
        triangles, weights = _split_embedding(load_pickle(static), load_npy(moving))
    else:
        raise RequestError(
            f"needs {whole.name}, or {static.name} and {moving.name}, beside it for the landmarks"
        )
    triangles = triangles.astype(np.int64)
    has_68 = len(triangles) == len(weights) == 68
    if not has_68 or triangles.min() < 0 or triangles.max() >= len(faces):
        raise RequestError(f"the landmark embedding in {folder} does not fit this mesh")
    return faces[triangles, weights.argmax(1)]


def _split_embedding(inner: Any, jaw: Any) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (68,) and barycentric weights (68, 3) of the jaw, then of the inner landmarks."""
    if isinstance(inner, Inert):
        inner = inner.state
    jaw_triangles = np.asarray(jaw["lmk_face_idx"])[0].reshape(-1)
    jaw_weights = np.asarray(jaw["lmk_b_coords"])[0].reshape(-1, 3)
    inner_triangles = np.asarray(inner["lmk_face_idx"]).reshape(-1)
    inner_weights = np.asarray(inner["lmk_b_coords"]).reshape(-1, 3)
    return (
        np.concatenate([jaw_triangles, inner_triangles]),
        np.concatenate([jaw_weights, inner_weights]),
    )


def _array(value: Any) -> np.ndarray:
    """A plain array from an array, a chumpy object (its `x`), or a scipy sparse matrix."""
    if isinstance(value, Inert):
        state = value.state if isinstance(value.state, dict) else {}
        if "indptr" in state:
            return _dense(state)
        value = state.get("x", state.get("_data"))
    array = np.asarray(value)
    if array.dtype == object or array.ndim == 0:
        raise RequestError("an array is stored in an unknown way")
    return array.astype(np.int64 if array.dtype.kind in "iu" else float)


def _dense(state: dict) -> np.ndarray:
    """A compressed-column matrix as a dense array; every index is checked before it is used."""
    rows, columns = (int(k) for k in (state["_shape"] if "_shape" in state else state["shape"]))
    data, indices, pointers = (np.asarray(state[k]) for k in ("data", "indices", "indptr"))
    fits = len(pointers) == columns + 1 and len(data) == len(indices)
    if rows * columns > MAX_ENTRIES or not fits:
        raise RequestError("a sparse matrix does not agree with itself")
    counts = np.diff(pointers)
    outside = len(indices) and (indices.min() < 0 or indices.max() >= rows)
    if (counts < 0).any() or counts.sum() != len(data) or outside:
        raise RequestError("a sparse matrix names entries outside itself")
    out = np.zeros((rows, columns))
    np.add.at(out, (indices, np.repeat(np.arange(columns), counts)), data)
    return out
