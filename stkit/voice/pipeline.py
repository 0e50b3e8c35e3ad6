"""Style-E as a diffusers pipeline: sound and a sentence in, motion out, of any length."""

from typing import Any

import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from stkit.voice.mel import MELS_A_FRAME, frame_count, mel_spectrogram, normalised
from stkit.voice.networks import NEW, PAST, WINDOW, MotionDenoiser, SpeechEncoder
from stkit.voice.states import CHANNELS, Scale

NOISE_LEVELS = 1000
STEPS = 8  # of DDIM
SPEECH_GUIDANCE = 1.5  # with 1.5 more lips close at p, b and m than with 1
TEXT_GUIDANCE = 1.5  # with 1.5 a mild mood shows as the teacher shows it, with 1 less


def new_schedule() -> DDIMScheduler:
    """The release's cosine schedule; the network's answer is the clean motion."""
    return DDIMScheduler(
        NOISE_LEVELS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="sample",
        clip_sample=False,
        timestep_spacing="trailing",
    )


class StyleEPipeline(DiffusionPipeline):
    """Speech encoder, denoiser, text encoder, tokenizer and schedule; mean and deviation (71,) of
    states are numbers of its configuration.
    """

    def __init__(
        self,
        speech: SpeechEncoder,
        denoiser: MotionDenoiser,
        text: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        scheduler: DDIMScheduler,
        mean: list[float] | None = None,
        deviation: list[float] | None = None,
        diffusion: bool = True,
    ):
        super().__init__()
        self.register_modules(
            speech=speech, denoiser=denoiser, text=text, tokenizer=tokenizer, scheduler=scheduler
        )
        self.register_to_config(mean=mean, deviation=deviation, diffusion=diffusion)

    @property
    def scale(self) -> Scale:
        """In whose units the denoiser works."""
        return Scale(torch.tensor(self.config.mean), torch.tensor(self.config.deviation))

    def __call__(self, sound: Tensor, text: str = "", seed: int = 0, **options: Any) -> Tensor:
        """States (F, 71), 25 frames a second, of a sound (N,) of 16 kHz; see `states`."""
        return self.states(mel_spectrogram(sound), text, seed, **options)

    @torch.no_grad()
    def states(
        self,
        mel: Tensor,
        text: str = "",
        seed: int = 0,
        steps: int = STEPS,
        speech_guidance: float = SPEECH_GUIDANCE,
        text_guidance: float = TEXT_GUIDANCE,
        pose: Tensor | None = None,
    ) -> Tensor:
        """States (F, 71), 25 frames a second, of a spectrogram (T, 80) spoken as `text` says.

        Guidance follows x = x(0, 0) + s_a [x(a, 0) - x(0, 0)] + s_t [x(a, T) - x(a, 0)] with a for
        sound and T for text; at s_a = s_t = 1 it is x(a, T). pose (F, 6): given, not made.
        """
        frames = frame_count(mel)
        windows = -(-frames // NEW)
        codes = self.speech_codes(mel, windows * NEW)
        words = self.text_code(text)
        draw = torch.Generator().manual_seed(seed)
        made = torch.zeros(PAST, CHANNELS)
        given = None if pose is None else self.scale.small(_with_pose(pose, windows * NEW))
        guidance = (speech_guidance, text_guidance)
        for k in range(windows):
            speech = codes[k * NEW : k * NEW + WINDOW]
            noise = torch.randn(NEW, CHANNELS, generator=draw)
            known = given[k * NEW : (k + 1) * NEW] if given is not None else None
            new = self._window(noise, made[-PAST:], k > 0, speech, words, steps, guidance, known)
            made = torch.cat([made, new])
        return self.scale.large(made[PAST : PAST + frames])

    def speech_codes(self, mel: Tensor, frames: int) -> Tensor:
        """Codes (8 + frames, W) of the frames and of eight before them."""
        times = torch.arange(-PAST, frames) + 0.5
        return self.speech(normalised(mel)[None], (times * MELS_A_FRAME)[None])[0]

    def text_code(self, text: str) -> Tensor:
        """Code (128,) of a sentence; of none where it is empty."""
        if not text.strip():
            return self.denoiser.no_text
        tokens = self.tokenizer([text.lower()], truncation=True, return_tensors="pt")
        return self.text(**tokens).pooler_output[0]

    def _window(
        self,
        noise: Tensor,
        past: Tensor,
        has_past: bool,
        speech: Tensor,
        words: Tensor,
        steps: int,
        guidance: tuple[float, float],
        given: Tensor | None,
    ) -> Tensor:
        """The new frames (32, 71) of a window, in deviations."""
        known = torch.zeros(WINDOW, dtype=torch.bool)
        known[:PAST] = has_past
        head = past if has_past else torch.zeros_like(past)
        predict = self._predictor(known, speech, words, guidance)
        if not self.config.diffusion:
            return predict(torch.cat([head, torch.zeros_like(noise)]), 0)[PAST:]
        self.scheduler.set_timesteps(steps)
        x = noise
        for t in self.scheduler.timesteps:
            clean = predict(torch.cat([head, x]), int(t))[PAST:]
            if given is not None:
                clean[:, _pose_columns()] = given[:, _pose_columns()]
            x = self.scheduler.step(clean, t, x).prev_sample
        return x

    def _predictor(self, known: Tensor, speech: Tensor, words: Tensor, guidance) -> Any:
        """predict(x, t): the clean window, guided."""
        s_a, s_t = guidance
        codes, texts = [speech], [words]
        if (s_a, s_t) != (1.0, 1.0):
            silent, none = self.speech.nothing.expand_as(speech), self.denoiser.no_text
            codes, texts = [speech, speech, silent], [words, none, none]
        count = len(codes)
        all_codes, all_texts = torch.stack(codes), torch.stack(texts)

        def predict(x: Tensor, t: int) -> Tensor:
            levels = torch.full((count,), t)
            batch = x.expand(count, *x.shape), known.expand(count, -1), levels
            found = self.denoiser(*batch, all_codes, all_texts)
            if count == 1:
                return found[0]
            both, speech_alone, neither = found
            return neither + s_a * (speech_alone - neither) + s_t * (both - speech_alone)

        return predict


def _pose_columns() -> slice:
    return slice(CHANNELS - 7, CHANNELS - 1)


def _with_pose(pose: Tensor, frames: int) -> Tensor:
    """States (frames, 71) that hold a pose (F, 6), which stays as it ends."""
    states = torch.zeros(frames, CHANNELS)
    count = min(frames, len(pose))
    states[:count, _pose_columns()] = pose[:count]
    states[count:, _pose_columns()] = pose[-1]
    return states
