"""A scripted performance in ARKit's actions: speech, blinks, glances and turns, from a seed."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.face_models.makehuman import makehuman
from stkit.geometry import euler_yxz
from stkit.space import FramePose

UNIT = torch.tensor(1.0)  # the subject's scale
FPS = 25.0  # frames a second of a performance
FINE_FPS = 100  # steps a second in which the script is written
SEED_OFFSET = 5  # the performance's random numbers are not those of the looks
SIDES = ("Left", "Right")

# all of these are the kit's, chosen by eye
CALM = 0.25  # seconds of calm at the start
EASING = 0.5  # seconds in which the performance then begins
BLINK_WIDTH = 0.085  # seconds: how fast lids close and open
FIRST_BLINK = (0.3, 1.2)  # seconds
BETWEEN_BLINKS = (1.2, 3.2)  # seconds
YAW = np.radians(30)  # the furthest turn
CLOSURES = 2.2  # a second of speech: how often lips meet, as for m, b and p
CLOSURE_WIDTH = 0.05  # seconds
FULL_GLANCE = np.radians(30)  # of an eye, where its look action is 1
GLANCES = (0.5, 2.0)  # seconds between them
GLANCE = np.radians(7)  # standard deviation
TURNS = 2.0  # from side to side and back in a performance, at least
SLOWEST_TURN = 0.35  # turns a second


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


class _Script:
    """Expressions over time, written one after another; `rng` gives all that is random."""

    def __init__(self, seed: int, seconds: float):
        self.rng = np.random.default_rng(seed + SEED_OFFSET)
        self.names = makehuman().expression_names
        self.seconds = seconds
        self.steps = max(int(seconds * FINE_FPS), 2)
        self.time = np.linspace(0, seconds, self.steps)
        self.beta = np.zeros((self.steps, 64))
        begun = np.clip((self.time - CALM) / EASING, 0, 1)
        self.begun = begun * begun * (3 - 2 * begun)  # 0 in the calm at the start, then 1

    def wander(self, rate: float) -> np.ndarray:
        """Unit-variance noise (steps,) that changes about `rate` times a second."""
        kernel = np.exp(-(((np.arange(-200, 201) / 100) * rate * 1.6) ** 2))
        noise = np.convolve(self.rng.normal(size=self.steps + 400), kernel, "valid")
        return noise / np.sqrt((kernel**2).sum())

    def add(self, name: str, values: np.ndarray) -> None:
        """Add values (steps,) to the action of that name."""
        self.beta[:, self.names.index(name)] += values

    def add_both(self, name: str, values: np.ndarray) -> None:
        """Add values (steps,) to the action's left and right; right a little less or more."""
        self.add(name + "Left", values)
        self.add(name + "Right", values * self.rng.uniform(0.85, 1.05))


def rest_pose() -> Tensor:
    """The pose (6,) in which the subject's chest is modelled: upright, the shoulders in view."""
    return torch.tensor([0.0, 0, 0, 0, 0.22, 0.35])


def perform(seed: int, frames: int, seconds: float | None = None) -> Performance:
    """A performance of `frames` frames over `seconds` (default: 25 frames a second).

    Speech-like jaw and lips, blinks, brows, and head turns of +-30 degrees yaw, after a moment of
    calm into the camera.
    """
    script = _Script(seed, frames / FPS if seconds is None else seconds)
    talking = _speak(script)
    _smile(script, talking)
    _brows(script)
    _blink(script)
    yaw, pitch, roll = _turns(script)
    _glance(script, yaw, pitch)
    np.clip(script.beta, 0, 1, out=script.beta)
    sway = [0.05 * script.wander(0.35), 0.025 * script.wander(0.35), 0.03 * script.wander(0.3)]
    lean = np.radians(1.2) * script.wander(0.3)
    chosen = np.linspace(0, script.steps - 1, frames).round().astype(int)

    def at_frames(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values[chosen], dtype=np.float32))

    shift, turn = at_frames(np.stack(sway, 1)), at_frames(lean)
    rotation = euler_yxz(at_frames(yaw), at_frames(pitch), at_frames(roll))
    pose = torch.cat([rotation, rest_pose()[3:] + 1.3 * shift], 1)
    zero = torch.zeros(frames)
    torso = torch.cat([torch.stack([zero, zero, turn], 1), shift], 1)
    return Performance(at_frames(script.beta), pose, torso, at_frames(script.time))


