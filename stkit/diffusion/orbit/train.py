"""Train the tiny orbit model: `python -m stkit.diffusion.orbit.train --minutes 90`. Stop it any time; the same command goes on.

First the autoencoder, then UNet and image encoder on its latents, all 18 views of one person at a time.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import (
    _resize_with_antialiasing,
)
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
from stkit.diffusion.orbit import models
from stkit.diffusion.orbit.data import make
from stkit.diffusion.v3d import FRAMES, V3DViews

FPS, BUCKET, NOISE = V3DViews.fps, V3DViews.bucket, V3DViews.noise


@dataclass(frozen=True)
class Settings:
    """Where, how much, and how fast. level_mean, level_spread: of log sigma, the noise a step sees."""

    folder: Path
    people: int = 1200
    autoencoder_steps: int = 9000
    orbit_steps: int = 12_000
    batch: int = 1
    rate: float = 1e-3
    drop: float = 0.1
    level_mean: float = 1.0
    level_spread: float = 1.6
    seed: int = 0


@dataclass(frozen=True)
class Turns:
    """Pictures (N, 3, S, S) and views (N, 18, 3, S, S) of all people, uint8."""

    pictures: Tensor
    views: Tensor

    @staticmethod
    def load(seeds: range, folder: Path, progress=lambda x, **k: x) -> "Turns":
        """Those of the seeds; what is not in `folder` yet is made."""
        parts = [
            np.load(make(range(k, min(k + 100, seeds.stop)), folder, progress))
            for k in range(seeds.start, seeds.stop, 100)
        ]
        return Turns(
            *(
                torch.from_numpy(np.concatenate([p[n] for p in parts])).movedim(-1, -3)
                for n in ("pictures", "views")
            )
        )

    def mirrored(self) -> "Turns":
        """The same people in a mirror: turned by 20 k degrees they are what the others are by -20 k."""
        return Turns(
            self.pictures.flip(-1), self.views.flip(-1)[:, [-k % FRAMES for k in range(FRAMES)]]
        )


def train_autoencoder(settings: Settings, turns: Turns, deadline: float, progress=lambda x, **k: x):
    """L1 on pixels, on their differences to the neighbours and on hue, with a light KL term, on six neighbouring views of one person.

    Brightness is most of the error and hue has a term of its own. Nine tenths of the steps see quarter crops.
    """
    accelerator = Accelerator()
    torch.manual_seed(settings.seed)
    vae = models.new_autoencoder()
    optimiser = torch.optim.AdamW(vae.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    vae, optimiser = accelerator.prepare(vae, optimiser)
    plain = accelerator.unwrap_model(vae)
    state = State(settings.folder / "autoencoder", vae=plain, optimiser=optimiser)
    rng = np.random.default_rng((settings.seed, state.step))

    def loss_of(step: int) -> Tensor:
        first = int(rng.integers(FRAMES))
        x = signed(
            turns.views[
                int(rng.integers(len(turns.views))), [(first + k) % FRAMES for k in range(6)]
            ]
        ).to(accelerator.device)
        x = quarter(x, rng) if step < 0.9 * settings.autoencoder_steps else x
        posterior = plain.encode(x).latent_dist
        y = plain.decode(posterior.sample(), num_frames=len(x)).sample
        hue = (y - x) - (y - x).mean(1, keepdim=True)
        return picture_loss(x, y, posterior) + 3 * hue.abs().mean()

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
    return plain, done


def look(picture: Tensor) -> Tensor:
    """What the image encoder sees of a picture (B, 3, S, S) in [-1, 1]: the pipeline's own preparation."""
    x = (_resize_with_antialiasing(picture, (224, 224)) + 1) / 2
    mean, std = (
        torch.tensor(v)[:, None, None] for v in (models.BLUR.image_mean, models.BLUR.image_std)
    )
    return (x - mean) / std


