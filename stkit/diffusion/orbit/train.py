"""Train the tiny orbit model: `python -m stkit.diffusion.orbit.train --minutes 90`.

Stop it any time; the same command goes on. First the autoencoder, then UNet and image encoder on
its latents, all 18 views of one person at a time.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import AutoencoderKLTemporalDecoder
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import (
    _resize_with_antialiasing,
)
from diffusers.training_utils import EMAModel
from torch import Tensor

from stkit.diffusion.learning import (
    Optimisation,
    State,
    latents,
    millions,
    optimise,
    picture_loss,
    quarter,
    signed,
    training_record,
)
from stkit.diffusion.orbit import models
from stkit.diffusion.orbit.data import make
from stkit.diffusion.v3d import V3DViews
from stkit.diffusion.v3d_cameras import FRAMES
from stkit.progress import bar

FPS, BUCKET, NOISE = V3DViews.fps, V3DViews.bucket, V3DViews.noise
PEOPLE_A_FILE = 100
AUTOENCODER_RATE = 1e-3
NEIGHBOURING_VIEWS = 6  # that the autoencoder sees at once
CROPPED = 0.9  # of the autoencoder's steps see quarter crops, the rest whole pictures
HUE_WEIGHT = 3.0  # of hue in the autoencoder's loss, of which brightness is most otherwise
EMA_DECAY = 0.998  # of the weights that are kept
SIGMA_MIN, SIGMA_MAX = 0.002, 700.0  # noise levels of SVD


@dataclass(frozen=True)
class Settings:
    """Where, how much, and how fast.

    drop: share of steps without the picture. level_mean, level_spread: of log sigma, the noise a
    step sees.
    """

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
        parts = []
        for first in range(seeds.start, seeds.stop, PEOPLE_A_FILE):
            some = range(first, min(first + PEOPLE_A_FILE, seeds.stop))
            parts.append(np.load(make(some, folder, progress)))

        def joined(name: str) -> Tensor:
            return torch.from_numpy(np.concatenate([p[name] for p in parts])).movedim(-1, -3)

        return Turns(joined("pictures"), joined("views"))

    def mirrored(self) -> "Turns":
        """The same people in a mirror: their view by 20 k degrees is the others' by -20 k."""
        backwards = [-k % FRAMES for k in range(FRAMES)]
        return Turns(self.pictures.flip(-1), self.views.flip(-1)[:, backwards])


def train_autoencoder(
    settings: Settings, turns: Turns, deadline: float, progress=lambda x, **k: x
) -> tuple[AutoencoderKLTemporalDecoder, bool]:
    """The autoencoder, and whether all its steps are done.

    The loss is `learning.picture_loss` and L1 on hue, on six neighbouring views of one person:
    brightness is most of the error, so hue has a term of its own. Nine tenths of the steps see
    quarter crops.
    """
    accelerator = Accelerator()
    torch.manual_seed(settings.seed)
    vae = models.new_autoencoder()
    optimiser = torch.optim.AdamW(
        vae.parameters(), lr=AUTOENCODER_RATE, weight_decay=0.0, fused=True
    )
    vae, optimiser = accelerator.prepare(vae, optimiser)
    plain = accelerator.unwrap_model(vae)
    state = State(settings.folder / "autoencoder", vae=plain, optimiser=optimiser)
    rng = np.random.default_rng((settings.seed, state.step))

    def loss_of(step: int) -> Tensor:
        first = int(rng.integers(FRAMES))
        some = [(first + k) % FRAMES for k in range(NEIGHBOURING_VIEWS)]
        person = int(rng.integers(len(turns.views)))
        x = signed(turns.views[person, some]).to(accelerator.device)
        x = quarter(x, rng) if step < CROPPED * settings.autoencoder_steps else x
        posterior = plain.encode(x).latent_dist
        y = plain.decode(posterior.sample(), num_frames=len(x)).sample
        hue = (y - x) - (y - x).mean(1, keepdim=True)
        return picture_loss(x, y, posterior) + HUE_WEIGHT * hue.abs().mean()

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


def encoder_input(picture: Tensor) -> Tensor:
    """The image encoder's input for a picture (B, 3, S, S) in [-1, 1], prepared by the pipeline."""
    x = (_resize_with_antialiasing(picture, (224, 224)) + 1) / 2
    mean = torch.tensor(models.BLUR.image_mean)[:, None, None]
    std = torch.tensor(models.BLUR.image_std)[:, None, None]
    return (x - mean) / std


@dataclass(frozen=True)
class _Encoded:
    """People as they are, or mirrored.

    pictures (N, 3, S, S) uint8; conditions (N, c, h, w), their latents; views (N, 18, c, h, w),
    the latents of their views.
    """

    pictures: Tensor
    conditions: Tensor
    views: Tensor


