"""Tracking by analysis and synthesis: head and chest of each frame, on request hair and clothes as
well, are moved until a frozen model's picture fits the frame.

Landmarks alone leave one to two degrees, which moves the hair by pixels. Upstream optimises
per-frame pose offsets too (lineage.md 1.5). The model does not learn here, so frames it never saw
may be aligned as well.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import Tensor

from stkit.capture.capture import Capture
from stkit.geometry import so3_exp
from stkit.heads.free_form import COUNT, stretch
from stkit.heads.placing import PosableHead
from stkit.metrics.pictures import iou_loss
from stkit.space import FramePose
from stkit.training import cosine_schedule

UNITS = torch.tensor(
    [1.0, 1.0, 1.0, 1.0, 1.0, 5.0]
)  # rad and dm of one unit: depth moves the picture far less than the rest

RATE = 6e-3  # of Adam, in those units
STIFFNESS = 0.02  # holds head and chest to where the capture has them
LATTICE_RATE = 0.015  # of Adam, decimetres
LATTICE_STIFFNESS = 1e-4  # holds hair and clothes to where the head takes them

Show = Callable[[FramePose], tuple[Tensor, Tensor]]


def show_frozen(head: PosableHead, capture: Capture, t: int) -> Show:
    """A renderer of frame t for `align_frames`: expression and shape stay, head and chest may be
    moved.
    """
    frame = capture.frame_pose(t)
    with torch.no_grad():
        canonical = head.canonical(frame.beta, frame.pose)

    return lambda now: head.place(canonical, now).render(capture.camera)


def align_frames(
    capture: Capture,
    frames: Iterable[int],
    show: Callable[[int], Show],
    target: Callable[[int], tuple[Tensor, Tensor]],
    steps: int,
    free_form: bool = False,
    stiffness: float = STIFFNESS,
    progress=lambda x, **k: x,
) -> Capture:
    """The capture with `pose` and `torso` of these frames aligned to the pictures, and
    `landmarks3d` moved along; with `free_form` its `lattice` as well.

    show(t) gives the model's renderer for frame t: `FramePose` -> image (H, W, 3), mask (H, W, 1);
    target(t) the picture and matte. `stiffness` holds frames to where the capture has them.
    """
    pose, torso = capture.pose.clone(), capture.torso.clone()
    lattice = still(capture) if capture.lattice is None else capture.lattice.clone()
    for t in progress(list(frames), desc="aligning frames"):
        nodes = lattice[t].clone().requires_grad_(free_form)
        found = _align(capture.frame_pose(t), nodes, show(t), target(t), steps, stiffness)
        pose[t], torso[t], lattice[t] = found.pose, found.torso, nodes.detach()
    aligned = moved(capture, pose, torso)
    return replace(aligned, lattice=lattice) if free_form else aligned


def _align(
    start: FramePose,
    nodes: Tensor,
    render: Show,
    target: tuple[Tensor, Tensor],
    steps: int,
    stiffness: float,
) -> FramePose:
    """One frame, moved until its rendering fits the target; the lattice `nodes` (K, 3) changes in
    place, if it may learn.
    """
    image, matte = target
    units = UNITS.to(image.device)
    offset = torch.zeros(2, 6, device=image.device, requires_grad=True)
    optimiser = torch.optim.Adam(
        [{"params": [offset], "lr": RATE}, {"params": [nodes], "lr": LATTICE_RATE}]
    )
    schedule = cosine_schedule(optimiser, steps)

    def now() -> FramePose:
        change = offset * units
        pose, torso = start.pose + change[0], start.torso + change[1]
        return replace(start, pose=pose, torso=torso, lattice=nodes)

    for _ in range(steps):
        shown, mask = render(now())
        loss = (shown - image).abs().mean() + iou_loss(mask, matte)
        loss = loss + stiffness * offset.square().sum() + LATTICE_STIFFNESS * stretch(nodes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return now()


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


def still(capture: Capture) -> Tensor:
    """Lattices (F, K, 3) in which nothing moves."""
    return torch.zeros(len(capture), COUNT, 3, device=capture.device)
