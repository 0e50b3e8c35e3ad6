"""A linear face model: the mean plus weighted directions of identity and of expression."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stkit.face_models.detector import DetectorError


@dataclass(frozen=True)
class LinearModel:
    """See `stkit.face_models.FaceModel`. x = mean + identity + expression.

    mean (V, 3), faces (F, 3), identity (I, V, 3), expression (E, V, 3), landmarks (68,), dense (M,)
    and dense_mediapipe (M,). An expression vector has one number for each direction.
    """

    name: str
    mean: Tensor
    faces: Tensor
    identity: Tensor
    expression: Tensor
    landmarks: Tensor
    dense: Tensor
    dense_mediapipe: Tensor
    expression_names: tuple[str, ...]
    bounded = 0  # no coefficient has natural limits

    @property
    def units(self) -> Tensor | float:
        """A usual change of each coefficient: they are standard deviations already."""
        return 1.0

    @property
    def pairs(self) -> Tensor:
        """No two coefficients are known to be usually alike (0, 2)."""
        return torch.zeros(0, 2, dtype=torch.long)

    @property
    def pupils(self) -> Tensor:
        """No pupils are known (2, 0)."""
        return torch.zeros(2, 0, dtype=torch.long)

    @property
    def detector(self) -> DetectorError:
        """The detector is not known to miss this model's points."""
        return DetectorError.none(len(self.landmarks) + len(self.dense))

    @property
    def betas(self) -> int:
        """The length of an expression vector."""
        return len(self.expression)

    def points(self, ids: Tensor, identity: Tensor, beta: Tensor) -> Tensor:
        """Vertices `ids` (N,) for identity (I,) and every row of beta (F, E): (F, N, 3)."""
        x = self.mean[ids] + torch.einsum("i,ivk->vk", identity, self.identity[:, ids])
        return x + torch.einsum("fe,evk->fvk", beta, self.expression[:, ids])

    def verts(self, identity: Tensor, beta: Tensor | None = None) -> Tensor:
        """Vertices (V, 3) of identity (I,) and one expression beta (E,), decimetres."""
        x = self.mean + torch.einsum("i,ivk->vk", identity, self.identity)
        return x if beta is None else x + torch.einsum("e,evk->vk", beta, self.expression)

    def only(self, ids: Tensor) -> "LinearModel":
        """The same model with no other vertices than `ids` (N,), without triangles or landmarks."""
        none = self.landmarks[:0]
        return LinearModel(
            self.name,
            mean=self.mean[ids],
            faces=self.faces[:0],
            identity=self.identity[:, ids],
            expression=self.expression[:, ids],
            landmarks=none,
            dense=none,
            dense_mediapipe=none,
            expression_names=self.expression_names,
        )

    def to(self, device: torch.device | str) -> "LinearModel":
        """The model on another device."""
        return replace(
            self,
            mean=self.mean.to(device),
            faces=self.faces.to(device),
            identity=self.identity.to(device),
            expression=self.expression.to(device),
            landmarks=self.landmarks.to(device),
            dense=self.dense.to(device),
            dense_mediapipe=self.dense_mediapipe.to(device),
        )
