"""Motions of a head, from its own clip, another clip or a script, and playing them."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import Camera, orbit_camera
from stkit.capture.capture import Capture
from stkit.driving.hair import follow_head
from stkit.face_models.transfer import carry_expressions
from stkit.geometry import so3_exp, so3_log
from stkit.heads.gaussian import GaussianHead
from stkit.space import FramePose
from stkit.synthetic.performance import perform

SWAY = 4.0  # degrees that an orbit's cameras rise and sink
SWAY_PERIOD = 30.0  # degrees of the swing per radian of the sway


@dataclass(frozen=True)
class Motion:
    """What animates a head, in its own world: beta (F, 64), pose (F, 6) and torso (F, 6).

    lattice (F, K, 3): how hair and clothes move on their own (`heads.free_form`); None: not at all.
    """

    beta: Tensor
    pose: Tensor
    torso: Tensor
    lattice: Tensor | None = None

    def __len__(self) -> int:
        return len(self.beta)

    def subset(self, indices: list[int]) -> "Motion":
        """Some frames of the motion."""
        lattice = None if self.lattice is None else self.lattice[indices]
        return Motion(self.beta[indices], self.pose[indices], self.torso[indices], lattice)

    def frame(self, t: int, subject: FramePose) -> FramePose:
        """Frame t of the motion, for the head whose size and place are those of `subject`."""
        lattice = None if self.lattice is None else self.lattice[t]
        moved = replace(subject, beta=self.beta[t], pose=self.pose[t], torso=self.torso[t])
        return replace(moved, lattice=lattice)


def own_motion(capture: Capture) -> Motion:
    """What the head did in its own clip."""
    return Motion(capture.beta, capture.pose, capture.torso, capture.lattice)


def retarget(driver: Capture, subject: Capture, expression: float = 1.0) -> Motion:
    """The driver's motion for another head.

    What changed since the driver's neutral frame is added to the subject's neutral frame: shapes
    differ between people and the fit splits them from expression imperfectly, so changes transfer
    better than values. Where the two were tracked with different face models, expressions are
    carried over by the landmarks. Translations are rescaled by the two scales. `expression`
    exaggerates (> 1) or calms (< 1) the face.
    """
    n = driver.neutral
    m = subject.neutral
    ratio = subject.scale / driver.scale
    carried = carry_expressions(driver.beta, driver.face(), subject.face())
    beta = subject.beta[m] + expression * (carried - carried[n])
    R = so3_exp(driver.pose[:, :3]) @ so3_exp(driver.pose[n, :3]).T @ so3_exp(subject.pose[m, :3])
    T = subject.pose[m, 3:] + ratio * (driver.pose[:, 3:] - driver.pose[n, 3:])
    # the chest turns about the world's origin, so its translation is carried over to scale
    torso = torch.cat([driver.torso[:, :3], ratio * driver.torso[:, 3:]], 1)
    # a lifted chest would show where the picture, and so the head, ends
    torso[:, 4] = torso[:, 4].clamp_max(0.0)
    pose = torch.cat([so3_log(R), T], 1)
    return Motion(beta, pose, torso, follow_head(subject, pose, torso))


def scripted(subject: Capture, frames: int = 75, seed: int = 0) -> Motion:
    """A scripted performance (speech, blinks, turns) for a head, from a seed."""
    performance = perform(seed, frames)
    moves = performance.pose[:, 3:] - performance.pose[:, 3:].mean(0)
    rest = subject.pose[subject.neutral]
    pose = torch.cat([performance.pose[:, :3], rest[3:] + subject.scale * moves], 1)
    carried = carry_expressions(performance.beta, face_models.builtin(), subject.face())
    beta, torso = subject.beta[subject.neutral] + carried, performance.torso
    return Motion(beta, pose, torso, follow_head(subject, pose, torso))


@torch.no_grad()
def play(
    head: GaussianHead,
    subject: Capture,
    motion: Motion,
    cameras: list[Camera] | Camera | None = None,
    progress=lambda items, **_: items,
) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 of the head in motion, over white.

    `cameras` is one for all frames (default: the tracking camera) or one for each frame.
    """
    neutral = subject.frame_pose(subject.neutral)
    frames = []
    for t in progress(range(len(motion)), desc="rendering"):
        camera = cameras[t] if isinstance(cameras, list) else cameras or subject.camera
        image, _ = head.render(camera, motion.frame(t, neutral))
        frames.append((image.clamp(0, 1) * 255).round().byte().numpy())
    return np.stack(frames)


def orbit_path(subject: Capture, frames: int, swing: float = 45.0) -> list[Camera]:
    """Cameras that swing to +-`swing` degrees around the head and back, swaying a little."""
    centre = subject.head_centre(subject.neutral)
    angles = swing * np.sin(np.linspace(0, 2 * np.pi, frames, endpoint=False))
    return [
        orbit_camera(subject.camera, float(angle), SWAY * np.sin(angle / SWAY_PERIOD), centre)
        for angle in angles
    ]


def hold_neutral(subject: Capture, frames: int) -> Motion:
    """The neutral frame, held for `frames` frames."""
    m = subject.neutral
    return Motion(
        subject.beta[m].expand(frames, -1),
        subject.pose[m].expand(frames, -1),
        subject.torso[m].expand(frames, -1),
        None if subject.lattice is None else subject.lattice[m].expand(frames, -1, -1),
    )


def side_by_side(*clips: np.ndarray) -> np.ndarray:
    """Clips (F, H, W, 3) next to each other; the shortest decides the length."""
    length = min(len(clip) for clip in clips)
    return np.concatenate([clip[:length] for clip in clips], 2)
