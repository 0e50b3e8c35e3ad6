"""Fit the face model to a whole clip at once: identity and scale shared, expression and pose per
frame.

The objective is that of `stkit.capture.landmark_terms`. It starts from a rigid pose of every frame
(`stkit.capture.pnp`); the shape is found in closed form now and then (`stkit.capture.shape`),
pose, scale and expression by gradient descent in between.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.descent import descend, falling_adam, falling_rate
from stkit.capture.landmark_terms import (
    FitSettings,
    HeadMotion,
    facing_weights,
    landmark_objective,
    landmark_targets,
)
from stkit.capture.pnp import initial_poses
from stkit.capture.shape import Shape, no_shape, solve_shape
from stkit.face_models import FaceModel
from stkit.io.video import VideoError

# learning rates of the first step; all of these are the kit's, chosen by eye
LR_POSE = 6e-3
LR_SCALE = 2e-3
LR_BETA = 4e-2
# where in the fit points that face away are weighed down, and where the shape is solved
WEIGH_AT = (0.2, 0.4)
SOLVE_AT = (0.24, 0.4, 0.52, 0.64, 0.76, 0.88)
# median landmark error, in eye distances, above which the head was not followed: good clips end at
# 0.02 to 0.04
MAX_NME = 0.08


@dataclass(frozen=True)
class Fit:
    """identity (91,), scale (), beta (F, 64), pose (F, 6), scores (F, 68) in [0, 1], nme: per-frame
    error (F,).

    person (K,) and habit (N, 3): where the detector misses the model's points on this person, see
    `stkit.capture.shape`.
    """

    identity: Tensor
    person: Tensor
    habit: Tensor
    scale: Tensor
    beta: Tensor
    pose: Tensor
    scores: Tensor
    nme: Tensor
    losses: list[float]


def fit_clip(
    points: np.ndarray,
    camera: Camera,
    model: FaceModel,
    settings: FitSettings,
    progress=lambda x, **k: x,
) -> Fit:
    """Fit `model` to MediaPipe points (F, 478, 2) in pixels of `camera`."""
    targets = landmark_targets(points, model, settings)
    full_weight = targets.weight
    marks, mean_face = targets.pixels[:, :68].numpy(), model.mean[model.landmarks].numpy()
    first_pose, first_scale = initial_poses(marks, mean_face, camera)
    shape = no_shape(model, targets)
    steps = torch.zeros(len(points), model.betas, requires_grad=True)  # beta in the model's units
    pose = first_pose.clone().requires_grad_()
    log_scale = torch.tensor(np.log(first_scale), dtype=torch.float32, requires_grad=True)
    groups = [
        {"params": [pose], "lr": LR_POSE},
        {"params": [log_scale], "lr": LR_SCALE},
        {"params": [steps], "lr": LR_BETA},
    ]
    optimiser, schedule = falling_adam(groups, lambda k: falling_rate(k, settings.steps))
    weigh_at, solve_at = ({int(x * settings.steps) for x in at} for at in (WEIGH_AT, SOLVE_AT))
    scores = torch.ones(len(points), 68)
    losses = []
    for step in progress(range(settings.steps), desc="fit"):
        motion = _motion(shape, log_scale, steps * model.units, pose)
        terms = landmark_objective(model, targets, camera, motion, settings)
        losses.append(descend(terms.data + terms.prior, optimiser, schedule))
        if step in weigh_at:  # points that face away are guesses: weigh them down
            facing = facing_weights(model, targets.ids, motion, camera)
            targets = replace(targets, weight=full_weight * facing)
            scores = facing[:, :68]
        if step in solve_at:
            shape = solve_shape(model, targets, camera, motion, settings)
    return Fit(
        shape.identity,
        shape.person,
        shape.habit,
        log_scale.detach().exp(),
        steps.detach() * model.units,
        pose.detach(),
        scores,
        terms.nme(),
        losses,
    )


def _motion(shape: Shape, log_scale: Tensor, beta: Tensor, pose: Tensor) -> HeadMotion:
    return HeadMotion(shape.identity, log_scale.exp(), beta, pose, shape.habit)


def check_fit(nme: Tensor, name: str) -> None:
    """Raise VideoError, naming the clip `name`, if the head was not followed.

    nme (F,): each frame's mean landmark error in eye distances; its median may be `MAX_NME`. Where
    the detector takes something else for a face, or jumps between people, no head explains its
    landmarks.
    """
    median = float(nme.median())
    if not median <= MAX_NME:
        raise VideoError(
            f"{name}: the head could not be followed: its landmarks are missed by "
            f"{100 * median:.1f} % of the distance between the eyes (median over the frames; "
            f"at most {100 * MAX_NME:.0f} % is accepted). Film one well-lit, upright face with "
            "nothing in front of it"
        )
