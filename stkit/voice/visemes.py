"""From phones to lips: the rule-based teacher that the voice model learns from.

Each phone has a viseme, amounts of ARKit's mouth actions. Neighbours overlap as in Cohen and
Massaro's model (1993): a phone's influence is largest in its middle and falls off exponentially,
and the mouth is the mean of all phones' visemes, weighted by influence. Lips close completely for
p, b and m; `lips.close` solves for that on the face model. All numbers are the kit's, set by eye.
"""

import csv
from pathlib import Path

import numpy as np

from stkit.voice.mel import FRAME_RATE
from stkit.voice.phones import CLOSING, SILENCE, Phone

_ROWS = list(csv.reader((Path(__file__).parent / "visemes.csv").read_text().splitlines()))
# what a viseme says: actions of the face model, both sides alike where they are paired
ACTIONS = tuple(_ROWS[0][1:-1])
VISEMES = {
    name: np.array([float(x) for x in row[1:]]) for row in _ROWS[1:] for name in row[0].split()
}
CLOSURE = len(ACTIONS)  # the channel after them: 1 where lips are closed
CHANNELS = len(ACTIONS) + 1
FINE = 100  # steps a second in which influences are computed
FALL = 25.0  # 1/s: how fast a phone's influence falls
CLOSING_FALL = 40.0  # of p, b, m, f, v, whose lips move fast
HELD = 0.6  # of half a phone's length, in which its influence stays whole
BORROWED = 0.35  # influence of p, b, m on the lips' rounding and width, which vowels decide
FIRM = 3.0  # influence of p, b, m, f, v on jaw and closure
ROUNDING = 2.0  # influence of rounded phones on pucker and funnel
SMOOTH_HERTZ = 9.0  # muscles are not faster

DIPHTHONGS = {"ay": ("aa", "iy"), "aw": ("aa", "uw"), "ey": ("eh", "iy"), "oy": ("ao", "iy")}
LABIODENTAL = frozenset("fv")
ROUNDED = frozenset(("w", "uw", "uh", "ow", "ao", "sh", "zh", "ch", "jh", "r", "er"))


def mouth_of_phones(phones: list[Phone], frames: int) -> np.ndarray:
    """The mouth (frames, 12) that speaks the phones, 25 frames a second: amounts of `ACTIONS`,
    and last how much the lips are closed.
    """
    parts = split(phones)
    steps = round(frames * FINE / FRAME_RATE)
    fine = _low_pass(blend(parts, (np.arange(steps) + 0.5) / FINE))
    mouth = fine.reshape(frames, FINE // FRAME_RATE, CHANNELS).mean(1)
    for phone in parts:  # at 25 frames a second a closure may fall between two frames
        if phone.name in CLOSING:
            mouth[min(frames - 1, int(phone.middle * FRAME_RATE)), CLOSURE] = 1
    return mouth.clip(0, 1)


def blend(phones: list[Phone], times: np.ndarray) -> np.ndarray:
    """The mean of the phones' visemes (T, 12) at times (T,), seconds, weighted by influence."""
    total, weights = np.zeros((len(times), CHANNELS)), np.full((len(times), CHANNELS), 1e-6)
    for phone in phones:
        weight = influence(phone, times)[:, None] * strength(phone.name)
        total += weight * VISEMES[phone.name]
        weights += weight
    return total / weights


def split(phones: list[Phone]) -> list[Phone]:
    """Diphthongs as two vowels: the mouth moves from one to the other."""
    parts = []
    for phone in phones:
        names = DIPHTHONGS.get(phone.name, (phone.name,))
        step = (phone.end - phone.start) / len(names)
        for k, name in enumerate(names):
            start = phone.start + k * step
            parts.append(Phone(name, start, start + step, phone.stressed))
    return parts


def influence(phone: Phone, times: np.ndarray) -> np.ndarray:
    """How much a phone decides at each time: 1 within it, falling exponentially outside."""
    firm = phone.name in CLOSING | LABIODENTAL
    half = (phone.end - phone.start) / 2
    beyond = np.abs(times - phone.middle) - HELD * half
    return np.exp(-(CLOSING_FALL if firm else FALL) * np.maximum(beyond, 0))


def strength(name: str) -> np.ndarray:
    """How much a phone insists on each channel (12,)."""
    insists = np.ones(CHANNELS)
    if name in CLOSING | LABIODENTAL:
        insists[:] = FIRM
    if name in CLOSING:
        insists[1:4] = BORROWED
    if name in ROUNDED:
        insists[2:4] = ROUNDING
    if name == SILENCE:
        insists[:] = 0.8
    return insists


def _low_pass(values: np.ndarray) -> np.ndarray:
    """Values (T, C) without what is faster than muscles, closures kept as they are."""
    sigma = FINE / (2 * np.pi * SMOOTH_HERTZ)
    taps = np.exp(-0.5 * (np.arange(-9, 10) / sigma) ** 2)
    padded = np.pad(values, ((9, 9), (0, 0)), mode="edge")
    return np.stack([np.convolve(c, taps / taps.sum(), "valid") for c in padded.T], 1)
