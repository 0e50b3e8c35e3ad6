"""Stage 06: make a head do what another clip does, look at it from anywhere, write video and ply."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import face_models
from .cameras import Camera, orbit_camera
from .capture import Capture, head_centre, head_transform
from .face_models.landmarks import openings
from .face_models.transfer import carry_expressions
from .gaussian_head import GaussianHead
from .geometry import so3_exp, so3_log


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
    torso[:, 4] = torso[:, 4].clamp_max(0.0)  # a lifted chest would show where the picture, and so the head, ends
    return Motion(beta, torch.cat([so3_log(R), T], 1), torso)


def scripted(subject: Capture, frames: int = 75, seed: int = 0) -> Motion:
    """A scripted performance (speech, blinks, turns) for a head, from a seed."""
    from .capture.synthetic import perform

    p = perform(seed, frames)
    rest = subject.pose[subject.neutral]
    pose = torch.cat([p.pose[:, :3], rest[3:] + subject.scale * (p.pose[:, 3:] - p.pose[:, 3:].mean(0))], 1)
    told = carry_expressions(p.beta, face_models.get("builtin"), subject.face())
    return Motion(subject.beta[subject.neutral] + told, pose, p.torso)


@torch.no_grad()
def play(
    head: GaussianHead, subject: Capture, motion: Motion, cameras: list[Camera] | Camera | None = None, progress=lambda x, **k: x
) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 of the head in motion, over white, from one camera or one for each frame."""
    fixed = head_transform(subject, subject.neutral)
    frames = []
    for t in progress(range(len(motion)), desc="rendering"):
        camera = cameras[t] if isinstance(cameras, list) else cameras or subject.camera
        place = {**fixed, "pose": motion.pose[t], "torso": motion.torso[t]}
        image, _ = head.render(camera, beta=motion.beta[t], **place)
        frames.append((image.clamp(0, 1) * 255).round().byte().numpy())
    return np.stack(frames)


def orbit(subject: Capture, frames: int, swing: float = 45.0) -> list[Camera]:
    """Cameras that swing to +-`swing` degrees and back around the head."""
    centre = head_centre(subject, subject.neutral)
    angles = swing * np.sin(np.linspace(0, 2 * np.pi, frames, endpoint=False))
    return [orbit_camera(subject.camera, float(a), 4.0 * np.sin(a / 30), centre) for a in angles]


def still(subject: Capture, frames: int) -> Motion:
    """The neutral frame held for `frames` frames."""
    m = subject.neutral
    return Motion(subject.beta[m].expand(frames, -1), subject.pose[m].expand(frames, -1), subject.torso[m].expand(frames, -1))


def part(motion: Motion, indices: list[int]) -> Motion:
    """Some frames of a motion."""
    return replace(motion, beta=motion.beta[indices], pose=motion.pose[indices], torso=motion.torso[indices])


def seen_points(frames: np.ndarray) -> np.ndarray:
    """The points (F, 478, 2) in pixels that MediaPipe sees in a clip (F, H, W, 3) uint8; NaN where it sees no face."""
    import mediapipe as mp

    from .capture.detect import quiet

    size, out = np.array([frames.shape[2], frames.shape[1]]), []
    with quiet(), mp.solutions.face_mesh.FaceMesh(refine_landmarks=True, min_detection_confidence=0.3) as mesh:
        for frame in frames:
            found = mesh.process(frame).multi_face_landmarks
            out.append(np.array([(p.x, p.y) for p in found[0].landmark]) * size if found else np.full((478, 2), np.nan))
    return np.stack(out)


def seen_openings(frames: np.ndarray) -> Tensor:
    """How far MediaPipe sees lips and lids open (F, 2) in frames (F, H, W, 3) uint8; NaN where it sees no face."""
    from .face_models.landmarks import MEDIAPIPE_68

    return openings(torch.from_numpy(seen_points(frames)[:, MEDIAPIPE_68])).float()


def refitted_beta(points: np.ndarray, capture: Capture, steps: int = 150) -> tuple[Tensor, Tensor]:
    """Expressions (K, 64) of the built-in head fitted to `seen_points` (F, 478, 2) by the capture's camera, and which frames (F,) bool have points."""
    from .capture.fitting import FitSettings, fit_clip

    seen = np.isfinite(points).all((1, 2))
    if seen.sum() < 3:
        return torch.zeros(0, 64), torch.from_numpy(seen)
    fit = fit_clip(points[seen], capture.camera, face_models.get("builtin"), FitSettings(steps=steps))
    return fit.beta, torch.from_numpy(seen)


def side_by_side(*clips: np.ndarray) -> np.ndarray:
    """Clips (F, H, W, 3) next to each other; the shortest decides the length."""
    n = min(len(c) for c in clips)
    return np.concatenate([c[:n] for c in clips], 2)


@torch.no_grad()
def save_ply(head: GaussianHead, subject: Capture, path: Path, t: int | None = None) -> int:
    """Frame t (default neutral) as a PLY with the fields of 3D Gaussian Splatting, degree 0; returns the number of points.

    World decimetres, x right (subject's left), y up, z towards the camera; colours as f_dc = (rgb - 0.5) / 0.28209.
    """
    t = subject.neutral if t is None else t
    g = head.gaussians(beta=subject.beta[t], **head_transform(subject, t))
    n = len(g["means"])
    o = g["opacities"].clamp(1e-6, 1 - 1e-6)
    columns = {
        **dict(zip(("x", "y", "z"), g["means"].T)), **dict.fromkeys(("nx", "ny", "nz"), torch.zeros(n)),
        **dict(zip(("f_dc_0", "f_dc_1", "f_dc_2"), ((g["colors"] - 0.5) / 0.28209479177387814).T)), "opacity": o.logit(),
        **dict(zip(("scale_0", "scale_1", "scale_2"), g["scales"].log().T)), **dict(zip(("rot_0", "rot_1", "rot_2", "rot_3"), g["quats"].T)),
    }  # fmt: skip
    header = "ply\nformat binary_little_endian 1.0\ncomment made by stkit\n" + f"element vertex {n}\n"
    header += "".join(f"property float {name}\n" for name in columns) + "end_header\n"
    data = torch.stack(list(columns.values()), 1).numpy().astype("<f4")
    temporary = Path(path).with_suffix(".tmp")
    temporary.write_bytes(header.encode() + data.tobytes())
    temporary.replace(path)
    return n
