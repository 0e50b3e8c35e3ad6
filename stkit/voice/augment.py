"""Changes of spectrograms in training, so that one voice and one microphone teach others."""

import torch
from torch import Tensor
from torch.nn import functional

from stkit.voice.mel import BANDS, RANGE

WARP = 0.18  # of the mel axis, up or down: shorter and longer vocal tracts
TILT = 1.2  # from the lowest to the highest band: microphones, distance
NOISE = 0.25  # of the spectrograms get noise that fills quiet bands up to a level
NOISE_LEVELS = (-3.5, -0.5)
BAND_LIMIT = 0.25  # get no high bands, as by telephone
LOWEST_LIMIT = 45  # band, about 3 kHz
REVERBERATION = 0.3  # get echoes
ECHO = 0.7  # of a band's level is left a step later, at most


def changed(mel: Tensor, draw: torch.Generator) -> Tensor:
    """Spectrograms (B, T, 80), before normalisation, of other voices and microphones."""
    count = len(mel)
    bands = torch.arange(BANDS) / (BANDS - 1)
    warp = 1 + WARP * (2 * torch.rand(count, 1, generator=draw) - 1)
    mel = _warped(mel, bands * warp)
    tilt = TILT * (2 * torch.rand(count, 1, 1, generator=draw) - 1)
    mel = mel + tilt * (bands - 0.5)
    mel = _with_echo(mel, draw)
    low, high = NOISE_LEVELS
    level = low + (high - low) * torch.rand(count, 1, 1, generator=draw)
    slope = torch.rand(count, 1, 1, generator=draw) * (bands - 0.5)
    noisy = torch.maximum(mel, level - slope + 0.3 * torch.randn(mel.shape, generator=draw))
    mel = torch.where(_chosen(count, NOISE, draw), noisy, mel)
    limit = torch.randint(LOWEST_LIMIT, BANDS, (count, 1, 1), generator=draw)
    limited = torch.where(torch.arange(BANDS) > limit, torch.tensor(-RANGE), mel)
    mel = torch.where(_chosen(count, BAND_LIMIT, draw), limited, mel)
    return mel.clamp(-RANGE, RANGE)


def _chosen(count: int, share: float, draw: torch.Generator) -> Tensor:
    return torch.rand(count, 1, 1, generator=draw) < share


def _warped(mel: Tensor, bands: Tensor) -> Tensor:
    """Spectrograms (B, T, 80) read at bands (B, 80) between 0 and 1, linearly."""
    at = (bands * (BANDS - 1)).clamp(0, BANDS - 1)
    before = at.floor().long().clamp_max(BANDS - 2)
    share = (at - before)[:, None]
    index = before[:, None].expand(mel.shape)
    return torch.lerp(mel.gather(2, index), mel.gather(2, index + 1), share)


def _with_echo(mel: Tensor, draw: torch.Generator) -> Tensor:
    """Some spectrograms whose sounds die away slowly."""
    fall = ECHO * torch.rand(len(mel), 1, 1, generator=draw)
    tail = mel
    for k in range(1, 6):  # five steps, 60 ms
        earlier = functional.pad(mel + RANGE, (0, 0, k, 0))[:, : mel.shape[1]]
        tail = torch.maximum(tail, earlier * fall**k - RANGE)
    return torch.where(_chosen(len(mel), REVERBERATION, draw), tail, mel)
