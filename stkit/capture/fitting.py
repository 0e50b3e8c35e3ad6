"""Fit the face model to a whole clip at once: identity and scale shared, expression and pose per frame.

The objective is that of Multiview-3DMM-Fitting (lineage.md 2): score-weighted squared reprojection error with priors on
identity and expression. The kit adds temporal smoothness, MediaPipe's dense points and the gaps between lids and lips, and starts from PnP.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import DISTANCE, Camera
from stkit.face_models import FaceModel
from stkit.face_models.landmarks import KEPT_66, MEDIAPIPE_68
from stkit.geometry import so3_exp, vertex_normals

# lids and lips, upper and lower: how far they are apart makes a blink or a word
GAPS = torch.tensor(
    [[37, 41], [38, 40], [43, 47], [44, 46], [61, 67], [62, 66], [63, 65], [51, 57]]
)


@dataclass(frozen=True)
class FitSettings:
    """Weights of the fit; errors are in units of the eye distance."""

    steps: int = 500
    w_dense: float = 0.6
    w_gap: float = 12.0
    w_identity: float = 1e-4
    w_expression: float = 1.5e-5
    w_smooth: float = 2e-3
    w_depth: float = 2e-3
    seed: int = 0


@dataclass(frozen=True)
class Fit:
    """identity (80,), scale (), beta (F, 64), pose (F, 6), scores (F, 68) in [0, 1], nme: per-frame error (F,)."""

    identity: Tensor
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
    F = len(points)
    target, base, ids = landmark_targets(points, model, settings)
    pose0, scale0 = _pnp(target[:, :68].numpy(), model.mean[model.landmarks].numpy(), camera)
    scores = torch.ones(F, 68)
    weight = base.expand(F, -1)
    identity = torch.zeros(len(model.identity), requires_grad=True)
    beta = torch.zeros(F, model.betas, requires_grad=True)
    pose = pose0.clone().requires_grad_()
    log_scale = torch.tensor(np.log(scale0), dtype=torch.float32, requires_grad=True)
    groups = [
        {"params": [pose], "lr": 6e-3},
        {"params": [log_scale], "lr": 2e-3},
        {"params": [identity, beta], "lr": 4e-2},
    ]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: 0.5 * (1 + np.cos(np.pi * k / settings.steps)) + 0.02
    )
    normals = None
    losses = []
    for step in progress(range(settings.steps), desc="fit"):
        data, prior, error = landmark_objective(
            model, ids, target, weight, camera, identity, log_scale.exp(), beta, pose, settings
        )
        loss = data + prior
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step in (
            settings.steps // 3,
            2 * settings.steps // 3,
        ):  # points that face away are guesses: weigh them down
            normals = facing(
                model, ids, identity.detach(), pose.detach(), camera, log_scale.detach().exp()
            )
            weight = base * normals
    scores = normals[:, :68] if normals is not None else scores
    nme = error.detach().sqrt()[:, KEPT_66].mean(1)
    return Fit(
        identity.detach(),
        log_scale.detach().exp(),
        beta.detach(),
        pose.detach(),
        scores,
        nme,
        losses,
    )


def landmark_targets(
    points: np.ndarray, model: FaceModel, settings: FitSettings
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels (F, N, 2), weights (N,) and vertex ids (N,) of the 68 landmarks, then the model's denser set."""
    target = torch.as_tensor(points[:, MEDIAPIPE_68], dtype=torch.float32)
    target = torch.cat(
        [target, torch.as_tensor(points[:, model.dense_mediapipe.numpy()], dtype=torch.float32)], 1
    )
    ids = torch.cat([model.landmarks, model.dense])
    weight = torch.ones(len(ids))
    weight[[48, 54]] = 0.0
    weight[68:] = settings.w_dense * 66 / max(len(ids) - 68, 1)
    return target, weight, ids


def eye_distance(target: Tensor) -> Tensor:
    """The clip's median distance between the outer eye corners, pixels: the unit of every landmark error."""
    return (target[:, 36] - target[:, 45]).norm(dim=1).median()


