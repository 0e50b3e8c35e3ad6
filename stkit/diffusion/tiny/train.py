"""Train the tiny InstructPix2Pix: `python -m stkit.diffusion.tiny.train --minutes 60`. Stop it any time; the same command goes on.

First the autoencoder, then UNet and text encoder on its latents. Loss curves and a grid of samples are written beside the weights.
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
from diffusers.training_utils import EMAModel
from torch import Tensor

from stkit.diffusion.learning import (
    State,
    descend,
    latents,
    millions,
    picture_loss,
    quarter,
    signed,
    stages,
)
from stkit.diffusion.tiny import models, vocabulary
from stkit.diffusion.tiny.data import make


@dataclass(frozen=True)
class Settings:
    """Where, how much, and how fast."""

    folder: Path
    sittings: int = 1600
    edits: int = 8
    autoencoder_steps: int = 10_000
    editor_steps: int = 12_000
    batch: int = 16
    rate: float = 5e-4
    drop: float = 0.05
    seed: int = 0


class Pictures:
    """All sittings (N, 3, S, S) and their edits (N, E, 3, S, S) in memory, as uint8."""

    def __init__(self, settings: Settings, progress=lambda x, **k: x):
        files = [
            make(
                range(k, min(k + 200, settings.sittings)),
                settings.edits,
                settings.folder / "data",
                progress,
            )
            for k in range(0, settings.sittings, 200)
        ]
        parts = [np.load(f) for f in files]
        self.images = torch.from_numpy(np.concatenate([p["images"] for p in parts])).movedim(-1, -3)
        self.edited = torch.from_numpy(np.concatenate([p["edited"] for p in parts])).movedim(-1, -3)
        self.which = np.concatenate([p["which"] for p in parts])


def train_autoencoder(
    settings: Settings, pictures: Pictures, deadline: float, progress=lambda x, **k: x
):
    """L1 on pixels and on their differences to the neighbours (edges), with a light KL term.

    Four fifths of the steps see quarter crops, the rest whole pictures at half the batch.
    """
    accelerator = Accelerator()
    torch.manual_seed(settings.seed)
    vae = models.new_autoencoder()
    optimiser = torch.optim.AdamW(vae.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    vae, optimiser = accelerator.prepare(vae, optimiser)
    state = State(
        settings.folder / "autoencoder", vae=accelerator.unwrap_model(vae), optimiser=optimiser
    )
    everything = torch.cat([pictures.images, pictures.edited.flatten(0, 1)])
    rng = np.random.default_rng((settings.seed, state.step))

    def loss_of(step: int) -> Tensor:
        crops = step < 0.8 * settings.autoencoder_steps
        which = torch.from_numpy(
            rng.integers(
                len(everything), size=settings.batch if crops else max(settings.batch // 2, 1)
            )
        )
        x = signed(everything[which]).to(accelerator.device)
        x = quarter(x, rng) if crops else x
        if rng.random() < 0.5:
            x = x.flip(-1)
        posterior = vae.encode(x).latent_dist
        return picture_loss(x, vae.decode(posterior.sample()).sample, posterior)

    done = descend(
        state,
        settings.autoencoder_steps,
        loss_of,
        accelerator,
        vae,
        optimiser,
        1e-3,
        100,
        0.05,
        deadline,
        progress=progress,
        title="autoencoder",
    )
    return accelerator.unwrap_model(vae), done


def train_editor(
    settings: Settings, pictures: Pictures, vae, deadline: float, progress=lambda x, **k: x
):
    """UNet and text encoder on the velocity (steadier than the noise in so few steps); picture, text and both are dropped in 5 % of the cases each."""
    accelerator = Accelerator()
    torch.manual_seed(settings.seed)
    tokenizer = vocabulary.save_tokenizer(settings.folder / "tokenizer")
    text = models.new_text_encoder(
        len(tokenizer), tokenizer.model_max_length, tokenizer.bos_token_id, tokenizer.eos_token_id
    )
    unet = models.new_unet()
    both = torch.nn.ModuleDict({"unet": unet, "text": text})
    optimiser = torch.optim.AdamW(
        both.parameters(), lr=settings.rate, weight_decay=1e-2, fused=True
    )
    both, optimiser = accelerator.prepare(both, optimiser)
    ema = EMAModel(both.parameters(), decay=0.999)
    state = State(
        settings.folder / "editor",
        both=accelerator.unwrap_model(both),
        optimiser=optimiser,
        ema=ema,
    )
    images, edited = latents(vae, pictures.images), latents(vae, pictures.edited)
    factor = float(1 / edited.std())
    vae.register_to_config(scaling_factor=factor)
    schedule = models.new_schedule()
    names = vocabulary.names()
    tokens = {
        k: tokenizer(
            vocabulary.phrases(name), padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        for k, name in enumerate(names)
    }
    empty = tokenizer([""], padding="max_length", return_tensors="pt").input_ids
    rng = random.Random((settings.seed, state.step).__repr__())

    def loss_of(step: int) -> Tensor:
        n = [rng.randrange(len(images)) for _ in range(settings.batch)]
        e = [rng.randrange(edited.shape[1]) for _ in n]
        condition, target = images[n].clone(), edited[n, e] * factor
        ids = torch.stack([rng.choice(tokens[int(pictures.which[i, j])]) for i, j in zip(n, e)])
        for k in range(len(n)):
            luck = rng.random() / settings.drop
            if luck < 2:  # picture, or picture and text
                condition[k] = 0
            if 1 <= luck < 3:  # text, or picture and text
                ids[k] = empty[0]
        noise, t = torch.randn_like(target), torch.randint(0, 1000, (len(n),))
        noisy, wanted = (
            schedule.add_noise(target, noise, t),
            schedule.get_velocity(target, noise, t),
        )
        noisy, wanted, condition, ids, t = (
            x.to(accelerator.device) for x in (noisy, wanted, condition, ids, t)
        )
        states = both["text"](ids)[0]
        guess = both["unet"](
            torch.cat([noisy, condition], 1), t, encoder_hidden_states=states
        ).sample
        return (guess - wanted).square().mean()

    descend(
        state,
        settings.editor_steps,
        loss_of,
        accelerator,
        both,
        optimiser,
        settings.rate,
        300,
        0.05,
        deadline,
        lambda: ema.step(both.parameters()),
        progress,
        "editor",
    )
    ema.copy_to(both.parameters())
    models.save_pipeline(settings.folder / "pipeline", vae, unet, text, tokenizer)
    (settings.folder / "pipeline" / "training.json").write_text(
        json.dumps(account(settings, vae, unet, text), indent=1) + "\n"
    )
    return settings.folder / "pipeline", state


def account(settings: Settings, *parts: torch.nn.Module) -> dict:
    """What was trained, on how much, for how long, to which loss; for the model card."""
    told = {
        "sittings": settings.sittings,
        "edits": settings.edits,
        "batch": settings.batch,
        "drop": settings.drop,
        "planned_steps": settings.editor_steps,
    }
    return {
        **told,
        "millions": millions(*parts),
        **stages(settings.folder, "autoencoder", "editor"),
    }


def main(arguments: list[str] | None = None) -> None:
    from stkit.progress import bar

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/tiny"))
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="stop after this long; the same command goes on"
    )
    parser.add_argument("--sittings", type=int, default=1600)
    parser.add_argument("--autoencoder-steps", type=int, default=10_000)
    parser.add_argument("--editor-steps", type=int, default=12_000)
    parser.add_argument("--batch", type=int, default=16)
    a = parser.parse_args(arguments)
    settings = Settings(
        a.folder,
        a.sittings,
        autoencoder_steps=a.autoencoder_steps,
        editor_steps=a.editor_steps,
        batch=a.batch,
    )
    deadline = time.monotonic() + 60 * a.minutes
    pictures = Pictures(settings, bar)
    vae, done = train_autoencoder(settings, pictures, deadline, bar)
    if not done:
        print(f"time is up in the autoencoder; the same command goes on ({settings.folder})")
        return
    folder, state = train_editor(settings, pictures, vae, deadline, bar)
    print(f"{state.step} editor steps; pipeline in {folder}")


if __name__ == "__main__":
    main()
