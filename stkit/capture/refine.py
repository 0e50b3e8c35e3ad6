"""Analysis by synthesis: pictures and mattes say how deep and how wide the head is, which landmarks alone cannot.

A detector's points are biased on an unusual face, and in a near-frontal clip depth hardly moves them. So the fitted model is
painted (one albedo per vertex, second-order spherical-harmonic light), rendered, and compared with the clip's own pixels
and silhouettes while it turns. Photometric terms after Face2Face (Thies et al. 2016); the paper is silent on this step.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.fitting import Fit, FitSettings, facing, landmark_objective, landmark_targets
from stkit.face_models.landmarks import KEPT_66
from stkit.geometry import generator, vertex_normals
from stkit.render import render_mesh
from stkit.space import FramePose, to_world


@dataclass(frozen=True)
class RefineSettings:
    """Steps (one frame each), picture size, learning rates, weights of the terms. Errors in pixels are in colour units.

    w_bias holds the offsets, one for each landmark of a person, by which a detector misses the model's place for it in all frames: at a
    third of it a long-haired woman's jaw grew to the width of her hair.
    """

    steps: int = 460
    paint_steps: int = 40
    size: int = 128
    lr_pose: float = 2e-3
    lr_shape: float = 2e-2
    lr_paint: float = 2e-2
    w_silhouette: float = 16.0
    w_missing: float = 2.0
    w_landmarks: float = 18.0
    w_bias: float = 30.0
    landmarks: FitSettings = field(default_factory=FitSettings)
    paint_frames: int = 24
    seed: int = 0


@dataclass(frozen=True)
class Refined:
    """The refined fit, chest motion (F, 6), rest pose (6,), albedo (V, 3), light (9,), the loss of every step, and where the detector
    puts this person's landmarks and denser points against the model's: bias (N, 3), canonical decimetres."""

    fit: Fit
    torso: Tensor
    rest: Tensor
    albedo: Tensor
    light: Tensor
    losses: list[float]
    bias: Tensor


def refine(
    fit: Fit,
    torso: Tensor,
    rest: Tensor,
    frames: np.ndarray,
    mattes: np.ndarray,
    points: np.ndarray,
    camera: Camera,
    model,
    taught: int,
    settings: RefineSettings,
    progress=lambda x, **k: x,
) -> Refined:
    """Move identity, scale, expressions and poses until the painted model looks like the clip.

    frames (F, S, S, 3) and mattes (F, S, S) uint8, points (F, 478, 2) MediaPipe's, in pixels of `camera`. Only the first
    `taught` frames may change identity, scale and paint: of the later, held-out ones only expression and pose are tracked.
    """
    n, size, faces = len(frames), settings.size, model.faces
    view = camera.resized(size)
    mask = [_shrink(mattes[t][..., None], size) for t in range(n)]
    image = [_shrink(frames[t], size) * mask[t] + 1 - mask[t] for t in range(n)]
    target, weight, ids = landmark_targets(points, model, settings.landmarks)
    bare = [_beside_no_hair(target[t], camera.height, size) for t in range(n)]
    weight = weight * facing(model, ids, fit.identity, fit.pose, camera, fit.scale)
    free = lambda x: x.clone().requires_grad_()
    identity, log_scale, beta, pose = (
        free(fit.identity),
        free(fit.scale.log()),
        free(fit.beta),
        free(fit.pose),
    )
    chest, still = free(torso), free(rest)
    bias = torch.zeros(len(ids), 3, requires_grad=True)
    # lids and lips have no offsets: how far they are apart is expression, and with offsets small openings of a mouth were lost
    habits = (
        torch.cdist(model.mean[ids], model.mean[model.landmarks[36:68]]).amin(1) > 0.1
    ).float()[:, None]
    light = torch.zeros(9)
    light[0] = 1.0
    light.requires_grad_()

    def place(t: int) -> Tensor:
        learns = t < taught
        own = lambda x: x if learns else x.detach()
        verts = model.verts(
            own(identity), beta[t].detach()
        )  # what the lips do is left to the landmarks: paint cannot tell
        return to_world(
            verts, FramePose(beta[t], pose[t], chest[t], own(log_scale).exp(), own(still))
        )

    with torch.no_grad():
        some = range(0, taught, max(1, taught // settings.paint_frames))
        albedo = gather_albedo([place(t) for t in some], [image[t] for t in some], faces, view)
    albedo.requires_grad_()
    optimiser = torch.optim.Adam(
        [
            {"params": [pose, chest, still], "lr": settings.lr_pose},
            {"params": [log_scale], "lr": 1e-3},
            {"params": [identity, beta], "lr": settings.lr_shape},
            {"params": [albedo], "lr": settings.lr_paint},
            {"params": [light], "lr": 5e-3},
            {"params": [bias], "lr": 2e-3},
        ],
        betas=(0.9, 0.99),
    )
    warm = lambda k: min(1.0, (k + 1) / 30)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: warm(k) * (0.5 * (1 + np.cos(np.pi * k / settings.steps)) + 0.02)
    )
    g = generator(settings.seed, "refine")
    losses = []
    for k in progress(range(settings.paint_steps + settings.steps), desc="refine"):
        painting = k < settings.paint_steps
        t = int(torch.randint(taught if painting else n, (1,), generator=g))
        world = place(t).detach() if painting else place(t)
        paint = albedo if t < taught else albedo.detach()
        colour = paint * (harmonics(vertex_normals(world, faces)) @ light)[:, None]
        out = render_mesh(world, faces, colour, view, background=1.0)
        both = mask[t] * out.mask.detach()
        photo = (
            both * ((out.image - image[t]).square() + 1e-4).sqrt()
        ).sum() / both.sum().clamp_min(1)
        over = out.mask - mask[t]
        loss = (
            photo
            + settings.w_silhouette * over.clamp_min(0).mean()
            + settings.w_missing * ((-over).clamp_min(0) * bare[t]).mean()
        )
        if not painting:
            scale = log_scale.exp()
            data, prior, error = landmark_objective(
                model,
                ids,
                target,
                weight,
                camera,
                identity,
                scale,
                beta,
                pose,
                settings.landmarks,
                habits * bias,
            )
            loss = (
                loss
                + settings.w_landmarks * (data + prior)
                + settings.w_bias * bias.square().sum(1).mean()
            )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if not painting:
            schedule.step()
        losses.append(loss.item())
    nme = error.detach().sqrt()[:, KEPT_66].mean(1)
    done = replace(
        fit,
        identity=identity.detach(),
        scale=log_scale.detach().exp(),
        beta=beta.detach(),
        pose=pose.detach(),
        nme=nme,
    )
    return Refined(
        done,
        chest.detach(),
        still.detach(),
        albedo.detach(),
        light.detach(),
        losses,
        (habits * bias).detach(),
    )


def _beside_no_hair(landmarks: Tensor, height: int, size: int) -> Tensor:
    """Rows (size, 1, 1) where a matte wider than the model asks for a wider model: 0 from the brows to below the chin, where hair may hang."""
    brow, chin = landmarks[17:27, 1].min(), landmarks[8, 1]
    y = (torch.arange(size) + 0.5) * height / size
    return ((y < brow) | (y > chin + 0.25 * (chin - brow))).float()[:, None, None]


def gather_albedo(
    worlds: list[Tensor], images: list[Tensor], faces: Tensor, camera: Camera
) -> Tensor:
    """Mean colour (V, 3) that each vertex shows in the images (S, S, 3), weighted by how squarely it faces the camera."""
    total, weight = torch.full((len(worlds[0]), 3), 5e-4), torch.full((len(worlds[0]), 1), 1e-3)
    for world, image in zip(worlds, images):
        facing = (vertex_normals(world, faces) * F.normalize(camera.centre() - world, dim=1)).sum(1)
        depth = render_mesh(world, faces, torch.zeros(len(world), 1), camera, antialias=False).depth
        at = (camera.project(world) / camera.width * 2 - 1)[None, None]
        front = F.grid_sample(depth[None, None], at, mode="nearest", align_corners=False)[0, 0, 0]
        seen = (
            (front > 0) & ((camera.to_camera(world)[:, 2] - front).abs() < 0.05) & (facing > 0.25)
        )
        w = (seen * facing)[:, None]
        total += w * F.grid_sample(image.permute(2, 0, 1)[None], at, align_corners=False)[0, :, 0].T
        weight += w
    return total / weight


def harmonics(n: Tensor) -> Tensor:
    """The nine spherical harmonics up to second order (V, 9), unnormalised, of unit normals (V, 3)."""
    x, y, z = n.unbind(-1)
    return torch.stack(
        [torch.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], -1
    )


def _shrink(picture: np.ndarray, size: int) -> Tensor:
    """A uint8 picture (S, S, C) at `size` pixels, float in [0, 1]."""
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(x, (size, size), mode="area")[0].permute(1, 2, 0)
