"""Fit the face model to a whole clip at once: identity and scale shared, expression and pose per frame.

The objective is that of Multiview-3DMM-Fitting (lineage.md 2): score-weighted squared reprojection error with priors on
identity and expression. The kit adds temporal smoothness and MediaPipe's dense points, and starts from PnP.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..cameras import DISTANCE, Camera
from ..face_models import FaceModel
from ..face_models.landmarks import KEPT_66, MEDIAPIPE_68
from ..geometry import so3_exp


@dataclass(frozen=True)
class FitSettings:
    """Weights of the fit; errors are in units of the eye distance."""

    steps: int = 500
    w_dense: float = 0.6
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


def fit_clip(points: np.ndarray, camera: Camera, model: FaceModel, settings: FitSettings, progress=lambda x, **k: x) -> Fit:
    """Fit `model` to MediaPipe points (F, 478, 2) in pixels of `camera`."""
    F = len(points)
    target68 = torch.as_tensor(points[:, MEDIAPIPE_68], dtype=torch.float32)
    target = torch.cat([target68, torch.as_tensor(points[:, model.dense_mediapipe.numpy()], dtype=torch.float32)], 1)
    ids = torch.cat([model.landmarks, model.dense])
    eye = (target68[:, 36] - target68[:, 45]).norm(dim=1).median()
    mean, basis_i, basis_e = model.mean[ids], model.identity[:, ids], model.expression[:, ids]
    pose0, scale0 = _pnp(target68.numpy(), model.mean[model.landmarks].numpy(), camera)
    scores = torch.ones(F, 68)
    weight = torch.ones(F, len(ids))
    weight[:, [48, 54]] = 0.0
    weight[:, 68:] = settings.w_dense * 66 / max(len(ids) - 68, 1)
    identity = torch.zeros(len(basis_i), requires_grad=True)
    beta = torch.zeros(F, len(basis_e), requires_grad=True)
    pose = pose0.clone().requires_grad_()
    log_scale = torch.tensor(np.log(scale0), dtype=torch.float32, requires_grad=True)
    groups = [{"params": [pose], "lr": 6e-3}, {"params": [log_scale], "lr": 2e-3}, {"params": [identity, beta], "lr": 4e-2}]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: 0.5 * (1 + np.cos(np.pi * k / settings.steps)) + 0.02)
    normals = None
    losses = []
    for step in progress(range(settings.steps), desc="fit"):
        shape = mean + torch.einsum("i,ivk->vk", identity, basis_i)
        x = shape + torch.einsum("fe,evk->fvk", beta, basis_e)
        world = log_scale.exp() * torch.einsum("fij,fvj->fvi", so3_exp(pose[:, :3]), x) + pose[:, None, 3:]
        error = ((camera.project(world) - target) / eye).square().sum(-1)
        data = (weight * error).sum(1).mean() / 66
        prior = settings.w_identity * identity.square().sum() + settings.w_expression * beta.square().sum(1).mean()
        prior = prior + settings.w_depth * (pose[:, 5] - pose[:, 5].mean()).square().mean()  # depth shows only as size
        smooth = torch.zeros(())
        if F > 2:
            smooth = beta.diff(n=2, dim=0).square().mean() * 0.5 + 300 * pose.diff(n=2, dim=0).square().mean()
        loss = data + prior + settings.w_smooth * smooth
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step in (settings.steps // 3, 2 * settings.steps // 3):  # points that face away are guesses: weigh them down
            normals = _facing(model, ids, identity.detach(), pose.detach(), camera, log_scale.detach().exp())
            base = torch.ones(len(ids))
            base[68:] = settings.w_dense * 66 / max(len(ids) - 68, 1)
            weight = base * normals
            weight[:, [48, 54]] = 0.0
    scores = normals[:, :68] if normals is not None else scores
    with torch.no_grad():
        nme = error.sqrt()[:, KEPT_66].mean(1) * eye / (target68[:, 36] - target68[:, 45]).norm(dim=1).median()
    return Fit(identity.detach(), log_scale.detach().exp(), beta.detach(), pose.detach(), scores, nme, losses)


def _pnp(target: np.ndarray, model: np.ndarray, camera: Camera) -> tuple[Tensor, float]:
    """Pose (F, 6) and scale from the rigid mean face; depth is put at the camera's distance (the gauge of one view)."""
    import cv2

    inner = np.arange(17, 68)
    K = camera.K.numpy().astype(np.float64)
    flip = np.diag([1.0, -1.0, -1.0])
    out = []
    for points in target:
        ok, r, t = cv2.solvePnP(model[inner].astype(np.float64) @ flip, points[inner].astype(np.float64), K, None, flags=cv2.SOLVEPNP_SQPNP)
        rotation = flip @ cv2.Rodrigues(r)[0] @ flip
        out.append(np.concatenate([cv2.Rodrigues(rotation)[0][:, 0], t[:, 0] if ok else [0, 0, DISTANCE]]))
    out = np.array(out)
    scale = DISTANCE / np.median(out[:, 5])
    centre = out[:, 3:] * scale
    centre[:, 2] = DISTANCE  # per-frame depth from PnP is noise at this focal length; the fit finds the motion
    out[:, 3:] = (centre - [0, 0, DISTANCE]) @ flip
    return torch.tensor(out, dtype=torch.float32), float(scale)


def _facing(model, ids, identity, pose, camera, scale) -> Tensor:
    """How squarely each point faces the camera (F, N): 1 below 60 degrees, falling to 0.05 at 90."""
    verts = model.mean + torch.einsum("i,ivk->vk", identity, model.identity)
    a, b, c = verts[model.faces].unbind(1)
    n = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(verts).index_add(0, model.faces.reshape(-1), n.repeat_interleave(3, 0))
    normals = torch.nn.functional.normalize(normals[ids], dim=-1)
    R = so3_exp(pose[:, :3])
    world = scale * torch.einsum("fij,vj->fvi", R, verts[ids]) + pose[:, None, 3:]
    view = torch.nn.functional.normalize(camera.centre() - world, dim=-1)
    cos = (torch.einsum("fij,vj->fvi", R, normals) * view).sum(-1)
    return (cos / 0.5).clamp(0.05, 1)
