"""A face in one frame at once: pose and expression by a few Gauss-Newton steps.

The objective is that of `landmark_terms`, for one frame, with the person's shape known: two seconds
of frames are fitted as a clip first. Points are linear in the expression, and nearly so in the
pose, so that each step is one linear system of 70 unknowns.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera
from stkit.capture.fitting import fit_clip
from stkit.capture.gaze import EYES, HIDDEN, PLAIN, eye_opening, has_irises
from stkit.capture.landmark_terms import (
    FACING_COSINE,
    FACING_LEAST,
    GAPS,
    FitSettings,
    Targets,
    eye_distance,
    landmark_targets,
    padded,
)
from stkit.capture.quiet import quiet
from stkit.face_models import builtin
from stkit.face_models.landmarks import KEPT_66
from stkit.geometry import so3_exp, so3_log, vertex_normals

CALIBRATION_FRAMES = 20
CALIBRATION_STEPS = 200
STEPS = 3  # of Gauss-Newton in a frame
# squared changes since the last frame, of the expression in the model's units and of the pose
STEADY_BETA, STEADY_POSE = 5e-5, 1e-3
CONFIDENCE = 0.4
SIZE = 256  # pixels that frames are taken to be wide and high


@dataclass(frozen=True)
class LiveFrame:
    """What a face does now: beta (64,) and pose (6,), axis-angle and translation in decimetres."""

    beta: Tensor
    pose: Tensor


@dataclass(frozen=True)
class Sitter:
    """Who sits before the camera, from the first frames: scale (), the neutral frame, and the
    points (N, 3) and directions (64, N, 3) that their face moves by, with normals (N, 3).
    """

    scale: Tensor
    neutral: LiveFrame
    rest: Tensor
    directions: Tensor
    normals: Tensor

    @staticmethod
    def of(points: np.ndarray, camera: Camera) -> "Sitter":
        """From MediaPipe points (F, 478, 2) in pixels of a camera; their median is the neutral
        frame.
        """
        model = builtin()
        settings = FitSettings(steps=CALIBRATION_STEPS)
        fit = fit_clip(points, camera, model, settings)
        targets = landmark_targets(points, model, settings)
        count = len(targets.ids)
        nothing, each = torch.zeros(1, model.betas), torch.eye(model.betas)
        rest = model.points(targets.ids, fit.identity, nothing)[0]
        directions = model.points(targets.ids, fit.identity, each) - rest
        actions = padded(model.detector.actions, count)
        directions[: len(actions)] += actions
        rest = rest + padded(model.detector.mean, count) + padded(fit.habit, count)
        normals = vertex_normals(model.verts(fit.identity), model.faces)[targets.ids]
        neutral = LiveFrame(fit.beta.median(0).values, fit.pose.median(0).values)
        return Sitter(fit.scale, neutral, rest, directions, normals)


class LiveFit:
    """A sitter, frame after frame."""

    def __init__(self, sitter: Sitter, camera: Camera):
        self.sitter, self.camera = sitter, camera
        self.model, self.settings = builtin(), FitSettings()
        self.last = sitter.neutral
        self.prior = self._prior()

    def _prior(self) -> Tensor:
        """The quadratic form (64, 64) of the expression's prior and steadiness."""
        model, s = self.model, self.settings
        units = torch.as_tensor(model.units).expand(model.betas)
        sides = torch.zeros(len(model.pairs), model.betas)
        rows = torch.arange(len(model.pairs))
        sides[rows, model.pairs[:, 0]] = 1.0
        sides[rows, model.pairs[:, 1]] = -1.0
        sides = sides / units
        prior = torch.diag(s.w_expression / units.square())
        return len(KEPT_66) * (prior + s.w_symmetry * sides.T @ sides)

    @torch.no_grad()
    def __call__(self, points: np.ndarray) -> LiveFrame:
        """The frame in which MediaPipe sees points (478, 2), in pixels."""
        targets = landmark_targets(points[None], self.model, self.settings)
        beta, pose = self.last.beta, self.last.pose
        for _ in range(STEPS):
            beta, pose = self._step(targets, beta, pose)
        self.last = LiveFrame(beta, pose)
        return self.last

    def _step(self, targets: Targets, beta: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        """One linear system: changes of rotation, translation and expression."""
        jacobian, miss, weight = self._linearised(targets, beta, pose)
        rows, missed, weights = self._terms(jacobian, miss, weight, targets)
        hessian = torch.einsum("nak,n,nal->kl", rows, weights, rows)
        slope = torch.einsum("nak,n,na->k", rows, weights, missed)
        units = torch.as_tensor(self.model.units).expand(len(beta))
        steady = len(KEPT_66) * STEADY_BETA / units.square()
        hessian[6:, 6:] += self.prior + torch.diag(steady)
        slope[6:] += self.prior @ beta + steady * (beta - self.last.beta)
        hessian[:6, :6] += STEADY_POSE * torch.eye(6)
        change = torch.linalg.solve(hessian, -slope)
        turned = so3_log(so3_exp(change[:3]) @ so3_exp(pose[:3]))
        beta = beta + change[6:]
        beta[: self.model.bounded] = beta[: self.model.bounded].clamp(0, 1)
        return beta, torch.cat([turned, pose[3:] + change[3:6]])

    def _linearised(
        self, targets: Targets, beta: Tensor, pose: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """How pixels move with the unknowns (N, 2, 70), by how much they miss (N, 2), both in eye
        distances, and the points' weights (N,).
        """
        sitter, eyes = self.sitter, eye_distance(targets.pixels)
        turn = sitter.scale * so3_exp(pose[:3])
        arm = (sitter.rest + torch.einsum("k,knc->nc", beta, sitter.directions)) @ turn.T
        world = arm + pose[3:]
        by_rotation = -_cross_matrices(arm)
        by_place = torch.eye(3).expand(len(arm), 3, 3)
        by_beta = torch.einsum("knc,dc->ndk", sitter.directions, turn)
        moves = torch.cat([by_rotation, by_place, by_beta], 2)
        jacobian = self.camera.jacobian(world) @ moves / eyes
        miss = (self.camera.project(world) - targets.pixels[0]) / eyes
        view = torch.nn.functional.normalize(self.camera.centre() - world, dim=1)
        cosine = ((sitter.normals @ turn.T / sitter.scale) * view).sum(1)
        facing = (cosine / FACING_COSINE).clamp(FACING_LEAST, 1)
        return jacobian, miss, targets.weight[0] * facing

    def _terms(
        self, jacobian: Tensor, miss: Tensor, weight: Tensor, targets: Targets
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Points, gaps between lids and lips, and pupils between the corners of their eyes."""
        upper, lower = GAPS.T
        gap_weight = self.settings.w_gap * weight[GAPS].amin(1)
        rows = [jacobian, jacobian[upper] - jacobian[lower]]
        missed, weights = [miss, miss[upper] - miss[lower]], [weight, gap_weight]
        for k, eye in enumerate(EYES if targets.pupils else ()):
            first = len(miss) - (2 - k) * targets.pupils
            pupil, corners = slice(first, first + targets.pupils), list(eye.corners)
            rows.append((jacobian[pupil].mean(0) - jacobian[corners].mean(0))[None])
            missed.append((miss[pupil].mean(0) - miss[corners].mean(0))[None])
            plain = (eye_opening(eye, targets.pixels) - HIDDEN) / (PLAIN - HIDDEN)
            weights.append(self.settings.w_gaze * plain.clamp(0, 1) * weight[corners].amin())
        return torch.cat(rows), torch.cat(missed), torch.cat(weights)


def _cross_matrices(x: Tensor) -> Tensor:
    """Matrices (N, 3, 3) of the cross product with x (N, 3)."""
    o = torch.zeros_like(x[:, 0])
    a, b, c = x.unbind(1)
    return torch.stack([o, -c, b, c, o, -a, -b, a, o], 1).view(-1, 3, 3)


class LiveTracker:
    """Pictures in, frames out: MediaPipe, two seconds of calibration, then `LiveFit`.

    Pictures are cut to their central square. Nothing is kept of them.
    """

    def __init__(self) -> None:
        import mediapipe as mp

        with quiet():
            self.mesh = mp.solutions.face_mesh.FaceMesh(
                refine_landmarks=True, min_detection_confidence=CONFIDENCE
            )
        self.camera = front_camera(SIZE)
        self.collected: list[np.ndarray] = []
        self.fit: LiveFit | None = None

    @property
    def sitter(self) -> Sitter | None:
        """Who sits there, once that is known."""
        return self.fit.sitter if self.fit else None

    def __call__(self, image: np.ndarray) -> LiveFrame | None:
        """The frame of a picture (H, W, 3) uint8; None without a face, or before the sitter is
        known.
        """
        points = self._points(image)
        if points is None or not has_irises(points[None]):
            return None
        if self.fit is None:
            self.collected.append(points)
            if len(self.collected) < CALIBRATION_FRAMES:
                return None
            sitter = Sitter.of(np.stack(self.collected), self.camera)
            self.collected = []
            self.fit = LiveFit(sitter, self.camera)
        return self.fit(points)

    def _points(self, image: np.ndarray) -> np.ndarray | None:
        """MediaPipe's points (478, 2) in pixels of `SIZE`."""
        side = min(image.shape[:2])
        top, left = ((length - side) // 2 for length in image.shape[:2])
        square = np.ascontiguousarray(image[top : top + side, left : left + side])
        faces = self.mesh.process(square).multi_face_landmarks
        if not faces:
            return None
        return SIZE * np.array([(point.x, point.y) for point in faces[0].landmark])

    def forget(self) -> None:
        """Begin anew, with another sitter."""
        self.collected, self.fit = [], None

    def close(self) -> None:
        """Give MediaPipe's graph up."""
        self.mesh.close()
