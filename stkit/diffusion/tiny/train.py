"""Train the tiny InstructPix2Pix: `python -m stkit.diffusion.tiny.train --minutes 60`.

Stop it any time; the same command goes on. First the autoencoder, then UNet and text encoder on its
latents. Loss curves are written beside the weights. With `--start PIPELINE` the networks go on from
a pipeline that was trained before, whose autoencoder stays as it is.
"""

import argparse
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.training_utils import EMAModel
from torch import Tensor
from transformers import CLIPTextModel

from stkit.diffusion.learning import (
    Optimisation,
    State,
    half_precision,
    latents,
    millions,
    optimise,
    picture_loss,
    quarter,
    signed,
    training_record,
)
from stkit.diffusion.tiny import models, vocabulary
from stkit.diffusion.tiny.data import PICTURES, Pictures
from stkit.progress import bar

AUTOENCODER_RATE = 1e-3
CROPPED = 0.9  # of the autoencoder's steps see quarter crops, the rest whole pictures
NOISE_LEVELS = 1000
EMA_DECAY = 0.999  # of the weights that are kept


@dataclass(frozen=True)
class Settings:
    """Where, how much, and how fast.

    people are those of the seeds from `first` on. drop: share of steps without picture, without
    text, and without both, each. start: a trained pipeline's folder, to go on from.
    """

    folder: Path
    first: int = 0
    people: int = 400
    edits: int = 8
    autoencoder_steps: int = 6000
    autoencoder_batch: int = 8
    editor_steps: int = 9000
    batch: int = 16
    rate: float = 5e-4
    drop: float = 0.05
    seed: int = 0
    start: Path | None = None


def train_autoencoder(
    settings: Settings, pictures: Pictures, deadline: float, progress=lambda x, **k: x
) -> tuple[AutoencoderKL, bool]:
    """The autoencoder, and whether all its steps are done; see `learning.picture_loss`.

    `settings.start` gives its own, finished.

    Nine tenths of the steps see quarter crops, the rest whole pictures at half the batch.
    """
    if settings.start:
        return AutoencoderKL.from_pretrained(settings.start / "vae"), True
    accelerator = half_precision()
    torch.manual_seed(settings.seed)
    vae = models.new_autoencoder()
    optimiser = torch.optim.AdamW(
        vae.parameters(), lr=AUTOENCODER_RATE, weight_decay=0.0, fused=True
    )
    vae, optimiser = accelerator.prepare(vae, optimiser)
    plain = accelerator.unwrap_model(vae)
    state = State(settings.folder / "autoencoder", vae=plain, optimiser=optimiser)
    everything = torch.cat([pictures.images, pictures.edited.flatten(0, 1)])
    rng = np.random.default_rng((settings.seed, state.step))

    def loss_of(step: int) -> Tensor:
        crops = step < CROPPED * settings.autoencoder_steps
        batch = settings.autoencoder_batch // (1 if crops else 2)
        which = torch.from_numpy(rng.integers(len(everything), size=batch))
        x = signed(everything[which]).to(accelerator.device)
        x = quarter(x, rng) if crops else x
        if rng.random() < 0.5:
            x = x.flip(-1)
        with accelerator.autocast():
            posterior = vae.encode(x).latent_dist
            y = vae.decode(posterior.sample()).sample
        return picture_loss(x, y.float(), posterior)

    plan = Optimisation(
        "autoencoder",
        vae,
        optimiser,
        accelerator,
        settings.autoencoder_steps,
        AUTOENCODER_RATE,
        warm_up=100,
        floor=0.05,
    )
    return plain, optimise(plan, state, loss_of, deadline, progress)