def posed_points(
    model: FaceModel,
    ids: Tensor,
    identity: Tensor,
    scale: Tensor,
    beta: Tensor,
    pose: Tensor,
    bias: Tensor | float = 0.0,
) -> Tensor:
    """Model points `ids`, moved by a constant bias (N, 3), of every frame in the world (F, N, 3)."""
    x = model.points(ids, identity, beta) + bias
    return scale * torch.einsum("fij,fvj->fvi", so3_exp(pose[:, :3]), x) + pose[:, None, 3:]


def landmark_objective(
    model,
    ids: Tensor,
    target: Tensor,
    weight: Tensor,
    camera: Camera,
    identity: Tensor,
    scale: Tensor,
    beta: Tensor,
    pose: Tensor,
    s: FitSettings,
    bias: Tensor | float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean weighted squared reprojection error of the points moved by `bias` (N, 3), priors with smoothness, and the squared error of each point (F, N)."""
    world = posed_points(model, ids, identity, scale, beta, pose, bias)
    miss = (camera.project(world) - target) / eye_distance(target)
    error = miss.square().sum(-1)
    gaps = (miss[:, GAPS[:, 0]] - miss[:, GAPS[:, 1]]).square().sum(-1)
    prior = s.w_identity * identity.square().sum() + s.w_expression * beta.square().sum(1).mean()
    prior = (
        prior + s.w_depth * (pose[:, 5] - pose[:, 5].mean()).square().mean()
    )  # depth shows only as size
    if len(beta) > 2:
        smooth = (
            0.5 * beta.diff(n=2, dim=0).square().mean()
            + 300 * pose.diff(n=2, dim=0).square().mean()
        )
        prior = prior + s.w_smooth * smooth
    data = (weight * error).sum(1) + s.w_gap * (weight[:, GAPS].amin(-1) * gaps).sum(1)
    return data.mean() / 66, prior, error


def _pnp(target: np.ndarray, model: np.ndarray, camera: Camera) -> tuple[Tensor, float]:
    """Pose (F, 6) and scale from the rigid mean face; depth is put at the camera's distance (the gauge of one view)."""
    import cv2

    inner = np.arange(17, 68)
    K = camera.K.numpy().astype(np.float64)
    flip = np.diag([1.0, -1.0, -1.0])
    out = []
    for points in target:
        ok, r, t = cv2.solvePnP(
            model[inner].astype(np.float64) @ flip,
            points[inner].astype(np.float64),
            K,
            None,
            flags=cv2.SOLVEPNP_SQPNP,
        )
        rotation = flip @ cv2.Rodrigues(r)[0] @ flip
        out.append(
            np.concatenate([cv2.Rodrigues(rotation)[0][:, 0], t[:, 0] if ok else [0, 0, DISTANCE]])
        )
    out = np.array(out)
    scale = DISTANCE / np.median(out[:, 5])
    centre = out[:, 3:] * scale
    centre[:, 2] = (
        DISTANCE  # per-frame depth from PnP is noise at this focal length; the fit finds the motion
    )
    out[:, 3:] = (centre - [0, 0, DISTANCE]) @ flip
    return torch.tensor(out, dtype=torch.float32), float(scale)


def facing(model, ids, identity, pose, camera, scale) -> Tensor:
    """How squarely each point faces the camera (F, N): 1 below 60 degrees, falling to 0.05 at 90."""
    verts = model.verts(identity)
    normals = vertex_normals(verts, model.faces)[ids]
    R = so3_exp(pose[:, :3])
    world = scale * torch.einsum("fij,vj->fvi", R, verts[ids]) + pose[:, None, 3:]
    view = torch.nn.functional.normalize(camera.centre() - world, dim=-1)
    cos = (torch.einsum("fij,vj->fvi", R, normals) * view).sum(-1)
    return (cos / 0.5).clamp(0.05, 1)
