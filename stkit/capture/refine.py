"""Analysis by synthesis: pictures and mattes say how deep and how wide the head is, which landmarks
alone cannot.

A detector's points are biased on an unusual face, and in a near-frontal clip depth hardly moves
them. So the fitted model is painted (`stkit.capture.painting`), rendered, and compared with the
clip's own pixels and silhouettes while it turns. Photometric terms after Face2Face (Thies et al.
2016); the paper is silent on this step.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.descent import descend, falling_adam, falling_rate
from stkit.capture.fitting import Fit
from stkit.capture.landmark_terms import (
    FitSettings,
    HeadMotion,
    LandmarkLoss,
    facing_weights,
    landmark_objective,
    landmark_targets,
    padded,
)
from stkit.capture.painting import gather_albedo
from stkit.capture.pictures import Pictures, small_pictures
from stkit.face_models import FaceModel
from stkit.geometry import generator, harmonics, vertex_normals
from stkit.render import render_mesh
from stkit.space import FramePose, to_world

# all of these are the kit's, chosen by eye; learning rates are those after the warm-up
LR_SCALE = 1e-3
LR_LIGHT = 5e-3
WARM_STEPS = 30  # over which the learning rates rise
COLOUR_EPSILON = 1e-4  # squared colour error under which the photometric term is smooth


@dataclass(frozen=True)
class RefineSettings:
    """Steps (one frame each), picture size, learning rates, weights of the terms. Errors in pixels
    are in colour units.

    w_shape holds identity, hair shell included, and the detector's error on the person at the fit
    to landmarks, in standard deviations. At a twentieth of it the face of one made-up person came
    0.2 mm nearer to the truth, and that of another went 0.6 mm further away.
    """

    steps: int = 460
    paint_steps: int = 40
    size: int = 128
    lr_pose: float = 2e-3
    lr_shape: float = 2e-2
    lr_paint: float = 2e-2
    w_silhouette: float = 16.0
    w_missing: float = 5.0
    w_landmarks: float = 72.0
    w_shape: float = 7e-3
    landmarks: FitSettings = field(default_factory=FitSettings)
    paint_frames: int = 24
    seed: int = 0


@dataclass(frozen=True)
class Refined:
    """The refined fit, chest motion (F, 6), rest pose (6,), albedo (V, 3), light (9,) and the loss
    of every step.
    """

    fit: Fit
    torso: Tensor
    rest: Tensor
    albedo: Tensor
    light: Tensor
    losses: list[float]


@dataclass(frozen=True)
class _Unknowns:
    """What is refined: the fit, the chest's motion, its rest pose, and the light (9,).

    `first`: the fit to landmarks; `person` (K,): the detector's error on this person. `steps` (F,
    E) are expressions in the model's units. Of frames not in `train` only these, pose and torso may
    learn.
    """

    first: Fit
    identity: Tensor
    person: Tensor
    log_scale: Tensor
    steps: Tensor
    units: Tensor | float
    pose: Tensor
    torso: Tensor
    rest: Tensor
    light: Tensor
    train: frozenset[int]

    @property
    def beta(self) -> Tensor:
        """Expressions (F, E), as the face model takes them."""
        return self.steps * self.units

    def departure(self) -> Tensor:
        """Squared standard deviations () of identity and of the detector's error from the fit."""
        identity, person = self.identity - self.first.identity, self.person - self.first.person
        return identity.square().sum() + person.square().sum()

    def verts(self, model: FaceModel, t: int) -> Tensor:
        """The head's vertices (V, 3) in the world at frame t."""
        shared = (self.identity, self.log_scale, self.rest)
        if t not in self.train:
            shared = (self.identity.detach(), self.log_scale.detach(), self.rest.detach())
        identity, log_scale, rest = shared
        # what the lips do is left to the landmarks: colours cannot tell
        verts = model.verts(identity, self.beta[t].detach())
        frame = FramePose(self.beta[t], self.pose[t], self.torso[t], log_scale.exp(), rest)
        return to_world(verts, frame)

    def motion(self, model: FaceModel, points: int) -> HeadMotion:
        """The head in all frames, with the detector's habit for that many points."""
        habit = padded(model.detector.habit(self.person), points)
        return HeadMotion(self.identity, self.log_scale.exp(), self.beta, self.pose, habit)