def train_orbit(settings: Settings, turns: Turns, vae, deadline: float, progress=lambda x, **k: x):
    """UNet and image encoder on EDM's velocity (lineage.md 3); the picture is dropped in a tenth of the steps, half of the people are mirrored.

    At noise level sigma the network sees (x + sigma n) / sqrt(sigma^2 + 1) and answers (n - sigma x) / sqrt(sigma^2 + 1).
    """
    accelerator = Accelerator()
    torch.manual_seed(settings.seed)
    both = torch.nn.ModuleDict({"unet": models.new_unet(), "eye": models.new_image_encoder()})
    optimiser = torch.optim.AdamW(
        both.parameters(), lr=settings.rate, weight_decay=1e-2, fused=True
    )
    both, optimiser = accelerator.prepare(both, optimiser)
    plain = accelerator.unwrap_model(both)
    ema = EMAModel(both.parameters(), decay=0.998)
    state = State(settings.folder / "orbit", both=plain, optimiser=optimiser, ema=ema)
    told = torch.tensor([[FPS, BUCKET, NOISE]], dtype=torch.float32)
    sides = [
        (t.pictures, latents(vae, t.pictures), latents(vae, t.views))
        for t in (turns, turns.mirrored())
    ]
    factor = float(1 / sides[0][2].std())
    vae.register_to_config(scaling_factor=factor)
    rng = np.random.default_rng((settings.seed, state.step))

    def loss_of(step: int) -> Tensor:
        pictures, conditions, views = sides[int(rng.integers(2))]
        n = rng.integers(len(pictures), size=settings.batch)
        x = views[n] * factor
        keep = torch.from_numpy(rng.random(settings.batch) >= settings.drop).float()
        condition = (conditions[n] + NOISE * torch.randn(conditions[n].shape)) * keep[
            :, None, None, None
        ]
        seen = plain["eye"](look(signed(pictures[n])).to(accelerator.device)).image_embeds * keep[
            :, None
        ].to(accelerator.device)
        sigma = torch.exp(
            settings.level_mean + settings.level_spread * torch.randn(settings.batch)
        ).clamp(0.002, 700)
        s, noise = sigma[:, None, None, None, None], torch.randn_like(x)
        root = (s.square() + 1).sqrt()
        given = torch.cat([(x + s * noise) / root, condition[:, None].expand_as(x)], 2).to(
            accelerator.device
        )
        wanted = ((noise - s * x) / root).to(accelerator.device)
        guess = plain["unet"](
            given,
            (0.25 * sigma.log()).to(accelerator.device),
            encoder_hidden_states=seen[:, None],
            added_time_ids=told.expand(settings.batch, -1).to(accelerator.device),
        ).sample
        return (guess - wanted).square().mean()

    descend(
        state,
        settings.orbit_steps,
        loss_of,
        accelerator,
        both,
        optimiser,
        settings.rate,
        300,
        0.03,
        deadline,
        lambda: ema.step(both.parameters()),
        progress,
        "orbit",
    )
    ema.copy_to(both.parameters())
    models.save_pipeline(settings.folder / "pipeline", vae, plain["unet"], plain["eye"])
    (settings.folder / "pipeline" / "training.json").write_text(
        json.dumps(account(settings, vae, *plain.values()), indent=1) + "\n"
    )
    return settings.folder / "pipeline", state


def account(settings: Settings, *parts: torch.nn.Module) -> dict:
    """What was trained, on how much, for how long, to which loss; for the model card."""
    plain = {k: v for k, v in asdict(settings).items() if k != "folder"}
    return {
        **plain,
        "millions": millions(*parts),
        **stages(settings.folder, "autoencoder", "orbit"),
    }


def main(arguments: list[str] | None = None) -> None:
    from stkit.progress import bar

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/orbit"))
    parser.add_argument(
        "--minutes", type=float, default=90.0, help="stop after this long; the same command goes on"
    )
    parser.add_argument("--people", type=int, default=Settings.people)
    parser.add_argument("--autoencoder-steps", type=int, default=Settings.autoencoder_steps)
    parser.add_argument("--orbit-steps", type=int, default=Settings.orbit_steps)
    parser.add_argument("--batch", type=int, default=Settings.batch)
    a = parser.parse_args(arguments)
    settings = Settings(
        a.folder,
        a.people,
        autoencoder_steps=a.autoencoder_steps,
        orbit_steps=a.orbit_steps,
        batch=a.batch,
    )
    deadline = time.monotonic() + 60 * a.minutes
    turns = Turns.load(range(a.people), a.folder / "data", bar)
    vae, done = train_autoencoder(settings, turns, deadline, bar)
    if not done:
        print(f"time is up in the autoencoder; the same command goes on ({settings.folder})")
        return
    folder, state = train_orbit(settings, turns, vae, deadline, bar)
    print(f"{state.step} orbit steps; pipeline in {folder}")


if __name__ == "__main__":
    main()