class OrbitTraining:
    """UNet and image encoder on EDM's velocity (lineage.md 3).

    At noise level sigma the network sees (x + sigma n) / sqrt(sigma^2 + 1) and answers (n - sigma
    x) / sqrt(sigma^2 + 1). The picture is dropped in a tenth of the steps, half of the people are
    mirrored.
    """

    def __init__(self, settings: Settings, turns: Turns, vae: AutoencoderKLTemporalDecoder):
        self.settings, self.vae = settings, vae
        self.accelerator = Accelerator()
        torch.manual_seed(settings.seed)
        both = torch.nn.ModuleDict({"unet": models.new_unet(), "eye": models.new_image_encoder()})
        optimiser = torch.optim.AdamW(
            both.parameters(), lr=settings.rate, weight_decay=1e-2, fused=True
        )
        self.both, self.optimiser = self.accelerator.prepare(both, optimiser)
        self.networks = self.accelerator.unwrap_model(self.both)
        self.ema = EMAModel(self.both.parameters(), decay=EMA_DECAY)
        self.state = State(
            settings.folder / "orbit", both=self.networks, optimiser=self.optimiser, ema=self.ema
        )
        self.time_ids = torch.tensor([[FPS, BUCKET, NOISE]], dtype=torch.float32)
        self.sides = [
            _Encoded(side.pictures, latents(vae, side.pictures), latents(vae, side.views))
            for side in (turns, turns.mirrored())
        ]
        self.factor = float(1 / self.sides[0].views.std())
        vae.register_to_config(scaling_factor=self.factor)
        self.rng = np.random.default_rng((settings.seed, self.state.step))

    def run(self, deadline: float, progress=lambda x, **k: x) -> Path:
        """Train until done or `deadline` (time.monotonic()); the folder of the pipeline."""
        settings = self.settings
        plan = Optimisation(
            "orbit",
            self.both,
            self.optimiser,
            self.accelerator,
            settings.orbit_steps,
            settings.rate,
            warm_up=300,
            floor=0.03,
            after=lambda: self.ema.step(self.both.parameters()),
        )
        optimise(plan, self.state, self.loss, deadline, progress)
        self.ema.copy_to(self.both.parameters())
        unet, eye = self.networks["unet"], self.networks["eye"]
        folder = settings.folder / "pipeline"
        models.save_pipeline(folder, self.vae, unet, eye)
        record = account(settings, self.vae, unet, eye)
        (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")
        return folder

    def loss(self, step: int) -> Tensor:
        """Squared error of the velocity for people and noise levels drawn anew."""
        settings, rng, device = self.settings, self.rng, self.accelerator.device
        side = self.sides[int(rng.integers(2))]
        n = rng.integers(len(side.pictures), size=settings.batch)
        x = side.views[n] * self.factor
        keep = torch.from_numpy(rng.random(settings.batch) >= settings.drop).float()
        noise_on_picture = NOISE * torch.randn(side.conditions[n].shape)
        condition = (side.conditions[n] + noise_on_picture) * keep[:, None, None, None]
        picture = encoder_input(signed(side.pictures[n])).to(device)
        embedding = self.networks["eye"](picture).image_embeds * keep[:, None].to(device)
        level = settings.level_mean + settings.level_spread * torch.randn(settings.batch)
        sigma = torch.exp(level).clamp(SIGMA_MIN, SIGMA_MAX)
        s, noise = sigma[:, None, None, None, None], torch.randn_like(x)
        root = (s.square() + 1).sqrt()
        noisy = torch.cat([(x + s * noise) / root, condition[:, None].expand_as(x)], 2)
        velocity = ((noise - s * x) / root).to(device)
        answer = self.networks["unet"](
            noisy.to(device),
            (0.25 * sigma.log()).to(device),  # EDM's name for a noise level
            encoder_hidden_states=embedding[:, None],
            added_time_ids=self.time_ids.expand(settings.batch, -1).to(device),
        ).sample
        return (answer - velocity).square().mean()


def account(settings: Settings, *parts: torch.nn.Module) -> dict:
    """What was trained, on how much, for how long, to which loss; for the model card."""
    plain = {k: v for k, v in asdict(settings).items() if k != "folder"}
    record = training_record(settings.folder, "autoencoder", "orbit")
    return {**plain, "millions": millions(*parts), **record}


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
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
    training = OrbitTraining(settings, turns, vae)
    folder = training.run(deadline, bar)
    print(f"{training.state.step} orbit steps; pipeline in {folder}")


if __name__ == "__main__":
    main()
