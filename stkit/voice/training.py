"""Train Style-E: `python -m stkit.voice.training --corpus runs/voice --minutes 120`.

Stop it any time; the same command goes on. `stkit.voice.corpus` makes the speech.
"""

import argparse
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from stkit.diffusion.byte_pairs import save_tokenizer
from stkit.diffusion.learning import (
    Optimisation,
    State,
    half_precision,
    millions,
    optimise,
    training_record,
)
from stkit.diffusion.tiny.models import new_text_encoder
from stkit.progress import bar
from stkit.voice.batches import Batch, Batches
from stkit.voice.corpus import Corpus
from stkit.voice.losses import motion_loss
from stkit.voice.networks import PAST, MotionDenoiser, SpeechEncoder
from stkit.voice.phrasing import sentence, taught_sentences
from stkit.voice.pipeline import NOISE_LEVELS, StyleEPipeline, new_schedule
from stkit.voice.speaking import load_style_e
from stkit.voice.words import widen

TEXT_LENGTH = 48  # tokens
NO_PAST = 0.3  # of the windows do not know the frames before
PAST_NOISE = 0.05  # deviations: at use the past is what the model made, not the truth
DROP = 0.05  # of the windows go without text, without sound, and without both, each; twice for text
EMA_DECAY = 0.999


@dataclass(frozen=True)
class Settings:
    """Where, how much, and how fast. word_steps: of the text encoder afterwards, see `words`.
    diffusion: predict from noise; without it the same networks predict motion from sound and words
    alone, in one step. start: a trained pipeline to go on from, None: from nothing.
    """

    folder: Path
    corpus: Path
    start: Path | None = None
    steps: int = 4_000
    batch: int = 64
    rate: float = 6e-4
    width: int = 256
    word_steps: int = 1500
    seed: int = 0
    diffusion: bool = True


