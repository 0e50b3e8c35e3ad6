"""A person's shape from all frames at once, in closed form.

While pose, scale and expression are held, the landmarks' squared error is quadratic in identity and
in the person's share of the detector's error (`stkit.face_models.detector`); their priors are unit
normal distributions. So the most likely shape is one linear system. Gradient descent would take
thousands of steps: hundreds of directions move the points alike.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.landmark_terms import (
    FitSettings,
    HeadMotion,
    Targets,
    eye_distance,
    padded,
    posed_points,
)
from stkit.face_models import FaceModel
from stkit.face_models.landmarks import KEPT_66
from stkit.geometry import so3_exp

FREE = 1e-9  # prior's weight of the rigid motions and the size that the whole clip may share


@dataclass(frozen=True)
class Shape:
    """identity (I,), person (K,): the detector's error on this person, and the `habit` (N, 3) that
    follows from it, see `landmark_terms.HeadMotion`.
    """

    identity: Tensor
    person: Tensor
    habit: Tensor


def no_shape(model: FaceModel, targets: Targets) -> Shape:
    """The mean face, with the detector's error on people in general."""
    identity = torch.zeros(len(model.identity))
    return _shape(model, targets, identity, torch.zeros(len(model.detector.modes)))


@torch.no_grad()
def solve_shape(
    model: FaceModel, targets: Targets, camera: Camera, motion: HeadMotion, settings: FitSettings
) -> Shape:
    """The shape with the least landmark error and prior, for the poses and expressions of `motion`.

    A rotation, a translation and a size that all frames share are free: the poses take them up.
    """
    known, nobody = len(model.detector.mean), torch.zeros(len(model.identity))
    ids, usual = targets.ids[:known], model.detector.usual(motion.beta)
    world = posed_points(model, ids, nobody, motion.scale, motion.beta, motion.pose, usual)
    turn = motion.scale * so3_exp(motion.pose[:, :3])
    jacobian = camera.jacobian(world) @ turn[:, None]  # (F, N, 2, 3)
    miss = targets.pixels[:, :known] - camera.project(world)
    weight = targets.weight[:, :known] / eye_distance(targets.pixels).square()
    weight = weight / (len(weight) * len(KEPT_66))
    curvature = torch.einsum("fn,fnpc,fnpd->ncd", weight, jacobian, jacobian)
    slope = torch.einsum("fn,fnpc,fnp->nc", weight, jacobian, miss)
    person, free = model.detector.modes, rigid_motions(model.mean[ids])
    directions = torch.cat([model.identity[:, ids], person, free])
    hessian = torch.einsum("knc,ncd,lnd->kl", directions, curvature, directions)
    prior = torch.full((len(directions),), shape_prior(model, settings))
    prior[-len(free) :] = FREE
    towards = torch.einsum("knc,nc->k", directions, slope)
    found = torch.linalg.solve(hessian + torch.diag(prior), towards)
    sizes = (len(model.identity), len(person), len(free))
    return _shape(model, targets, *found.split(sizes)[:2])


def shape_prior(model: FaceModel, settings: FitSettings) -> float:
    """The weight of |identity|^2 and |person|^2 against the landmarks' error."""
    return settings.w_shape if len(model.detector.modes) else settings.w_identity


def rigid_motions(points: Tensor) -> Tensor:
    """How shifts along, and turns about, the three axes, and growth move points (N, 3): (7, N,
    3).
    """
    middle = points - points.mean(0)
    shifts = torch.eye(3)[:, None].expand(3, len(points), 3)
    turns = torch.linalg.cross(shifts, middle.expand(3, -1, -1))
    return torch.cat([shifts, turns, middle[None]])


def _shape(model: FaceModel, targets: Targets, identity: Tensor, person: Tensor) -> Shape:
    return Shape(identity, person, padded(model.detector.habit(person), len(targets.ids)))
