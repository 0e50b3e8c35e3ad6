"""L_def of Eq. 5: the deformation learns from the face model where points of the face go."""

import torch
from torch import Tensor

from stkit.capture import Capture, sampling_probabilities
from stkit.face_models import BuiltinHead, FaceModel
from stkit.face_models.landmarks import EYES, KEPT_66
from stkit.geometry import nearest, vertex_normals
from stkit.heads.mesh import MeshHead
from stkit.heads.mesh_training import MeshTraining
from stkit.training import cosine

FACE_REACH = 0.45  # decimetres: skin this near to a landmark belongs to the face
FORWARD = 0.2  # least z of a unit normal that counts as looking forward
WARM_RATE = 2e-3  # Adam's rate while the deformation learns from landmarks alone


class LandmarkTeacher:
    """L_def: the deformation must carry the neutral landmarks to every frame's (paper: weight 1,
    the norm of the difference).

    Besides the 66 it asks for the face model's denser points and for `surface_points` random points
    of its face; upstream appends every 100th vertex. Points are cheap, so each step looks at
    several frames, and a little around them.
    """

    def __init__(
        self,
        capture: Capture,
        frames: list[int],
        settings: MeshTraining,
        generator: torch.Generator,
    ):
        self.capture, self.frames, self.settings = capture, frames, settings
        self.generator, device = generator, capture.device
        face, neutral = capture.face(), capture.to("cpu")
        landmarks = neutral.neutral_landmarks()
        verts = face.verts(neutral.identity, neutral.beta[neutral.neutral])
        ids = torch.cat(
            [face.landmarks[KEPT_66], face.dense, front_of_face(face, verts, landmarks)]
        )
        self.fixed = 66 + len(face.dense)  # points that every step asks for
        self.rest = torch.cat([landmarks, verts[ids[66:]]]).to(device)
        self.face = face.only(ids).to(device)
        every = torch.arange(len(ids), device=device)
        neutral_beta = capture.beta[capture.neutral, None]
        self.neutral = self.face.points(every, capture.identity, neutral_beta)[0]
        self.noise = settings.beta_noise * capture.beta.std(0)
        self.chance = sampling_probabilities(capture, frames, settings.rare)
        self.weight = torch.ones(66, device=device)
        self.weight[EYES] = settings.eyes
        self.weight /= self.weight.mean()

    def loss(self, head: MeshHead) -> Tensor:
        """Mean distance (dm) between deformed neutral points and where the face model has them."""
        device, count = self.rest.device, self.settings.surface_points
        skin = torch.randint(self.fixed, len(self.rest), (count,), generator=self.generator)
        pick = torch.cat([torch.arange(self.fixed), skin]).to(device)
        start = torch.cat([head.landmarks, self.rest[pick[66:]]])
        betas = torch.stack([self._beta() for _ in range(self.settings.deform_frames)])
        change = self.face.points(pick, self.capture.identity, betas) - self.neutral[pick]
        moved = start + head.deformation.expressions(start, betas)
        error = (moved - self.rest[pick] - change).square().sum(2).add(1e-8).sqrt()
        return ((self.weight * error[:, :66]).mean() + error[:, 66:].mean()) / 2

    def _beta(self) -> Tensor:
        """The expression (64,) of a frame drawn by chance, a little blurred."""
        t = self.frames[int(torch.multinomial(self.chance, 1, generator=self.generator))]
        noise = torch.randn(len(self.noise), generator=self.generator).to(self.noise.device)
        return self.capture.beta[t] + self.noise * noise


def front_of_face(face: FaceModel, rest: Tensor, landmarks: Tensor) -> Tensor:
    """Vertices (N,) of a face model whose skin is near the landmarks (66, 3) and looks forward.

    rest (V, 3): its neutral shape, canonical decimetres.
    """
    near = nearest(rest, landmarks)[0][:, 0] < FACE_REACH
    if isinstance(face, BuiltinHead):
        near = near & face.part("skin")
    forward = vertex_normals(rest, face.faces)[:, 2] > FORWARD
    return torch.nonzero(near & forward)[:, 0]


def warm_up(
    head: MeshHead, teacher: LandmarkTeacher, settings: MeshTraining, progress=lambda x, **k: x
) -> None:
    """Teach the deformation the landmarks alone first: a hundred times cheaper than rendering."""
    optimiser = torch.optim.Adam(head.deformation.parameters(), lr=WARM_RATE)
    for k in progress(range(settings.warm_steps), desc="deformation"):
        for group in optimiser.param_groups:
            group["lr"] = WARM_RATE * cosine(k, settings.warm_steps)
        loss = teacher.loss(head)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