class Training:
    """Speech encoder, text encoder and denoiser learn together to predict clean motion."""

    def __init__(self, settings: Settings):
        self.settings = settings
        torch.manual_seed(settings.seed)
        self.batches = Batches(Corpus.load(settings.corpus / "training.safetensors"), settings.seed)
        self.tokenizer = save_tokenizer(
            settings.folder / "tokenizer", taught_sentences(), TEXT_LENGTH
        )
        tokenizer = self.tokenizer
        text = new_text_encoder(
            len(tokenizer), TEXT_LENGTH, tokenizer.bos_token_id, tokenizer.eos_token_id
        )
        self.speech, self.text = SpeechEncoder(settings.width), text
        self.denoiser = MotionDenoiser(width=settings.width)
        if settings.start:
            self._take_over(load_style_e(settings.start))
        self.networks = nn.ModuleDict(
            {"speech": self.speech, "denoiser": self.denoiser, "text": self.text}
        )
        self.accelerator = half_precision()
        optimiser = torch.optim.AdamW(
            self.networks.parameters(), lr=settings.rate, weight_decay=1e-2, fused=True
        )
        self.both, self.optimiser = self.accelerator.prepare(self.networks, optimiser)
        self.ema = EMAModel(self.networks.parameters(), decay=EMA_DECAY)
        self.state = State(
            settings.folder, both=self.networks, optimiser=self.optimiser, ema=self.ema
        )
        self.schedule = new_schedule()
        self.rng = random.Random(repr((settings.seed, self.state.step)))

    def _take_over(self, known: StyleEPipeline) -> None:
        """Begin with another pipeline's networks, tokenizer and scale. Its units stay those of the
        states.
        """
        self.speech, self.denoiser, self.text = known.speech, known.denoiser, known.text
        for network in (self.speech, self.denoiser, self.text):
            network.train()
        self.tokenizer = known.tokenizer
        self.batches.scale = known.scale

    def run(self, deadline: float, progress=lambda x, **k: x) -> Path:
        """Train until done or `deadline` (time.monotonic()); the folder of the pipeline."""
        plan = Optimisation(
            "style-e",
            self.both,
            self.optimiser,
            self.accelerator,
            self.settings.steps,
            self.settings.rate,
            warm_up=500,
            floor=0.02,
            after=lambda: self.ema.step(self.networks.parameters()),
        )
        optimise(plan, self.state, self.loss, deadline, progress)
        self.ema.store(self.networks.parameters())
        self.ema.copy_to(self.networks.parameters())
        folder = self.settings.folder / "pipeline"
        self._save(folder)
        self.ema.restore(self.networks.parameters())
        return folder

    def _save(self, folder: Path) -> None:
        scale = self.batches.scale
        text = widen(self.text, self.tokenizer, self.settings.seed, self.settings.word_steps)
        pipe = StyleEPipeline(
            self.speech,
            self.denoiser,
            text,
            self.tokenizer,
            self.schedule,
            scale.mean.tolist(),
            scale.deviation.tolist(),
            self.settings.diffusion,
        )
        pipe.to(torch.float16)
        pipe.save_pretrained(folder, safe_serialization=True)
        pipe.to(torch.float32)
        record = {
            "planned_steps": self.settings.steps,
            "batch": self.settings.batch,
            "rate": self.settings.rate,
            "seed": self.settings.seed,
            "start": str(self.settings.start or ""),
            "millions": millions(*self.networks.values()),
            "hours_of_speech": round(float(self.batches.corpus.ends[-1, 1]) / 25 / 3600, 2),
        }
        record |= training_record(self.settings.folder.parent, self.settings.folder.name)
        (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")

    def loss(self, step: int) -> Tensor:
        """Weighted squared error of the predicted motion, its lips' gap and its velocity."""
        batch = self.batches.take(self.settings.batch)
        truth, known = batch.states, self._known(batch)
        t = (NOISE_LEVELS * torch.rand(len(truth)).sqrt()).long()
        noise = torch.randn_like(truth)
        x = self.schedule.add_noise(truth, noise, t) if self.settings.diffusion else 0 * truth
        past = truth + PAST_NOISE * noise
        x = torch.where(known[..., None], past, x)
        x[:, :PAST] = x[:, :PAST] * known[:, :PAST, None]
        if not self.settings.diffusion:
            t = torch.zeros_like(t)
        speech, text = self._conditions(batch)
        with self.accelerator.autocast():
            found = self.denoiser(x, known, t, speech, text)
        return motion_loss(found.float()[:, PAST:], truth[:, PAST:], self.batches.scale)

    def _known(self, batch: Batch) -> Tensor:
        """Which frames (B, 40) are given: those of the past, where there are such, mostly."""
        known = torch.zeros(batch.states.shape[:2], dtype=torch.bool)
        known[:, :PAST] = (batch.past & (torch.rand(len(known)) > NO_PAST))[:, None]
        return known

    def _conditions(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Codes of speech (B, 40, W) and text (B, 128); some are dropped."""
        sentences = [sentence(feeling, self.rng) for feeling in batch.feelings]
        options = {"padding": True, "truncation": True, "return_tensors": "pt"}
        tokens = self.tokenizer(sentences, **options)
        with self.accelerator.autocast():
            speech = self.speech(batch.mel, batch.positions)
            text = self.text(**tokens).pooler_output
        drawn = torch.rand(len(sentences)) / DROP
        no_speech, no_text = drawn < 2, (drawn >= 1) & (drawn < 4)
        nothing, none = self.speech.nothing, self.denoiser.no_text
        speech = torch.where(no_speech[:, None, None], nothing.to(speech.dtype), speech)
        return speech, torch.where(no_text[:, None], none.to(text.dtype), text)


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/style-e"))
    parser.add_argument("--corpus", type=Path, default=Path("runs/voice"))
    parser.add_argument("--start", type=Path, help="go on from this pipeline, as with other speech")
    parser.add_argument("--minutes", type=float, default=120.0, help="stop after this long")
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--batch", type=int, default=Settings.batch)
    parser.add_argument("--rate", type=float, default=Settings.rate, help="highest learning rate")
    parser.add_argument("--width", type=int, default=Settings.width)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-diffusion", action="store_true", help="the baseline without noise")
    a = parser.parse_args(arguments)
    diffusion = not a.no_diffusion
    settings = Settings(
        a.folder,
        a.corpus,
        a.start,
        a.steps,
        a.batch,
        a.rate,
        a.width,
        seed=a.seed,
        diffusion=diffusion,
    )
    deadline = time.monotonic() + 60 * a.minutes
    training = Training(settings)
    folder = training.run(deadline, bar)
    print(f"{training.state.step} steps; pipeline in {folder}")


if __name__ == "__main__":
    main()
