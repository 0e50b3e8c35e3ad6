"""Another face model seated in the built-in head's canonical space.

Grids, hair, necks and networks are placed with the built-in head and stay where they are.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stkit.face_models.builtin import builtin
from stkit.face_models.detector import DetectorError
from stkit.face_models.protocol import FaceModel
from stkit.geometry import so3_exp, so3_log, umeyama

BETAS = (
    64  # the length of an expression in every capture and network; shorter models pad with zeros
)


@dataclass(frozen=True)
class Seated:
    """See `stkit.face_models.FaceModel`. x = exp(seat[0]) R(seat[1:4]) model(identity, beta) + T.

    seat (7,): log of the scale, rotation as axis-angle, and translation T in decimetres.
    Expressions have `BETAS` numbers in steps of `model.units`; those beyond the model's own do
    nothing. `dense` (M,): vertices for the built-in head's denser landmark set, or none.
    """

    model: FaceModel
    seat: Tensor
    dense: Tensor

    betas = BETAS
    units = 1.0
    bounded = 0
    pairs = torch.zeros(0, 2, dtype=torch.long)
    pupils = torch.zeros(2, 0, dtype=torch.long)

    @property
    def name(self) -> str:
        """The kind of model that is seated."""
        return self.model.name

    @property
    def mean(self) -> Tensor:
        """Vertices (V, 3) of the mean face, seated."""
        return self.verts(self.seat.new_zeros(len(self.identity)))

    @property
    def faces(self) -> Tensor:
        """Triangles (F, 3)."""
        return self.model.faces

    @property
    def identity(self) -> Tensor:
        """Directions (I, V, 3) of the model before it was seated."""
        return self.model.identity

    @property
    def landmarks(self) -> Tensor:
        """The vertices (68,) of the landmarks."""
        return self.model.landmarks

    @property
    def detector(self) -> DetectorError:
        """The detector is not known to miss this model's points."""
        return DetectorError.none(len(self.landmarks) + len(self.dense))

    @property
    def dense_mediapipe(self) -> Tensor:
        """MediaPipe's numbers (M,) of the dense landmarks."""
        return builtin().dense_mediapipe[: len(self.dense)]

    @property
    def expression_names(self) -> tuple[str, ...]:
        """The model's names, and "beta K" for numbers that do nothing."""
        own = self.model.expression_names[:BETAS]
        return own + tuple(f"beta {k}" for k in range(len(own), BETAS))

    def points(self, ids: Tensor, identity: Tensor, beta: Tensor) -> Tensor:
        """Vertices `ids` (N,) for identity (I,) and every row of beta (F, 64): (F, N, 3)."""
        x = self.model.points(ids, identity, beta[:, : self.model.betas] * self.model.units)
        return self.seat[0].exp() * x @ so3_exp(self.seat[1:4]).T + self.seat[4:]

    def verts(self, identity: Tensor, beta: Tensor | None = None) -> Tensor:
        """All vertices (V, 3) of identity (I,) and one expression (64,)."""
        if beta is None:
            beta = self.seat.new_zeros(BETAS)
        every = torch.arange(len(self.model.mean), device=self.seat.device)
        return self.points(every, identity, beta[None])[0]

    def only(self, ids: Tensor) -> "Seated":
        """The same model with no other vertices than `ids` (N,)."""
        return Seated(self.model.only(ids), self.seat, ids[:0])

    def to(self, device: torch.device | str) -> "Seated":
        """The model on another device."""
        return Seated(self.model.to(device), self.seat.to(device), self.dense.to(device))


def first_seat(points: Tensor, goal: Tensor) -> Tensor:
    """The seat (7,) that brings points (N, 3) closest to `goal` (N, 3) in least squares."""
    R, T, scale = umeyama(points, goal)
    return torch.cat([scale.log()[None], so3_log(R[None])[0], T])
