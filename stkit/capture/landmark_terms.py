"""The terms of a landmark fit: what the model's points shall meet, and how far they are from it.

The objective is that of Multiview-3DMM-Fitting (lineage.md 2): score-weighted squared reprojection
error with priors on identity and expression. The kit adds temporal smoothness, MediaPipe's dense
points and the gaps between lids and lips.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.gaze import EYES, gaze_error, has_irises
from stkit.face_models import FaceModel
from stkit.face_models.detector import DetectorError
from stkit.face_models.landmarks import DROPPED, EYE_CORNERS, KEPT_66, MEDIAPIPE_68
from stkit.geometry import nearest, so3_exp, vertex_normals

# lids and lips, upper and lower (iBUG numbers): how far they are apart makes a blink or a word
GAPS = torch.tensor(
    [[37, 41], [38, 40], [43, 47], [44, 46], [61, 67], [62, 66], [63, 65], [51, 57]]
)
# weights of the second differences over time, within `FitSettings.w_smooth`
SMOOTH_BETA = 0.5
SMOOTH_POSE = 30.0  # at ten times as much, turns of a clip with few frames came out too small
# a point counts fully while its normal is within 60 degrees of the view, and at least a twentieth
FACING_COSINE = 0.5
FACING_LEAST = 0.05
AROUND = 24  # points whose normals are averaged: on the rims of lids and lips one points anywhere


class Pointed(Protocol):
    """What a landmark fit needs of a face model: see `stkit.face_models.FaceModel.points`."""

    @property
    def units(self) -> Tensor | float:
        """A usual change of each expression coefficient."""

    @property
    def bounded(self) -> int:
        """How many of the first coefficients lie in [0, 1] by nature."""

    @property
    def detector(self) -> DetectorError:
        """Where the landmark detector misses the landmarks and the denser points, in general."""

    @property
    def pairs(self) -> Tensor:
        """Pairs (P, 2) of coefficients that are usually alike."""

    def points(self, ids: Tensor, identity: Tensor, beta: Tensor) -> Tensor:
        """Vertices `ids` (N,) for identity (I,) and every row of beta (F, E): (F, N, 3)."""


@dataclass(frozen=True)
class FitSettings:
    """Weights of the fit; errors are in units of the eye distance, expressions in the face model's.

    w_bounds holds coefficients in [0, 1] that lie there by nature: softly, so that a face which the
    model lacks can still be met. w_gaze: of the pupils' places between the corners of the eyes;
    w_symmetry holds left and right together, where nothing tells them apart. w_shape: of identity
    and the detector's error on the person, each in standard deviations; w_identity of a model for
    which the detector's error is not known. Nothing in the fit is random: `seed` changes nothing.
    """

    steps: int = 500
    w_dense: float = 0.6
    w_gap: float = 12.0
    w_gaze: float = 12.0
    w_identity: float = 1e-4
    w_shape: float = 6e-7
    w_expression: float = 1.5e-5
    w_bounds: float = 1e-3
    w_symmetry: float = 3e-4
    w_smooth: float = 2e-3
    w_depth: float = 2e-3
    seed: int = 0


@dataclass(frozen=True)
class Targets:
    """What the model's points shall meet: vertex `ids` (N,), `pixels` (F, N, 2) and `weight` (F,
    N).

    The last 2 P points, if any, lie around the pupils: those of the right eye, then of the left.
    """

    ids: Tensor
    pixels: Tensor
    weight: Tensor
    pupils: int = 0


@dataclass(frozen=True)
class HeadMotion:
    """A head in every frame: identity (I,), scale (), beta (F, E), pose (F, 6).

    `habit` (N, 3): what the detector adds on this person to what it adds on people in general.
    """

    identity: Tensor
    scale: Tensor
    beta: Tensor
    pose: Tensor
    habit: Tensor | float = 0.0


@dataclass(frozen=True)
class LandmarkLoss:
    """data () and prior () to be minimised together, and the squared error of each point (F, N),
    eye distances.
    """

    data: Tensor
    prior: Tensor
    error: Tensor

    def nme(self) -> Tensor:
        """Mean distance (F,) of the 66 landmarks from their targets, in eye distances."""
        return self.error.detach().sqrt()[:, KEPT_66].mean(1)


def landmark_targets(points: np.ndarray, model: FaceModel, settings: FitSettings) -> Targets:
    """The 68 landmarks, the model's denser set, then the pupils, of MediaPipe points (F, 478, 2) in
    pixels.

    Pupils have no weight of their own: `gaze_error` looks at where they are in their eyes.
    """
    pupils = model.pupils if has_irises(points) else model.pupils[:, :0]
    irises = [eye.iris for eye in EYES for _ in range(pupils.shape[1])]
    numbers = [*MEDIAPIPE_68, *model.dense_mediapipe.tolist(), *irises]
    pixels = torch.as_tensor(points[:, numbers], dtype=torch.float32)
    ids = torch.cat([model.landmarks, model.dense, pupils.flatten()])
    weight = torch.ones(len(ids))
    weight[list(DROPPED)] = 0.0
    weight[68:] = settings.w_dense * len(KEPT_66) / max(len(model.dense), 1)
    weight[len(weight) - len(irises) :] = 0.0
    return Targets(ids, pixels, weight.expand(len(points), -1), pupils.shape[1])


def eye_distance(landmarks: Tensor) -> Tensor:
    """The clip's median distance () between the outer eye corners, pixels.

    landmarks (F, 68 or more, 2) pixels. This distance is the unit of every landmark error.
    """
    right, left = EYE_CORNERS
    return (landmarks[:, right] - landmarks[:, left]).norm(dim=1).median()


def padded(offsets: Tensor, points: int) -> Tensor:
    """Offsets (..., `points`, 3) of which the first N are given and the others 0."""
    missing = points - offsets.shape[-2]
    return torch.nn.functional.pad(offsets, (0, 0, 0, missing))


def usual_offsets(model: Pointed, beta: Tensor, points: int) -> Tensor:
    """Where the detector puts so many points on people in general (F, `points`, 3), for beta (F,
    E).
    """
    return padded(model.detector.usual(beta), points)


def posed_points(
    model: Pointed,
    ids: Tensor,
    identity: Tensor,
    scale: Tensor,
    beta: Tensor,
    pose: Tensor,
    offsets: Tensor | float = 0.0,
) -> Tensor:
    """Model points `ids` (N,), moved by offsets (N, 3) or (F, N, 3), of every frame in the world
    (F, N, 3).
    """
    x = model.points(ids, identity, beta) + offsets
    return scale * torch.einsum("fij,fvj->fvi", so3_exp(pose[:, :3]), x) + pose[:, None, 3:]


def landmark_objective(
    model: Pointed, targets: Targets, camera: Camera, motion: HeadMotion, settings: FitSettings
) -> LandmarkLoss:
    """Mean weighted squared reprojection error with the gaps between lids and lips, and priors with
    smoothness.
    """
    beta, pose, weight = motion.beta, motion.pose, targets.weight
    offsets = usual_offsets(model, beta, len(targets.ids)) + motion.habit
    world = posed_points(model, targets.ids, motion.identity, motion.scale, beta, pose, offsets)
    miss = (camera.project(world) - targets.pixels) / eye_distance(targets.pixels)
    error = miss.square().sum(-1)
    gaps = (miss[:, GAPS[:, 0]] - miss[:, GAPS[:, 1]]).square().sum(-1)
    steps = beta / model.units
    prior = settings.w_expression * steps.square().sum(1).mean()
    uneven = steps[:, model.pairs[:, 0]] - steps[:, model.pairs[:, 1]]
    prior = prior + settings.w_symmetry * uneven.square().sum(1).mean()
    if model.bounded:
        beyond = ((beta - beta.clamp(0, 1)) / model.units)[:, : model.bounded]
        prior = prior + settings.w_bounds * beyond.square().sum(1).mean()
    # depth shows only as size
    prior = prior + settings.w_depth * (pose[:, 5] - pose[:, 5].mean()).square().mean()
    if len(beta) > 2:
        smooth_beta = SMOOTH_BETA * steps.diff(n=2, dim=0).square().mean()
        smooth_pose = SMOOTH_POSE * pose.diff(n=2, dim=0).square().mean()
        prior = prior + settings.w_smooth * (smooth_beta + smooth_pose)
    gap_weight = settings.w_gap * (weight[:, GAPS].amin(-1) * gaps).sum(1)
    data = (weight * error).sum(1) + gap_weight
    if targets.pupils:
        data = data + settings.w_gaze * gaze_error(miss, targets.pixels, weight, targets.pupils)
    return LandmarkLoss(data.mean() / len(KEPT_66), prior, error)


@torch.no_grad()
def facing_weights(model: FaceModel, ids: Tensor, motion: HeadMotion, camera: Camera) -> Tensor:
    """How squarely points face the camera (F, N): 1 below 60 degrees, falling to 0.05 at 90."""
    verts = model.verts(motion.identity)
    around = nearest(verts[ids], verts[ids], k=min(AROUND, len(ids))).indices
    normals = vertex_normals(verts, model.faces)[ids][around].mean(1)
    normals = torch.nn.functional.normalize(normals, dim=1)
    R = so3_exp(motion.pose[:, :3])
    world = motion.scale * torch.einsum("fij,vj->fvi", R, verts[ids]) + motion.pose[:, None, 3:]
    view = torch.nn.functional.normalize(camera.centre() - world, dim=-1)
    cosine = (torch.einsum("fij,vj->fvi", R, normals) * view).sum(-1)
    return (cosine / FACING_COSINE).clamp(FACING_LEAST, 1)
