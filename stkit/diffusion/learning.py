"""What the trainings of both tiny models share: loop, checkpoint, autoencoder's loss, record."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor

from stkit.io.images import curves
from stkit.io.tensors import load_tree, save_tree
from stkit.training import cosine

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_SECONDS = 120.0  # between two checkpoints
LARGEST_GRADIENT = 1.0  # norm that gradients are clipped to
KL_WEIGHT = 1e-6  # of the autoencoder's latents, as Stable Diffusion's
ENCODED_AT_ONCE = 64  # pictures
LAST_LOSSES = 300  # steps that the recorded loss is the mean of


class State:
    """Step count, losses, seconds and a checkpoint of what learns, in a folder of its own; without
    a folder nothing is written.

    `parts`: by name, objects with state_dict and load_state_dict; they go on from the folder's
    checkpoint where there is one, and so does torch's random state. ValueError naming the file if
    it is damaged.
    """

    def __init__(self, folder: Path | None, **parts: Any):
        self.folder = folder
        self.parts = parts
        self.step = 0
        self.losses: list[float] = []
        self.seconds = 0.0
        if folder and (folder / CHECKPOINT).exists():
            self._resume(folder / CHECKPOINT)
        self._seconds_before = self.seconds
        self._begun = self._last_saved = time.monotonic()

    def _resume(self, file: Path) -> None:
        saved = cast(dict[str, Any], load_tree(file))
        for name, part in self.parts.items():
            part.load_state_dict(saved["parts"][name])
        torch.set_rng_state(saved["random"])
        self.step, self.losses, self.seconds = saved["step"], saved["losses"], saved["seconds"]

    def record(self, step: int, loss: Tensor) -> None:
        """Note the loss with which step number `step` was finished; saves every two minutes."""
        self.step = step
        self.losses.append(round(float(loss.detach()), 5))
        self.seconds = self._seconds_before + time.monotonic() - self._begun
        if time.monotonic() - self._last_saved > CHECKPOINT_SECONDS:
            self.save()
            self._last_saved = time.monotonic()

    def save(self) -> None:
        """Write the checkpoint and, for people, progress.json."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        progress = {"step": self.step, "losses": self.losses, "seconds": round(self.seconds, 1)}
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        save_tree(
            self.folder / CHECKPOINT, {**progress, "parts": parts, "random": torch.get_rng_state()}
        )
        (self.folder / "progress.json").write_text(json.dumps(progress))


@dataclass(frozen=True)
class Optimisation:
    """A model and how it learns.

    The rate rises over `warm_up` steps and falls as a cosine to `floor` of itself.

    model and optimiser are as the accelerator prepared them. after() follows each step.
    """

    title: str
    model: torch.nn.Module
    optimiser: torch.optim.Optimizer
    accelerator: Accelerator
    steps: int
    rate: float
    warm_up: int
    floor: float
    after: Callable[[], None] = lambda: None


def half_precision() -> Accelerator:
    """An accelerator that computes in bf16, where the machine can.

    Elsewhere bf16 is imitated, on CPUs several times slower than full precision; that is used then.
    """
    can = torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported()
    return Accelerator(mixed_precision="bf16" if can else "no")


def optimise(
    plan: Optimisation,
    state: State,
    loss_of: Callable[[int], Tensor],
    deadline: float,
    progress=lambda x, **k: x,
) -> bool:
    """Take steps to the plan's end, or until `deadline` (time.monotonic()).

    loss_of(step) gives the loss to differentiate. True if all steps are done.
    """
    steps = range(state.step, plan.steps)
    for step in progress(steps, desc=plan.title, initial=state.step, total=plan.steps):
        warm = min(1, (step + 1) / plan.warm_up)
        for group in plan.optimiser.param_groups:
            group["lr"] = plan.rate * warm * cosine(step, plan.steps, plan.floor)
        loss = loss_of(step)
        plan.optimiser.zero_grad()
        plan.accelerator.backward(loss)
        plan.accelerator.clip_grad_norm_(plan.model.parameters(), LARGEST_GRADIENT)
        plan.optimiser.step()
        plan.after()
        state.record(step + 1, loss)
        if time.monotonic() > deadline:
            break
    state.save()
    return state.step >= plan.steps


def quarter(x: Tensor, rng: np.random.Generator) -> Tensor:
    """One crop of half the height and width for the whole batch (N, 3, S, S)."""
    half = x.shape[-1] // 2
    top, left = rng.integers(half + 1, size=2)
    return x[..., top : top + half, left : left + half]


def picture_loss(x: Tensor, y: Tensor, posterior: Any) -> Tensor:
    """Loss of decoded pictures y against x (N, 3, H, W).

    L1 on pixels and on their differences to the neighbours (edges), with a light KL term of the
    `posterior`, the VAE's distribution of latents.
    """
    edges_down = (y.diff(dim=-1) - x.diff(dim=-1)).abs().mean()
    edges_across = (y.diff(dim=-2) - x.diff(dim=-2)).abs().mean()
    edges = edges_down + edges_across
    return (y - x).abs().mean() + edges + KL_WEIGHT * posterior.kl().mean()


@torch.no_grad()
def latents(vae: Any, pictures: Tensor) -> Tensor:
    """Latents (..., c, h, w) of pictures (..., 3, S, S), uint8."""
    parts = pictures.flatten(0, -4).split(ENCODED_AT_ONCE)
    encoded = [vae.encode(signed(x).to(vae.device)).latent_dist.mode().cpu() for x in parts]
    return torch.cat(encoded).unflatten(0, pictures.shape[:-3])


def signed(x: Tensor) -> Tensor:
    """uint8 to [-1, 1]."""
    return x.float() / 127.5 - 1


def training_record(folder: Path, *names: str) -> dict[str, dict[str, float]]:
    """Steps, seconds and last losses of the trainings in `folder`; draws their curves there."""
    record = {}
    for name in names:
        progress = json.loads((folder / name / "progress.json").read_text())
        losses = progress["losses"]
        picture = curves({name: losses}, name, smooth=100)
        Image.fromarray(picture).save(folder / f"{name}.png")
        record[name] = {
            "steps": progress["step"],
            "seconds": progress["seconds"],
            "loss": round(float(np.mean(losses[-LAST_LOSSES:])), 4),
        }
    return record


def millions(*parts: torch.nn.Module) -> dict[str, float]:
    """How many million parameters each has, by its class."""
    return {type(m).__name__: round(sum(p.numel() for p in m.parameters()) / 1e6, 2) for m in parts}