def _speak(script: _Script) -> np.ndarray:
    """Move jaw and lips as speech does; how much the person talks (steps,), in [0, 1]."""
    talking = script.begun / (1 + np.exp(-3 * (script.wander(0.5) + 0.6)))
    jaw = talking * np.clip(0.24 + 0.24 * script.wander(4.0), 0, 0.75)
    meet = np.zeros(script.steps)
    at = script.rng.exponential(1 / CLOSURES)
    while at < script.seconds:
        meet = np.maximum(meet, np.exp(-(((script.time - at) / CLOSURE_WIDTH) ** 2)))
        at += script.rng.exponential(1 / CLOSURES)
    script.add("jawOpen", jaw)
    script.add("mouthClose", jaw * meet)
    script.add("mouthPucker", talking * np.clip(0.55 * script.wander(2.5), 0, 0.8))
    script.add("mouthFunnel", talking * np.clip(0.4 * script.wander(3.0), 0, 0.6) * (1 - meet))
    script.add_both("mouthStretch", talking * np.clip(0.4 * script.wander(2.5), 0, 0.6))
    script.add_both("mouthUpperUp", talking * np.clip(0.25 * script.wander(4.0), 0, 0.5))
    script.add_both("mouthLowerDown", talking * np.clip(0.3 * script.wander(4.0), 0, 0.6))
    script.add_both("mouthPress", talking * 0.4 * meet)
    return talking


def _smile(script: _Script, talking: np.ndarray) -> None:
    """Smile now and then, less while talking; a trace of it always."""
    smile = script.begun * np.clip(0.55 * script.wander(0.35), 0, 0.9) * (1 - 0.5 * talking)
    script.add_both("mouthSmile", 0.12 + 0.9 * smile)
    script.add_both("cheekSquint", 0.7 * smile)
    script.add_both("mouthDimple", 0.3 * smile)


def _brows(script: _Script) -> None:
    """Raise the brows, or draw them together."""
    up = script.begun * np.clip(0.5 * script.wander(0.7), 0, 1)
    script.add("browInnerUp", 0.8 * up + 0.3 * np.clip(script.wander(0.6), 0, 1))
    script.add_both("browOuterUp", up)
    script.add_both("browDown", script.begun * np.clip(0.5 * script.wander(0.4), 0, 0.8))


def _blink(script: _Script) -> None:
    """Close both lids now and then."""
    blink = np.zeros(script.steps)
    at = script.rng.uniform(*FIRST_BLINK)
    while at < script.seconds:
        blink = np.maximum(blink, np.exp(-(((script.time - at) / BLINK_WIDTH) ** 4)))
        at += script.rng.uniform(*BETWEEN_BLINKS)
    for side in SIDES:
        script.add(f"eyeBlink{side}", blink)


def _glance(script: _Script, yaw: np.ndarray, pitch: np.ndarray) -> None:
    """Keep the eyes on the camera while the head turns, and let them jump elsewhere at times."""
    across, up = np.zeros(script.steps), np.zeros(script.steps)
    at = script.rng.uniform(*GLANCES)
    while at < script.seconds:
        later = script.time >= at
        across[later], up[later] = script.rng.normal(0, GLANCE, 2) * [1, 0.5]
        at += script.rng.uniform(*GLANCES)
    left = (0.7 * -yaw + script.begun * across) / FULL_GLANCE  # positive: to the subject's left
    down = (0.7 * -pitch - script.begun * up) / FULL_GLANCE
    script.add("eyeLookOutLeft", np.maximum(left, 0))
    script.add("eyeLookInRight", np.maximum(left, 0))
    script.add("eyeLookInLeft", np.maximum(-left, 0))
    script.add("eyeLookOutRight", np.maximum(-left, 0))
    for side in SIDES:
        script.add(f"eyeLookDown{side}", np.maximum(down, 0))
        script.add(f"eyeLookUp{side}", np.maximum(-down, 0))


def _turns(script: _Script) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Yaw, pitch and roll of the head (steps,), radians."""
    rate = max(TURNS / script.seconds, SLOWEST_TURN)
    phase = 2 * np.pi * script.time * rate + script.rng.uniform(0, 0.6)
    yaw = script.begun * YAW * np.sin(phase) * (0.90 + 0.1 * np.sin(script.time))
    pitch = np.radians(5) * np.clip(script.wander(0.5), -1.6, 1.6)
    roll = np.radians(4) * np.clip(script.wander(0.4), -1.6, 1.6)
    return yaw, pitch, roll
