"""What a model of the mouth has to beat: five simple ways from sound to the mouth's channels.

Each takes a spectrogram (T, 80) and gives the eight channels of `states.MOUTH` (F, 8).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from stkit.voice import augment
from stkit.voice.acting import Direction
from stkit.voice.corpus import Corpus
from stkit.voice.mel import BANDS, MELS_A_FRAME, frame_count, normalised
from stkit.voice.states import BETAS, MOUTH, mouth_channels, state_of

HEARD = 24  # mel steps, 0.3 seconds
FEATURES = 1500  # random ones of the ridge regression
RIDGE = 3.0
NEAREST = 20_000  # windows among which the nearest is looked for
Mouth = Callable[[Tensor], Tensor]


def windows(mel: Tensor) -> Tensor:
    """What is heard around each frame (F, 24 * 80) of a normalised spectrogram (T, 80)."""
    centres = ((torch.arange(frame_count(mel)) + 0.5) * MELS_A_FRAME).round().long()
    steps = centres[:, None] + torch.arange(HEARD) - HEARD // 2
    return mel[steps.clamp(0, len(mel) - 1)].flatten(1)


def calm_truth(corpus: Corpus, k: int) -> Tensor:
    """The teacher's channels (F, 8) of utterance k, spoken without emotion."""
    direction = Direction.of("neutral", 1, k)
    return mouth_channels(state_of(corpus.utterance(k)[1], direction)[:, :BETAS])


def examples(corpus: Corpus, frames: int, changed: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Windows (N, 1920) and channels (N, 8) of at least `frames` frames; each utterance comes
    `changed` more times with another voice and microphone.
    """
    draw = torch.Generator().manual_seed(seed)
    heard, channels, count = [], [], 0
    for k in torch.randperm(len(corpus), generator=draw).tolist():
        mel, _, _ = corpus.utterance(k)
        truth = calm_truth(corpus, k)
        copies = [mel, *(augment.changed(mel[None], draw)[0] for _ in range(changed))]
        heard += [windows(normalised(copy)) for copy in copies]
        channels += [truth] * len(copies)
        count += len(truth)
        if count >= frames:
            break
    return torch.cat(heard), torch.cat(channels)


class Ridge:
    """Ridge regression on random features: rectified random projections of what is heard."""

    def __init__(self, heard: Tensor, channels: Tensor, seed: int = 0):
        draw = torch.Generator().manual_seed(seed)
        self.weights = torch.randn(heard.shape[1], FEATURES, generator=draw) / heard.shape[1] ** 0.5
        self.offsets = torch.randn(FEATURES, generator=draw)
        features = self._features(heard)
        self.mean = channels.mean(0)
        square = features.T @ features + RIDGE * torch.eye(features.shape[1])
        self.solution = torch.linalg.solve(square, features.T @ (channels - self.mean))

    def _features(self, heard: Tensor) -> Tensor:
        random = (heard @ self.weights + self.offsets).relu()
        return torch.cat([random, heard, torch.ones(len(heard), 1)], 1)

    def __call__(self, mel: Tensor) -> Tensor:
        """Channels (F, 8) of a spectrogram."""
        return self._features(windows(normalised(mel))) @ self.solution + self.mean


class Nearest:
    """The mouth of the window of the training that sounds most alike."""

    def __init__(self, heard: Tensor, channels: Tensor):
        chosen = torch.randperm(len(heard), generator=torch.Generator().manual_seed(0))[:NEAREST]
        self.heard, self.channels = heard[chosen], channels[chosen]

    def __call__(self, mel: Tensor) -> Tensor:
        """Channels (F, 8) of a spectrogram."""
        return self.channels[torch.cdist(windows(normalised(mel)), self.heard).argmin(1)]


def loud_jaw(mel: Tensor) -> Tensor:
    """The jaw opens as it is loud, nothing else moves."""
    level = mel[:, : BANDS // 2].mean(1)
    centres = ((torch.arange(frame_count(mel)) + 0.5) * MELS_A_FRAME).long().clamp_max(len(mel) - 1)
    loud = level[centres]
    span = (loud.max() - loud.min()).clamp_min(1e-6)
    channels = torch.zeros(len(loud), len(MOUTH))
    channels[:, 0] = 0.4 * (loud - loud.min()) / span
    return channels


def mean_mouth(channels: Tensor) -> Mouth:
    """The mean of the training, always."""
    return lambda mel: channels.mean(0).expand(frame_count(mel), -1)
