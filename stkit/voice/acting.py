"""A speaker's whole face and head: the mouth that speaks, an emotion, blinks, brows and nods."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from stkit import face_models
from stkit.geometry import euler_yxz
from stkit.voice import emotions
from stkit.voice.lips import close
from stkit.voice.mel import FRAME_RATE
from stkit.voice.visemes import ACTIONS, CLOSURE

POSE = 6  # rotation (3,) as axis-angle in radians, translation (3,) in decimetres
GAINS = (0.8, 1.2)  # of a speaker's actions
SIDES = (0.92, 1.08)  # of the left side's actions beside the right's
BETWEEN_BLINKS = (1.6, 4.5)  # seconds
BLINK = 0.08  # seconds, half of a blink
SHUT = 0.7  # of eyeBlink: the face model's lids meet, and do not pass each other
BROWS_WITH_STRESS = 0.35  # of stressed vowels raise the brows
NOD = 0.045  # radians, of a nod on a stressed vowel
SWAY = (0.03, 0.05, 0.02)  # radians: slow turns up and down, to the sides, and tilts
WANDER = 0.12  # how much an emotion's strength changes in a clip


@dataclass(frozen=True)
class Speech:
    """mouth (F, 12): what `visemes.mouth_of_phones` gives. stress (F,): 1 where a stressed vowel
    is.
    """

    mouth: Tensor
    stress: Tensor


@dataclass(frozen=True)
class Direction:
    """How a speech is acted. emotion (64,): coefficients at full strength; vigour: of the mouth;
    seed: of the speaker's habits, blinks and nods.
    """

    emotion: Tensor
    vigour: float
    seed: int

    @staticmethod
    def of(name: str, level: int, seed: int) -> "Direction":
        """The direction for one of MEAD's emotions at level 1, 2 or 3."""
        share = emotions.LEVELS[level - 1]
        vigour = 1 + share * (emotions.EMOTIONS[name].vigour - 1)
        return Direction(emotions.emotional_face(name, level), vigour, seed)


def act(speech: Speech, direction: Direction) -> Tensor:
    """Coefficients and pose (F, 70) of a face that speaks: beta (F, 64), then pose (F, 6)."""
    frames = len(speech.mouth)
    draw = torch.Generator().manual_seed(direction.seed)
    gains = _between(GAINS, (len(ACTIONS),), draw)
    sides = _between(SIDES, (1,), draw)
    beta = direction.vigour * (speech.mouth[:, :CLOSURE] * gains) @ _spread(float(sides))
    strength = 1 + WANDER * _wander(frames, 0.5, draw)
    beta = beta + strength[:, None] * direction.emotion
    accents = _accents(speech.stress, draw)
    names = face_models.builtin().expression_names
    beta[:, names.index("browInnerUp")] += 0.35 * accents
    for column in emotions.columns("browOuterUp"):
        beta[:, column] += 0.3 * accents
    blink = blinks(frames, draw)
    for column in emotions.columns("eyeBlink"):
        beta[:, column] += blink
    for column in emotions.columns("eyeSquint") + emotions.columns("eyeWide"):
        beta[:, column] *= 1 - blink / SHUT
    beta = close(beta.clamp(0, 1), speech.mouth[:, CLOSURE])
    return torch.cat([beta, _head_motion(accents, draw)], 1)


@lru_cache(maxsize=64)
def _spread(sides: float) -> Tensor:
    """From the mouth's actions to the coefficients (11, 64), the left side `sides` as strong."""
    matrix = torch.zeros(len(ACTIONS), len(face_models.builtin().expression_names))
    for k, action in enumerate(ACTIONS):
        places = emotions.columns(action)
        matrix[k, places] = 1.0
        if len(places) == 2:
            matrix[k, places[0]] = sides
    return matrix


def _between(limits: tuple[float, float], shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    return limits[0] + (limits[1] - limits[0]) * torch.rand(shape, generator=draw)


def _wander(frames: int, rate: float, draw: torch.Generator) -> Tensor:
    """Unit-variance noise (frames,) that changes about `rate` times a second."""
    half = round(2 * FRAME_RATE / rate)
    steps = torch.arange(-half, half + 1) / FRAME_RATE
    kernel = torch.exp(-((steps * rate * 1.6) ** 2))
    kernel = kernel / kernel.square().sum().sqrt()
    noise = torch.randn(frames + 2 * half, generator=draw)
    return torch.nn.functional.conv1d(noise[None, None], kernel[None, None])[0, 0]


def _accents(stress: Tensor, draw: torch.Generator) -> Tensor:
    """Bumps (F,) of half a second on some of the stressed vowels, 0 to 1."""
    moments = torch.nonzero(stress.diff(prepend=torch.zeros(1)) > 0)[:, 0]
    taken = moments[torch.rand(len(moments), generator=draw) < BROWS_WITH_STRESS]
    times = torch.arange(len(stress))
    bumps = torch.exp(-(((times[:, None] - taken - 2) / 5.0) ** 2))
    return bumps.sum(1).clamp_max(1)


def blinks(frames: int, draw: torch.Generator) -> Tensor:
    """How far both lids are closed (F,)."""
    times = (torch.arange(frames) + 0.5) / FRAME_RATE
    blink, at = torch.zeros(frames), float(_between((0.3, 2.0), (1,), draw))
    while at < frames / FRAME_RATE:
        blink = torch.maximum(blink, SHUT * torch.exp(-(((times - at) / BLINK) ** 4)))
        at += float(_between(BETWEEN_BLINKS, (1,), draw))
    return blink


def _head_motion(accents: Tensor, draw: torch.Generator) -> Tensor:
    """The head's pose (F, 6) beside its rest: slow sway, and nods with the accents."""
    frames = len(accents)
    pitch, yaw, roll = (SWAY[k] * _wander(frames, 0.3, draw) for k in range(3))
    rotation = euler_yxz(yaw, pitch + NOD * accents, roll)
    shift = torch.stack([0.03 * _wander(frames, 0.3, draw) for _ in range(3)], 1)
    return torch.cat([rotation, shift], 1)
