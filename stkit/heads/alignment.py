"""Tracking by analysis and synthesis: head and chest of each frame are moved until a frozen model's
picture fits the frame.

Landmarks alone leave one to two degrees, which moves the hair by pixels. Upstream optimises
per-frame pose offsets too (lineage.md 1.5). Only the rigid motion moves here; the model does not
learn, so frames it never saw may be aligned as well.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import Tensor

from stkit.capture.capture import Capture
from stkit.geometry import so3_exp
from stkit.metrics import iou_loss
from stkit.training import cosine

UNITS = torch.tensor(
    [1.0, 1.0, 1.0, 1.0, 1.0, 5.0]
)  # rad and dm of one unit: depth moves the picture far less than the rest

Show = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def align_frames(
    capture: Capture,
    frames: Iterable[int],
    show: Callable[[int], Show],
    target: Callable[[int], tuple[Tensor, Tensor]],
    steps: int,
    rate: float = 6e-3,
    stiffness: float = 0.02,
    progress=lambda x, **k: x,
) -> Capture:
    """The capture with `pose` and `torso` of these frames aligned to the pictures, and
    `landmarks3d` moved along.

    show(t) gives the model's renderer for frame t: (pose (6,), torso (6,)) -> image (H, W, 3), mask
    (H, W, 1); target(t) the picture and matte. `stiffness` holds frames to where the capture has
    them.
    """
    units = UNITS.to(capture.device)
    pose, torso = capture.pose.clone(), capture.torso.clone()
    for t in progress(list(frames), desc="aligning frames"):
        render, (image, matte) = show(t), target(t)
        offset = torch.zeros(2, 6, device=capture.device, requires_grad=True)
        optimiser = torch.optim.Adam([offset], lr=rate)
        for k in range(steps):
            optimiser.param_groups[0]["lr"] = rate * cosine(k, steps)
            change = offset * units
            shown, mask = render(capture.pose[t] + change[0], capture.torso[t] + change[1])
            loss = (
                (shown - image).abs().mean()
                + iou_loss(mask, matte)
                + stiffness * offset.square().sum()
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        change = offset.detach() * units
        pose[t], torso[t] = capture.pose[t] + change[0], capture.torso[t] + change[1]
    return moved(capture, pose, torso)


def moved(capture: Capture, pose: Tensor, torso: Tensor) -> Capture:
    """The capture with other poses (F, 6) and chest motions (F, 6); its 3D landmarks follow the
    head.
    """
    back = torch.einsum(
        "fij,fvi->fvj",
        so3_exp(capture.pose[:, :3]),
        capture.landmarks3d - capture.pose[:, None, 3:],
    )
    points = torch.einsum("fij,fvj->fvi", so3_exp(pose[:, :3]), back) + pose[:, None, 3:]
    return replace(capture, pose=pose, torso=torso, landmarks3d=points)
