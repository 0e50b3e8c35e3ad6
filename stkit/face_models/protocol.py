"""What every face model offers, wherever its numbers come from."""

from typing import Protocol

import torch
from torch import Tensor

from stkit.face_models.detector import DetectorError


class FaceModel(Protocol):
    """A head in canonical space: decimetres, +x subject's left, +y up, +z out of the face.

    An expression vector has `betas` numbers; `expression_names` (betas,) says what each does, and
    `units` how large a usual change of each is, as one number or (betas,).
    """

    @property
    def name(self) -> str:
        """The kind of model, such as "makehuman" or "flame"."""

    @property
    def mean(self) -> Tensor:
        """Vertices (V, 3) of the mean face at rest."""

    @property
    def faces(self) -> Tensor:
        """Triangles (F, 3), as vertex numbers."""

    @property
    def identity(self) -> Tensor:
        """Directions (I, V, 3) of the shape."""

    @property
    def landmarks(self) -> Tensor:
        """The vertices (68,) of the landmarks, in iBUG order."""

    @property
    def dense(self) -> Tensor:
        """The vertices (M,) of a denser landmark set, or none."""

    @property
    def dense_mediapipe(self) -> Tensor:
        """The number (M,) that MediaPipe's face mesh gives each of the dense landmarks."""

    @property
    def betas(self) -> int:
        """The length of an expression vector."""

    @property
    def units(self) -> Tensor | float:
        """A usual change of each expression coefficient."""

    @property
    def bounded(self) -> int:
        """How many of the first coefficients lie in [0, 1] by nature, as ARKit's actions do."""

    @property
    def pairs(self) -> Tensor:
        """Pairs (P, 2) of coefficients that a face usually moves alike, such as left and right."""

    @property
    def pupils(self) -> Tensor:
        """Vertices (2, K) around the pupils of the right and the left eye, or none (2, 0)."""

    @property
    def detector(self) -> DetectorError:
        """Where the landmark detector misses the landmarks and the denser points, in general."""

    @property
    def expression_names(self) -> tuple[str, ...]:
        """What each expression coefficient does."""

    def points(self, ids: Tensor, identity: Tensor, beta: Tensor) -> Tensor:
        """Vertices `ids` (N,) for identity (I,) and every row of beta (F, betas): (F, N, 3)."""

    def verts(self, identity: Tensor, beta: Tensor | None = None) -> Tensor:
        """All vertices (V, 3) of one identity (I,) and one expression (betas,)."""

    def only(self, ids: Tensor) -> "FaceModel":
        """The same model with no other vertices than `ids` (N,), and so without triangles."""

    def to(self, device: torch.device | str) -> "FaceModel":
        """The model on another device."""
