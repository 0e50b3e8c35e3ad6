"""Another face model seated in the built-in head's canonical space, so that grids, hair, necks and nets stay where they are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stkit.face_models import FaceModel
from stkit.geometry import so3_exp

BETAS = 64  # what every capture and net holds; shorter models leave the rest at zero


@dataclass(frozen=True)
class Seated:
    """See `stkit.face_models.FaceModel`. x = exp(seat[0]) R(seat[1:4]) model(identity, beta) + seat[4:], decimetres.

    seat (7,). Expressions have `BETAS` numbers, in steps of `model.units`; those beyond the model's own do nothing.
    `dense` (M,): vertices for the denser landmark set.
    """

    model: FaceModel
    seat: Tensor
    dense: Tensor

    betas = BETAS
    name = property(lambda self: self.model.name)
    faces = property(lambda self: self.model.faces)
    landmarks = property(lambda self: self.model.landmarks)
    identity = property(lambda self: self.model.identity)  # of the unseated model
    expression_names = property(
        lambda self: (
            tuple(self.model.expression_names) + tuple(f"beta {k}" for k in range(BETAS))
        )[:BETAS]
    )

    def points(self, ids: Tensor, identity: Tensor, beta: Tensor) -> Tensor:
        """Canonical vertices `ids` (N,) for identity (I,) and every row of beta (F, 64): (F, N, 3)."""
        x = self.model.points(ids, identity, beta[:, : self.model.betas] * self.model.units)
        return self.seat[0].exp() * x @ so3_exp(self.seat[1:4]).T + self.seat[4:]

    def verts(self, identity: Tensor, beta: Tensor | None = None) -> Tensor:
        """All canonical vertices (V, 3) of identity (I,) and one expression (64,)."""
        beta = self.seat.new_zeros(BETAS) if beta is None else beta
        return self.points(
            torch.arange(len(self.model.mean), device=self.seat.device), identity, beta[None]
        )[0]

    def only(self, ids: Tensor) -> "Seated":
        """The same model with no other vertices than `ids`."""
        return Seated(self.model.only(ids), self.seat, ids[:0])

    def to(self, device: torch.device | str) -> "Seated":
        """The model on another device."""
        return Seated(self.model.to(device), self.seat.to(device), self.dense.to(device))


def first_seat(points: Tensor, goal: Tensor) -> Tensor:
    """Seat (7,) that brings points (N, 3) closest to `goal` (N, 3): the similarity of least squares."""
    from stkit.geometry import so3_log

    a, b = points - points.mean(0), goal - goal.mean(0)
    U, S, Vt = torch.linalg.svd(b.T @ a)
    D = torch.tensor([1.0, 1.0, float(torch.sign(torch.det(U @ Vt)))])
    R = (U * D) @ Vt
    scale = (S * D).sum() / a.square().sum()
    return torch.cat(
        [scale.log()[None], so3_log(R[None])[0], goal.mean(0) - scale * points.mean(0) @ R.T]
    )