class EditorTraining:
    """UNet and text encoder on the velocity, which is steadier than the noise in so few steps.

    `both` holds the two networks, as the accelerator prepared them.
    """

    def __init__(self, settings: Settings, pictures: Pictures, vae: AutoencoderKL):
        self.settings, self.vae, self.which = settings, vae, pictures.which
        self.accelerator = Accelerator()
        torch.manual_seed(settings.seed)
        self.tokenizer = vocabulary.tokenizer_of(settings.folder, settings.start)
        self._make_networks()
        self.images = latents(vae, pictures.images)
        self.edited = latents(vae, pictures.edited)
        self.factor = float(1 / self.edited.std())
        if settings.start:
            self.factor = vae.config.scaling_factor
        vae.register_to_config(scaling_factor=self.factor)
        self.schedule = models.new_schedule()
        self.no_text = self._tokens_of([""])[0]
        self.rng = random.Random(repr((settings.seed, self.state.step)))

    def _make_networks(self) -> None:
        tokenizer, settings = self.tokenizer, self.settings
        text = models.new_text_encoder(
            len(tokenizer),
            tokenizer.model_max_length,
            tokenizer.bos_token_id,
            tokenizer.eos_token_id,
        )
        unet = models.new_unet()
        if settings.start:
            text = CLIPTextModel.from_pretrained(settings.start / "text_encoder").float()
            unet = UNet2DConditionModel.from_pretrained(settings.start / "unet").float()
        both = torch.nn.ModuleDict({"unet": unet, "text": text})
        optimiser = torch.optim.AdamW(
            both.parameters(), lr=settings.rate, weight_decay=1e-2, fused=True
        )
        self.both, self.optimiser = self.accelerator.prepare(both, optimiser)
        self.networks = self.accelerator.unwrap_model(self.both)
        self.ema = EMAModel(self.both.parameters(), decay=EMA_DECAY)
        self.state = State(
            settings.folder / "editor",
            both=self.networks,
            optimiser=self.optimiser,
            ema=self.ema,
        )

    def _tokens_of(self, phrases: list[str]) -> Tensor:
        """Token numbers (P, L) of phrases."""
        options = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
        return self.tokenizer(phrases, **options).input_ids

    def run(self, deadline: float, progress=lambda x, **k: x) -> Path:
        """Train until done or `deadline` (time.monotonic()); the folder of the pipeline."""
        settings = self.settings
        plan = Optimisation(
            "editor",
            self.both,
            self.optimiser,
            self.accelerator,
            settings.editor_steps,
            settings.rate,
            warm_up=300,
            floor=0.05,
            after=lambda: self.ema.step(self.both.parameters()),
        )
        optimise(plan, self.state, self.loss, deadline, progress)
        self.ema.copy_to(self.both.parameters())
        unet, text = self.networks["unet"], self.networks["text"]
        folder = settings.folder / "pipeline"
        models.save_pipeline(folder, self.vae, unet, text, self.tokenizer)
        record = account(settings, self.vae, unet, text)
        (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")
        return folder

    def loss(self, step: int) -> Tensor:
        """Squared error of the velocity for a batch of edits drawn anew.

        Where the edit changes the picture the error counts more: a moustache is a hundredth of a
        latent's area, and would be a hundredth of the loss.
        """
        condition, target, ids = self._batch()
        noise = torch.randn_like(target)
        # high noise, where it is decided what the edit is, comes more often
        t = (NOISE_LEVELS * torch.rand(len(target)).sqrt()).long()
        noisy = self.schedule.add_noise(target, noise, t)
        velocity = self.schedule.get_velocity(target, noise, t)
        device = self.accelerator.device
        states = self.both["text"](ids.to(device))[0]
        x = torch.cat([noisy.to(device), condition.to(device)], 1)
        answer = self.both["unet"](x, t.to(device), encoder_hidden_states=states).sample
        error = (answer - velocity.to(device)).square()
        return (error * _weights(condition, target / self.factor).to(device)).mean()

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Latents of pictures and edits (B, 4, h, w), and tokens (B, L); some are dropped."""
        rng, settings = self.rng, self.settings
        people = [rng.randrange(len(self.images)) for _ in range(settings.batch)]
        edits = [rng.randrange(self.edited.shape[1]) for _ in people]
        condition = self.images[people].clone()
        target = self.edited[people, edits] * self.factor
        asked = [vocabulary.names()[int(self.which[i, j])] for i, j in zip(people, edits)]
        ids = self._tokens_of([vocabulary.sample(name, rng) for name in asked])
        for k in range(len(people)):
            draw = rng.random() / settings.drop
            if draw < 2:  # picture, or picture and text
                condition[k] = 0
            if 1 <= draw < 3:  # text, or picture and text
                ids[k] = self.no_text
        return condition, target, ids


def _weights(before: Tensor, after: Tensor) -> Tensor:
    """Weights (B, 1, h, w), 1 on average, of the places of edited latents (B, c, h, w).

    Half is the same everywhere, half is in proportion to the edit's change there.
    """
    change = (after - before).abs().mean(1, keepdim=True) + 1e-3
    return 0.5 + 0.5 * change / change.mean((2, 3), keepdim=True)


def account(settings: Settings, *parts: torch.nn.Module) -> dict:
    """What was trained, on how much, for how long, to which loss; for the model card."""
    record = {
        "first": settings.first,
        "people": settings.people,
        "pictures": PICTURES,
        "edits": settings.edits,
        "batch": settings.batch,
        "rate": settings.rate,
        "drop": settings.drop,
        "planned_steps": settings.editor_steps,
        "millions": millions(*parts),
    }
    if not settings.start:
        return record | training_record(settings.folder, "autoencoder", "editor")
    before = json.loads((settings.start / "training.json").read_text())
    return {
        **record,
        "autoencoder": before["autoencoder"],
        **training_record(settings.folder, "editor"),
        "before": {"people": before["people"], **before["editor"]},
    }


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/tiny"))
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="stop after this long; the same command goes on"
    )
    parser.add_argument("--first", type=int, default=Settings.first, help="seed of the first one")
    parser.add_argument("--people", type=int, default=Settings.people)
    parser.add_argument("--autoencoder-steps", type=int, default=Settings.autoencoder_steps)
    parser.add_argument("--editor-steps", type=int, default=Settings.editor_steps)
    parser.add_argument("--batch", type=int, default=Settings.batch)
    parser.add_argument("--rate", type=float, default=Settings.rate)
    parser.add_argument("--start", type=Path, help="a trained pipeline's folder, to go on from")
    a = parser.parse_args(arguments)
    settings = Settings(
        a.folder,
        a.first,
        a.people,
        autoencoder_steps=a.autoencoder_steps,
        editor_steps=a.editor_steps,
        batch=a.batch,
        rate=a.rate,
        start=a.start,
    )
    deadline = time.monotonic() + 60 * a.minutes
    seeds = range(settings.first, settings.first + settings.people)
    pictures = Pictures(seeds, settings.edits, settings.folder / "data", bar)
    vae, done = train_autoencoder(settings, pictures, deadline, bar)
    if not done:
        print(f"time is up in the autoencoder; the same command goes on ({settings.folder})")
        return
    training = EditorTraining(settings, pictures, vae)
    folder = training.run(deadline, bar)
    print(f"{training.state.step} editor steps; pipeline in {folder}")


if __name__ == "__main__":
    main()
