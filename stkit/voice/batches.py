"""Batches of the training: windows of motion, the speech around them, and words for the emotion."""

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from stkit.voice import augment
from stkit.voice.acting import Direction
from stkit.voice.corpus import Corpus
from stkit.voice.emotions import NAMES
from stkit.voice.mel import BANDS, MELS_A_FRAME, RANGE
from stkit.voice.networks import NEW, PAST, WINDOW
from stkit.voice.phrasing import Feeling
from stkit.voice.states import CHANNELS, Scale, state_of

HEARD = 480  # mel steps, 6 seconds, over which a spectrogram is normalised in training
MARGIN = 24  # mel steps around a window that the encoder hears as well
LENGTH = math.ceil(WINDOW * MELS_A_FRAME) + 2 * MARGIN
NEUTRAL = 0.25  # of the utterances are spoken without emotion
SCALED_BY = 400  # utterances whose states give the scale


@dataclass(frozen=True)
class Batch:
    """mel (B, 176, 80), normalised; positions (B, 40) of the frames in it, in mel steps; states
    (B, 40, 71) in deviations; past (B,): whether the frames before the window exist; feelings: what
    was acted.
    """

    mel: Tensor
    positions: Tensor
    states: Tensor
    past: Tensor
    feelings: list[Feeling]


class Batches:
    """Draws windows out of a corpus whose utterances are acted anew, one by one."""

    def __init__(self, corpus: Corpus, seed: int, changed: bool = True, neutral: float = NEUTRAL):
        """changed: whether voices and microphones vary; neutral: share that is spoken without
        emotion.
        """
        self.corpus, self.changed, self.neutral = corpus, changed, neutral
        self.rng = random.Random(repr((seed, "batches")))
        self.draw = torch.Generator().manual_seed(self.rng.getrandbits(40))
        lengths = corpus.ends[:, 1].diff(prepend=torch.zeros(1, dtype=corpus.ends.dtype))
        self.usable = [k for k in range(len(corpus)) if lengths[k] >= NEW]
        self.feelings: dict[int, Feeling] = {}
        self.states: dict[int, Tensor] = {}
        for k in self.usable:
            self._act(k)
        self.scale = Scale.of(torch.cat([self.states[k] for k in self.usable[:SCALED_BY]]).float())
        self.next = 0

    def _act(self, k: int) -> None:
        """Act an utterance with another emotion and other habits."""
        calm = self.rng.random() < self.neutral
        name = NAMES[0] if calm else self.rng.choice(NAMES[1:])
        feeling = Feeling(name, self.rng.choice((1, 2, 3)))
        direction = Direction.of(feeling.name, feeling.level, self.rng.getrandbits(40))
        self.feelings[k] = feeling
        self.states[k] = state_of(self.corpus.utterance(k)[1], direction).half()

    def take(self, count: int) -> Batch:
        """`count` windows; one utterance is acted anew."""
        self._act(self.usable[self.next % len(self.usable)])
        self.next += 1
        chosen = [self.rng.choice(self.usable) for _ in range(count)]
        begins = [self.rng.randint(0, len(self.states[k]) - NEW) for k in chosen]
        states = torch.zeros(count, WINDOW, CHANNELS)
        for row, (k, begin) in enumerate(zip(chosen, begins)):
            first = max(begin - PAST, 0)
            part = self.states[k][first : begin + NEW].float()
            states[row, WINDOW - len(part) :] = self.scale.small(part)
        mel, positions = self._heard(chosen, begins)
        past = torch.tensor([begin >= PAST for begin in begins])
        return Batch(mel, positions, states, past, [self.feelings[k] for k in chosen])

    def _heard(self, chosen: list[int], begins: list[int]) -> tuple[Tensor, Tensor]:
        """Spectrograms around windows and the frames' positions in them."""
        crops = torch.full((len(chosen), HEARD, BANDS), -RANGE)
        ends, starts = torch.zeros(len(chosen), dtype=torch.long), []
        for row, (k, begin) in enumerate(zip(chosen, begins)):
            steps, _ = self.corpus.bounds(k)
            mel = self.corpus.mel[steps]
            window = int((begin - PAST) * MELS_A_FRAME) - MARGIN
            room = max(0, HEARD - LENGTH)
            first = max(0, min(window - self.rng.randint(0, room), len(mel) - HEARD))
            crop = mel[first : first + HEARD]
            crops[row, : len(crop)] = crop.float()
            ends[row] = len(crop)
            starts.append(window - first + LENGTH)
        if self.changed:
            crops = augment.changed(crops, self.draw)
        clean = functional.pad(_normalised(crops, ends), (0, 0, LENGTH, LENGTH))
        mel = torch.stack([clean[row, s : s + LENGTH] for row, s in enumerate(starts)])
        frames = torch.arange(WINDOW) + 0.5
        offsets = torch.tensor([(b - PAST) * MELS_A_FRAME for b in begins])
        floors = torch.tensor([int((b - PAST) * MELS_A_FRAME) for b in begins])
        positions = frames * MELS_A_FRAME + (offsets - floors)[:, None] + MARGIN
        return mel, positions


def _normalised(crops: Tensor, ends: Tensor) -> Tensor:
    """Crops (B, T, 80) with mean 0 and deviation 1 before `ends` (B,), 0 after it."""
    inside = (torch.arange(crops.shape[1]) < ends[:, None])[..., None].float()
    count = inside.sum(1, keepdim=True)
    mean = (crops * inside).sum(1, keepdim=True) / count
    deviation = (((crops - mean) * inside).square().sum(1, keepdim=True) / count).sqrt()
    return (crops - mean) / deviation.clamp_min(0.05) * inside
