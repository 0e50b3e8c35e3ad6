"""Style-E's networks, small: a speech encoder, and a denoiser over a window of motion.

The denoiser is the release's (AGRoL's DiffMLP): blocks that mix frames, then channels. Two things
are ours: the encoder reads the spectrogram as one signal, not as windows that overlap, and a window
begins with frames of the past, so that windows join.
"""

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from stkit.voice.mel import BANDS

PAST, NEW = 8, 32  # frames of a window that are known before, and that are made
WINDOW = PAST + NEW
STRIDE = 2  # mel steps of one step of the encoder


class SpeechEncoder(ModelMixin, ConfigMixin):
    """From a normalised mel spectrogram to one code for each frame of motion.

    Its answer depends on 0.25 seconds before and after a frame.
    """

    @register_to_config
    def __init__(self, width: int = 256):
        super().__init__()
        self.first = nn.Conv1d(BANDS, width // 2, 5, stride=STRIDE, padding=2)
        self.second = nn.Conv1d(width // 2, width, 3, padding=1)
        self.dilated = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=d, dilation=d) for d in (2, 4)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in self.dilated)
        self.last = nn.Linear(width, width)
        self.nothing = nn.Parameter(torch.zeros(width))  # the code of a sound that is not given

    def forward(self, mel: Tensor, positions: Tensor) -> Tensor:
        """Codes (B, F, width) of spectrograms (B, T, 80) at positions (B, F), in mel steps."""
        x = functional.silu(self.first(mel.transpose(1, 2)))
        x = functional.silu(self.second(x))
        for conv, norm in zip(self.dilated, self.norms):
            x = x + functional.silu(conv(norm(x)))
        return self.last(_at(x.transpose(1, 2), positions / STRIDE))


def _at(x: Tensor, positions: Tensor) -> Tensor:
    """Values (B, F, C) of series (B, T, C) between two steps, linearly."""
    positions = positions.clamp(0, x.shape[1] - 1)
    before = positions.floor().long().clamp_max(x.shape[1] - 2).clamp_min(0)
    share = (positions - before)[..., None].to(x.dtype)
    index = before[..., None].expand(-1, -1, x.shape[2])
    return torch.lerp(x.gather(1, index), x.gather(1, (index + 1).clamp_max(x.shape[1] - 1)), share)


class _Block(nn.Module):
    """Frames are mixed with each other, then channels; the noise level enters both."""

    def __init__(self, width: int):
        super().__init__()
        self.level = nn.Linear(width, width)
        self.norm_frames, self.norm_channels = nn.LayerNorm(width), nn.LayerNorm(width)
        self.frames = nn.Conv1d(WINDOW, WINDOW, 1)
        self.channels = nn.Linear(width, width)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        x = x + self.level(level)[:, None]
        x = x + functional.silu(self.frames(self.norm_frames(x)))
        return x + functional.silu(self.channels(self.norm_channels(x)))


class MotionDenoiser(ModelMixin, ConfigMixin):
    """Predicts clean motion x_0 from noisy motion x_t, the speech and the emotion's words."""

    @register_to_config
    def __init__(self, channels: int = 71, width: int = 256, text_width: int = 128, depth: int = 8):
        super().__init__()
        self.motion = nn.Linear(channels + 1, width)  # and whether a frame is known
        self.speech = nn.Linear(width, width)
        self.words = nn.Linear(text_width, width)
        self.joined = nn.Linear(3 * width, width)
        self.level = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.out = nn.Linear(width, channels)
        self.no_text = nn.Parameter(torch.zeros(text_width))

    def forward(self, x: Tensor, known: Tensor, t: Tensor, speech: Tensor, text: Tensor) -> Tensor:
        """x_0 (B, 40, C) of x (B, 40, C) at noise levels t (B,), where `known` (B, 40) marks
        frames of the past that hold no noise; speech (B, 40, width), text (B, text).
        """
        motion = self.motion(torch.cat([x, known[..., None].to(x.dtype)], -1))
        words = self.words(text)[:, None].expand_as(motion)
        y = self.joined(torch.cat([motion, self.speech(speech), words], -1))
        level = self.level(_sinusoids(t, y.shape[-1]).to(y.dtype))
        for block in self.blocks:
            y = block(y, level)
        return self.out(y)


def _sinusoids(t: Tensor, width: int) -> Tensor:
    """Sinusoids (B, width) of noise levels, as a transformer's positions."""
    rates = torch.exp(-math.log(10_000) * torch.arange(width // 2, device=t.device) / (width // 2))
    angles = t[:, None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], 1)
