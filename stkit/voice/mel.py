"""The mel spectrogram of Style2Talker's release, which is Wav2Lip's: 80 steps a second."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from stkit.voice.sound import RATE

PRE_EMPHASIS = 0.97
WINDOW, HOP = 800, 200  # samples: 50 ms, 12.5 ms
BANDS = 80
LOWEST, HIGHEST = 55.0, 7600.0  # hertz
QUIETEST = 1e-5  # amplitude, -100 dB
REFERENCE = 20.0  # decibels that stand for loud
RANGE = 4.0  # values lie in [-4, 4]
MELS_A_SECOND = RATE // HOP
FRAME_RATE = 25  # frames of motion a second
MELS_A_FRAME = MELS_A_SECOND / FRAME_RATE  # 3.2


def mel_spectrogram(sound: Tensor) -> Tensor:
    """Decibels (T, 80) of a sound (N,) of 16 kHz, scaled to [-4, 4]; T = N // 200 + 1."""
    louder = torch.cat([sound[:1], sound[1:] - PRE_EMPHASIS * sound[:-1]])
    window = torch.hann_window(WINDOW)
    spectrum = torch.stft(louder, WINDOW, HOP, window=window, return_complex=True).abs()
    bands = mel_filters() @ spectrum
    decibels = 20 * bands.clamp_min(QUIETEST).log10() - REFERENCE
    return ((decibels + 100) / 100 * 2 * RANGE - RANGE).clamp(-RANGE, RANGE).T


@lru_cache(maxsize=1)
def mel_filters() -> Tensor:
    """Triangular filters (80, 401) of equal area on Slaney's mel scale (linear below 1 kHz)."""
    edges = _hertz(np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2))
    frequencies = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    area = 2 / (edges[2:] - edges[:-2])
    return torch.from_numpy((triangles * area[:, None]).astype(np.float32))


def _mel(hertz: float) -> float:
    """Slaney's scale: 3 mel per 200 Hz up to 1 kHz, then 27 mel for a factor of 6.4."""
    if hertz < 1000:
        return hertz * 3 / 200
    return 15 + 27 * np.log(hertz / 1000) / np.log(6.4)


def _hertz(mels: np.ndarray) -> np.ndarray:
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))


def frame_count(mel: Tensor) -> int:
    """Frames of motion, 25 a second, that a spectrogram (T, 80) lasts."""
    return max(1, round((len(mel) - 1) / MELS_A_FRAME))


def normalised(mel: Tensor) -> Tensor:
    """Each band with mean 0 and deviation 1 over the utterance, in which voices differ least.

    A band that does not change is 0. Statistics are those of a recording's channel and voice;
    without them a model learns one speaker's.
    """
    deviation = mel.std(0, correction=0)
    return (mel - mel.mean(0)) / deviation.clamp_min(0.05)
