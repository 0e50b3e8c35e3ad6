"""Give a tracked clip the face model a person brought: its expressions and landmarks replace the
built-in head's.

No face model of the literature has hair or shoulders, and most end at the ears. So the built-in
head still tracks pose, scale and outline and stays the hull from which stage 02 starts; beta, the
landmarks and L_def come from the other model.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.capture.descent import descend, falling_adam, falling_rate
from stkit.capture.landmark_terms import (
    FitSettings,
    HeadMotion,
    Targets,
    landmark_objective,
    posed_points,
)
from stkit.face_models import FaceModel
from stkit.face_models.landmarks import DROPPED, EYE_CORNERS, KEPT_66
from stkit.face_models.seated import BETAS, Seated, first_seat
from stkit.space import canonical_points

# weights of the kit, chosen by eye
W_DEPTH = 0.3  # of the distance to the built-in head's landmarks, which know depth from outlines
W_BIAS = 3.0  # of the constant offsets
# learning rates of the first step, chosen by eye
LR_SHAPE = 4e-2
LR_SEAT = 4e-3


@dataclass(frozen=True)
class _Unknowns:
    """What is fitted: identity (I,), beta (F, 64), the model's seat (7,), each landmark's constant
    offset (68, 3).
    """

    identity: Tensor
    beta: Tensor
    seat: Tensor
    bias: Tensor


@dataclass(frozen=True)
class _Goal:
    """What F frames ask for: landmarks in pixels, and the built-in head's own (F, 66, 3), canonical
    decimetres.
    """

    targets: Targets
    known: Tensor
    eyes: Tensor
    camera: Camera
    scale: Tensor
    pose: Tensor

    def only(self, frames: list[int]) -> "_Goal":
        """The goal of these frames alone."""
        pixels, weight = self.targets.pixels[frames], self.targets.weight[frames]
        targets = replace(self.targets, pixels=pixels, weight=weight)
        return replace(self, targets=targets, known=self.known[frames], pose=self.pose[frames])


def with_face_model(
    capture: Capture,
    spec: str,
    train: list[int],
    steps: int = 500,
    seed: int = 0,
    progress=lambda x, **k: x,
) -> tuple[Capture, list[float]]:
    """The capture with `beta`, `identity` and `landmarks3d` of the face model `spec`, and the
    losses.

    `spec`: see `face_models.get`, whose errors this raises. Poses and scale stay. The model is
    seated by one similarity for the clip; identity, seat and each landmark's constant offset are
    learned from the frames `train` alone, then the expressions of all frames.
    """
    model, hull = face_models.get(spec), capture.hull_verts()
    marks = hull[face_models.builtin().landmarks]
    unknowns = _Unknowns(
        identity=torch.zeros(len(model.identity), requires_grad=True),
        beta=torch.zeros(len(capture), BETAS, requires_grad=True),
        seat=first_seat(model.mean[model.landmarks], marks).requires_grad_(),
        bias=torch.zeros(68, 3, requires_grad=True),
    )
    settings = FitSettings(steps=steps, seed=seed)
    goal = _goal(capture)
    landmark_model = model.only(model.landmarks)
    losses = []

    def optimise(frames: list[int], groups: list[dict], count: int, title: str) -> None:
        optimiser, schedule = falling_adam(groups, lambda k: falling_rate(k, count))
        part = goal.only(frames)
        for _ in progress(range(count), desc=title):
            chosen = replace(unknowns, beta=unknowns.beta[frames])
            loss = _loss(landmark_model, chosen, part, settings)
            losses.append(descend(loss, optimiser, schedule))

    shape = {"params": [unknowns.identity, unknowns.beta], "lr": LR_SHAPE}
    seat = {"params": [unknowns.seat, unknowns.bias], "lr": LR_SEAT}
    optimise(train, [shape, seat], steps, f"fit {model.name}")
    expressions = {"params": [unknowns.beta], "lr": LR_SHAPE}
    optimise(list(range(len(capture))), [expressions], steps // 2, f"{model.name}: all frames")
    return _with_expressions(capture, spec, hull, unknowns), losses


def _goal(capture: Capture) -> _Goal:
    """What the capture's landmarks and the built-in head ask of the other model."""
    score = capture.landmarks[..., 2].clone()
    score[:, list(DROPPED)] = 0
    frames = zip(capture.landmarks3d, capture.pose)
    known = torch.stack([canonical_points(x, pose, capture.scale) for x, pose in frames])
    right, left = EYE_CORNERS  # the 66 landmarks begin like the 68
    eyes = (known[..., right, :] - known[..., left, :]).norm(dim=-1).median()
    targets = Targets(torch.arange(68), capture.landmarks[..., :2], score)
    return _Goal(targets, known, eyes, capture.camera, capture.scale, capture.pose)


def _loss(
    landmark_model: FaceModel, unknowns: _Unknowns, goal: _Goal, settings: FitSettings
) -> Tensor:
    """Landmarks in the picture, the built-in head's in space, and a cost on constant offsets, of
    the goal's frames.
    """
    ids = goal.targets.ids
    bias = unknowns.bias
    face = Seated(landmark_model, unknowns.seat, ids[:0])
    motion = HeadMotion(unknowns.identity, goal.scale, unknowns.beta, goal.pose, bias)
    terms = landmark_objective(face, goal.targets, goal.camera, motion, settings)
    points = face.points(KEPT_66, unknowns.identity, unknowns.beta) + bias[KEPT_66]
    off = (points - goal.known) / goal.eyes
    unlikely = settings.w_identity * unknowns.identity.square().sum()
    loss = terms.data + terms.prior + unlikely + W_DEPTH * off.square().sum(-1).mean()
    return loss + W_BIAS * bias.square().sum(1).mean()


def _with_expressions(capture: Capture, spec: str, hull: Tensor, unknowns: _Unknowns) -> Capture:
    """The capture with what was fitted of the face model `spec`."""
    identity, beta = unknowns.identity.detach(), unknowns.beta.detach()
    seat, bias = unknowns.seat.detach(), unknowns.bias.detach()
    out = replace(capture, face_model=spec, hull=hull, identity=identity, beta=beta, seat=seat)
    face = out.face()
    ids = face.landmarks[KEPT_66]
    world = posed_points(face, ids, identity, capture.scale, beta, capture.pose, bias[KEPT_66])
    return replace(out, landmarks3d=world)
