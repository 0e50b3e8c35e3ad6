"""A scripted performance: speech, blinks and turns, from a seed."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.geometry import euler_yxz
from stkit.space import FramePose

UNIT = torch.tensor(1.0)  # the subject's scale
FPS = 25.0  # frames a second of a performance


@dataclass(frozen=True)
class Performance:
    """What the subject does: beta (F, 64), pose (F, 6), torso (F, 6), times (F,) seconds."""

    beta: Tensor
    pose: Tensor
    torso: Tensor
    times: Tensor

    def frame_pose(self, t: int) -> FramePose:
        """What the subject does in frame t; canonical decimetres are world decimetres."""
        return FramePose(self.beta[t], self.pose[t], self.torso[t], UNIT, rest_pose())


def rest_pose() -> Tensor:
    """The pose (6,) in which the subject's chest is modelled: upright, framed with the shoulders."""
    return torch.tensor([0.0, 0, 0, 0, 0.22, 0.35])


def perform(seed: int, frames: int, seconds: float | None = None) -> Performance:
    """Speech-like jaw and lips, blinks, brows, and head turns of +-30 degrees yaw, after a moment of calm into the camera."""
    head = face_models.get("builtin")
    names = head.expression_names
    seconds = frames / FPS if seconds is None else seconds
    fine = max(int(seconds * 100), 2)
    time = np.linspace(0, seconds, fine)
    rng = np.random.default_rng(seed + 5)

    def wander(rate: float) -> np.ndarray:
        """Unit-variance noise that changes about `rate` times a second."""
        kernel = np.exp(-(((np.arange(-200, 201) / 100) * rate * 1.6) ** 2))
        x = np.convolve(rng.normal(size=fine + 400), kernel, "valid")
        return x / np.sqrt((kernel**2).sum())

    begun = np.clip((time - 0.25) / 0.5, 0, 1)
    begun = begun * begun * (3 - 2 * begun)
    talking = begun / (1 + np.exp(-3 * (wander(0.5) + 0.6)))
    beta = np.zeros((fine, 64))
    put = lambda name, values: beta.__setitem__(
        (slice(None), names.index(name)), beta[:, names.index(name)] + values
    )
    jaw = talking * np.clip(0.75 + 0.85 * wander(4.0), 0, 2.3)
    put("jaw_open", jaw)
    put("pucker", talking * np.clip(wander(2.5), -0.2, 1.6))
    put("mouth_wide", talking * np.clip(wander(2.5), -0.4, 1.4) * 0.8)
    put("funnel", talking * np.clip(wander(3.0), 0, 1.2) * 0.6)
    put("upper_lip_up", talking * np.clip(wander(4.0), -0.2, 1) * 0.4)
    put("lower_lip_down", talking * np.clip(wander(4.0), 0, 1) * 0.5)
    smile = begun * np.clip(wander(0.35), 0, 1.5) * (1 - 0.5 * talking)
    for side in ("left", "right"):
        put(f"smile_{side}", smile * rng.uniform(0.85, 1.0))
        put(f"cheek_raise_{side}", smile * 0.6)
        put(f"brow_inner_up_{side}", np.clip(wander(0.6), -0.5, 1.5) * 0.4)
        put(f"brow_down_{side}", np.clip(wander(0.4), 0, 1) * 0.4)
    brows = np.clip(wander(0.7), -0.3, 1.6) * 0.9
    for side in ("left", "right"):
        put(f"brow_outer_up_{side}", brows)
        put(f"brow_inner_up_{side}", brows * 0.8)
    blink, at = np.zeros(fine), rng.uniform(0.3, 1.2)
    while at < seconds:
        blink = np.maximum(blink, np.exp(-(((time - at) / 0.085) ** 2)))
        at += rng.uniform(1.2, 3.2)
    for side in ("left", "right"):
        put(f"blink_{side}", 2.9 * blink)
    yaw = (
        begun
        * np.radians(30)
        * np.sin(2 * np.pi * time * max(2.0 / seconds, 0.35) + rng.uniform(0, 0.6))
        * (0.90 + 0.1 * np.sin(time))
    )
    pitch = np.radians(5) * np.clip(wander(0.5), -1.6, 1.6)
    roll = np.radians(4) * np.clip(wander(0.4), -1.6, 1.6)
    sway = np.stack([0.05 * wander(0.35), 0.025 * wander(0.35), 0.03 * wander(0.3)], 1)
    lean = np.radians(1.2) * wander(0.3)
    pick = np.linspace(0, fine - 1, frames).round().astype(int)
    f32 = lambda a: torch.from_numpy(np.ascontiguousarray(a[pick], dtype=np.float32))
    rest = rest_pose()
    rotation = euler_yxz(f32(yaw), f32(pitch), f32(roll))
    pose = torch.cat([rotation, rest[3:] + 1.3 * f32(sway)], 1)
    zero = torch.zeros(frames)
    torso = torch.cat([torch.stack([zero, zero, f32(lean)], 1), f32(sway)], 1)
    return Performance(f32(beta), pose, torso, f32(time))
