"""Stage 06: make a head do what another clip does, look at it from anywhere, write video and ply."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import Camera, orbit_camera
from stkit.capture.capture import Capture
from stkit.face_models.transfer import carry_expressions
from stkit.geometry import so3_exp, so3_log
from stkit.heads.gaussian import GaussianHead


@dataclass(frozen=True)
class Motion:
    """beta (F, 64), pose (F, 6) and torso (F, 6) in the head's own world: all that animates a head."""

    beta: Tensor
    pose: Tensor
    torso: Tensor

    def __len__(self) -> int:
        return len(self.beta)


def own_motion(capture: Capture) -> Motion:
    """What the head did in its own clip."""
    return Motion(capture.beta, capture.pose, capture.torso)


def retarget(driver: Capture, subject: Capture, expression: float = 1.0) -> Motion:
    """The driver's motion for another head: changes since the driver's neutral frame, added to the subject's neutral frame.

    Shapes differ between people and the fit splits them from expression imperfectly; changes transfer better than values.
    Where the two were tracked with different face models, the driver's expressions are carried over by their landmarks.
    Translations are rescaled by the two scales. `expression` exaggerates (> 1) or calms (< 1) the face.
    """
    n, m = driver.neutral, subject.neutral
    ratio = subject.scale / driver.scale
    told = carry_expressions(driver.beta, driver.face(), subject.face())
    beta = subject.beta[m] + expression * (told - told[n])
    R = so3_exp(driver.pose[:, :3]) @ so3_exp(driver.pose[n, :3]).T @ so3_exp(subject.pose[m, :3])
    T = subject.pose[m, 3:] + ratio * (driver.pose[:, 3:] - driver.pose[n, 3:])
    # the chest turns about the world's origin, so its translation is carried over as it is, to scale
    torso = torch.cat([driver.torso[:, :3], ratio * driver.torso[:, 3:]], 1)
    torso[:, 4] = torso[:, 4].clamp_max(
        0.0
    )  # a lifted chest would show where the picture, and so the head, ends
    return Motion(beta, torch.cat([so3_log(R), T], 1), torso)


def scripted(subject: Capture, frames: int = 75, seed: int = 0) -> Motion:
    """A scripted performance (speech, blinks, turns) for a head, from a seed."""
    from stkit.synthetic.subject import perform

    p = perform(seed, frames)
    rest = subject.pose[subject.neutral]
    pose = torch.cat(
        [p.pose[:, :3], rest[3:] + subject.scale * (p.pose[:, 3:] - p.pose[:, 3:].mean(0))], 1
    )
    told = carry_expressions(p.beta, face_models.get("builtin"), subject.face())
    return Motion(subject.beta[subject.neutral] + told, pose, p.torso)


@torch.no_grad()
def play(
    head: GaussianHead,
    subject: Capture,
    motion: Motion,
    cameras: list[Camera] | Camera | None = None,
    progress=lambda x, **k: x,
) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 of the head in motion, over white, from one camera or one for each frame."""
    fixed = subject.frame_pose(subject.neutral)
    frames = []
    for t in progress(range(len(motion)), desc="rendering"):
        camera = cameras[t] if isinstance(cameras, list) else cameras or subject.camera
        place = replace(fixed, beta=motion.beta[t], pose=motion.pose[t], torso=motion.torso[t])
        image, _ = head.render(camera, place)
        frames.append((image.clamp(0, 1) * 255).round().byte().numpy())
    return np.stack(frames)


def orbit(subject: Capture, frames: int, swing: float = 45.0) -> list[Camera]:
    """Cameras that swing to +-`swing` degrees and back around the head."""
    centre = subject.head_centre(subject.neutral)
    angles = swing * np.sin(np.linspace(0, 2 * np.pi, frames, endpoint=False))
    return [orbit_camera(subject.camera, float(a), 4.0 * np.sin(a / 30), centre) for a in angles]


def still(subject: Capture, frames: int) -> Motion:
    """The neutral frame held for `frames` frames."""
    m = subject.neutral
    return Motion(
        subject.beta[m].expand(frames, -1),
        subject.pose[m].expand(frames, -1),
        subject.torso[m].expand(frames, -1),
    )


def part(motion: Motion, indices: list[int]) -> Motion:
    """Some frames of a motion."""
    return replace(
        motion, beta=motion.beta[indices], pose=motion.pose[indices], torso=motion.torso[indices]
    )


def side_by_side(*clips: np.ndarray) -> np.ndarray:
    """Clips (F, H, W, 3) next to each other; the shortest decides the length."""
    n = min(len(c) for c in clips)
    return np.concatenate([c[:n] for c in clips], 2)
