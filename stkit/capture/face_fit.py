"""Give a tracked clip the face model a person brought: its expressions and landmarks replace the built-in head's.

No face model of the literature has hair or shoulders, and most end at the ears. So the built-in head still tracks pose,
scale and outline and stays the hull from which stage 02 starts; beta, the landmarks and L_def come from the other model.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.capture.capture import Capture
from stkit.capture.fitting import FitSettings, landmark_objective, posed_points
from stkit.face_models.landmarks import DROPPED, KEPT_66
from stkit.face_models.seated import BETAS, Seated, first_seat
from stkit.space import canonical_points

W_DEPTH, W_BIAS = (
    0.3,
    3.0,
)  # of the distance to the built-in head's landmarks, which know depth from outlines; of the constant offsets


def with_face_model(
    capture: Capture,
    spec: str,
    taught: int,
    steps: int = 500,
    seed: int = 0,
    progress=lambda x, **k: x,
) -> tuple[Capture, list[float]]:
    """The capture with `beta`, `identity` and `landmarks3d` of the face model `spec` (see `face_models.get`), and the losses.

    Poses and scale stay. The model is seated by one similarity for the clip; identity, seat and each landmark's constant offset are learned
    from the first `taught` frames alone, then expressions of all frames. Raises what `face_models.get` raises.
    """
    model, hull = face_models.get(spec), capture.hull_verts()
    settings = FitSettings(steps=steps, seed=seed)
    seat = first_seat(
        model.mean[model.landmarks], hull[face_models.get("builtin").landmarks]
    ).requires_grad_()
    identity = torch.zeros(len(model.identity), requires_grad=True)
    beta = torch.zeros(len(capture), BETAS, requires_grad=True)
    bias = torch.zeros(68, 3, requires_grad=True)
    target, score = capture.landmarks[..., :2], capture.landmarks[..., 2].clone()
    score[:, list(DROPPED)] = 0
    known = torch.stack(
        [
            canonical_points(x, pose, capture.scale)
            for x, pose in zip(capture.landmarks3d, capture.pose)
        ]
    )
    eyes = (known[..., 36, :] - known[..., 45, :]).norm(dim=-1).median()
    marks, every = model.only(model.landmarks), torch.arange(68)
    losses = []

    def optimise(n: int, groups: list[dict], count: int, name: str) -> None:
        optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda k: 0.5 * (1 + np.cos(np.pi * k / count)) + 0.02
        )
        for _ in progress(range(count), desc=name):
            face = Seated(marks, seat, every[:0])
            data, prior, _ = landmark_objective(
                face,
                every,
                target[:n],
                score[:n],
                capture.camera,
                identity,
                capture.scale,
                beta[:n],
                capture.pose[:n],
                settings,
                bias,
            )
            off = (face.points(KEPT_66, identity, beta[:n]) + bias[KEPT_66] - known[:n]) / eyes
            loss = (
                data
                + prior
                + W_DEPTH * off.square().sum(-1).mean()
                + W_BIAS * bias.square().sum(1).mean()
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())

    shape = {"params": [identity, beta], "lr": 4e-2}, {"params": [seat, bias], "lr": 4e-3}
    optimise(taught, list(shape), steps, f"fit {model.name}")
    optimise(
        len(capture), [{"params": [beta], "lr": 4e-2}], steps // 2, f"{model.name}: all frames"
    )
    fixed = [x.detach() for x in (identity, beta, seat, bias)]
    return _told(capture, spec, hull, *fixed), losses


def _told(
    capture: Capture,
    spec: str,
    hull: Tensor,
    identity: Tensor,
    beta: Tensor,
    seat: Tensor,
    bias: Tensor,
) -> Capture:
    """The capture that speaks the new model's language."""
    out = replace(capture, face_model=spec, hull=hull, identity=identity, beta=beta, seat=seat)
    ids = out.face().landmarks[KEPT_66]
    return replace(
        out,
        landmarks3d=posed_points(
            out.face(), ids, identity, capture.scale, beta, capture.pose, bias[KEPT_66]
        ),
    )