def refine(
    fit: Fit,
    torso: Tensor,
    rest: Tensor,
    frames: np.ndarray,
    mattes: np.ndarray,
    points: np.ndarray,
    camera: Camera,
    model: FaceModel,
    train: list[int],
    settings: RefineSettings,
    progress=lambda x, **k: x,
) -> Refined:
    """Move identity, scale, expressions and poses until the painted model looks like the clip.

    frames (F, S, S, 3) and mattes (F, S, S) uint8, points (F, 478, 2) MediaPipe's, in pixels of
    `camera`. Only the frames `train` may change identity, scale and albedo: of the held-out ones
    only expression and pose are tracked.
    """
    targets = landmark_targets(points, model, settings.landmarks)
    fitted = HeadMotion(fit.identity, fit.scale, fit.beta, fit.pose)
    facing = facing_weights(model, targets.ids, fitted, camera)
    targets = replace(targets, weight=targets.weight * facing)
    pictures = small_pictures(frames, mattes, camera, settings.size)
    unknowns = _unknowns(fit, torso, rest, model, train)
    albedo = _first_albedo(unknowns, pictures, model, settings.paint_frames)
    optimiser, schedule = falling_adam(
        _groups(unknowns, albedo, settings), lambda k: _warm_rate(k, settings.steps)
    )
    g = generator(settings.seed, "refine")
    losses = []
    for k in progress(range(settings.paint_steps + settings.steps), desc="refine"):
        painting = k < settings.paint_steps  # albedo and light first, while the head stands still
        allowed = train if painting else range(len(frames))
        t = allowed[int(torch.randint(len(allowed), (1,), generator=g))]
        verts = unknowns.verts(model, t)
        if painting:
            loss = _picture_loss(verts.detach(), albedo, unknowns, pictures, t, model, settings)
            losses.append(descend(loss, optimiser, None))
            continue
        loss = _picture_loss(verts, albedo, unknowns, pictures, t, model, settings)
        motion = unknowns.motion(model, len(targets.ids))
        terms = landmark_objective(model, targets, camera, motion, settings.landmarks)
        loss = loss + settings.w_landmarks * (terms.data + terms.prior)
        loss = loss + settings.w_shape * unknowns.departure()
        losses.append(descend(loss, optimiser, schedule))
    return _refined(fit, unknowns, albedo, model, terms, losses)


def _unknowns(
    fit: Fit, torso: Tensor, rest: Tensor, model: FaceModel, train: list[int]
) -> _Unknowns:
    """Where the refinement starts: the fit and a steady light."""
    light = torch.zeros(9)
    light[0] = 1.0
    return _Unknowns(
        first=fit,
        identity=_learned(fit.identity),
        person=_learned(fit.person),
        log_scale=_learned(fit.scale.log()),
        steps=_learned(fit.beta / model.units),
        units=model.units,
        pose=_learned(fit.pose),
        torso=_learned(torso),
        rest=_learned(rest),
        light=light.requires_grad_(),
        train=frozenset(train),
    )


def _learned(x: Tensor) -> Tensor:
    """A copy of a tensor, for the optimiser to change."""
    return x.clone().requires_grad_()


def _first_albedo(
    unknowns: _Unknowns, pictures: Pictures, model: FaceModel, paint_frames: int
) -> Tensor:
    """The albedo (V, 3) that about `paint_frames` of the training frames show, for the optimiser to
    change.
    """
    train = sorted(unknowns.train)
    chosen = train[:: max(1, len(train) // paint_frames)]
    with torch.no_grad():
        worlds = [unknowns.verts(model, t) for t in chosen]
        images = [pictures.images[t] for t in chosen]
        albedo = gather_albedo(worlds, images, model.faces, pictures.camera)
    return albedo.requires_grad_()


def _groups(unknowns: _Unknowns, albedo: Tensor, settings: RefineSettings) -> list[dict]:
    """What the optimiser changes, and how fast."""
    poses = [unknowns.pose, unknowns.torso, unknowns.rest]
    return [
        {"params": poses, "lr": settings.lr_pose},
        {"params": [unknowns.log_scale], "lr": LR_SCALE},
        {
            "params": [unknowns.identity, unknowns.person, unknowns.steps],
            "lr": settings.lr_shape,
        },
        {"params": [albedo], "lr": settings.lr_paint},
        {"params": [unknowns.light], "lr": LR_LIGHT},
    ]


def _warm_rate(k: int, steps: int) -> float:
    """Factor of the learning rates at step k: they rise over `WARM_STEPS`, then fall
    (`falling_rate`).
    """
    return min(1.0, (k + 1) / WARM_STEPS) * falling_rate(k, steps)


def _picture_loss(
    verts: Tensor,
    albedo: Tensor,
    unknowns: _Unknowns,
    pictures: Pictures,
    t: int,
    model: FaceModel,
    settings: RefineSettings,
) -> Tensor:
    """Photometric error within both outlines, and where the two outlines differ, at frame t."""
    paint = albedo if t in unknowns.train else albedo.detach()
    shading = harmonics(vertex_normals(verts, model.faces)) @ unknowns.light
    colour = paint * shading[:, None]
    out = render_mesh(verts, model.faces, colour, pictures.camera, background=1.0)
    image, matte = pictures.images[t], pictures.mattes[t]
    both = matte * out.mask.detach()
    miss = ((out.image - image).square() + COLOUR_EPSILON).sqrt()
    photometric = (both * miss).sum() / both.sum().clamp_min(1)
    excess = out.mask - matte
    loss = photometric + settings.w_silhouette * excess.clamp_min(0).mean()
    return loss + settings.w_missing * (-excess).clamp_min(0).mean()


def _refined(
    fit: Fit,
    unknowns: _Unknowns,
    albedo: Tensor,
    model: FaceModel,
    terms: LandmarkLoss,
    losses: list[float],
) -> Refined:
    """What the optimiser found, without its gradients."""
    motion = unknowns.motion(model, len(fit.habit))
    refined = replace(
        fit,
        identity=motion.identity.detach(),
        person=unknowns.person.detach(),
        habit=padded(model.detector.habit(unknowns.person), len(fit.habit)).detach(),
        scale=motion.scale.detach(),
        beta=motion.beta.detach(),
        pose=motion.pose.detach(),
        nme=terms.nme(),
    )
    return Refined(
        refined,
        unknowns.torso.detach(),
        unknowns.rest.detach(),
        albedo.detach(),
        unknowns.light.detach(),
        losses,
    )
