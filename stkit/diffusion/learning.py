"""What the trainings of both tiny models share: the loop with its deadline, the checkpoint, the autoencoder's loss, the account of it all."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from stkit.training import cosine


class State:
    """Step count, losses and a checkpoint of what learns; saved every two minutes, read without unpickling objects."""

    def __init__(self, folder: Path, **parts):
        self.folder, self.parts, self.step, self.losses, self.seconds = folder, parts, 0, [], 0.0
        self._last = self._begun = time.monotonic()
        if (folder / "checkpoint.pt").exists():
            saved = torch.load(folder / "checkpoint.pt", weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(saved["parts"][name])
            torch.set_rng_state(saved["random"])
            self.step, self.losses, self.seconds = saved["step"], saved["losses"], saved["seconds"]
        self._before = self.seconds

    def note(self, step: int, loss: Tensor) -> None:
        """Record the loss with which step number `step` was finished."""
        self.step = step
        self.losses.append(round(float(loss.detach()), 5))
        self.seconds = self._before + time.monotonic() - self._begun
        if time.monotonic() - self._last > 120:
            self.save()
            self._last = time.monotonic()

    def save(self) -> None:
        """Write the checkpoint and, for people, progress.json."""
        self.folder.mkdir(parents=True, exist_ok=True)
        progress = {"step": self.step, "losses": self.losses, "seconds": round(self.seconds, 1)}
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        torch.save(
            {**progress, "parts": parts, "random": torch.get_rng_state()},
            self.folder / "checkpoint.tmp",
        )
        (self.folder / "checkpoint.tmp").replace(self.folder / "checkpoint.pt")
        (self.folder / "progress.json").write_text(json.dumps(progress))


def descend(
    state: State,
    total: int,
    loss_of: Callable[[int], Tensor],
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    rate: float,
    warm: int,
    floor: float,
    deadline: float,
    after: Callable[[], None] = lambda: None,
    progress=lambda x, **k: x,
    title: str = "",
) -> bool:
    """Steps from where the state stands to `total`, or until `deadline` (time.monotonic()); True if all are done.

    The rate rises over `warm` steps and falls as a cosine to `floor` of itself; after() follows each step.
    """
    for step in progress(range(state.step, total), desc=title, initial=state.step, total=total):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (step + 1) / warm) * cosine(step, total, floor)
        loss = loss_of(step)
        optimiser.zero_grad()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        after()
        state.note(step + 1, loss)
        if time.monotonic() > deadline:
            break
    state.save()
    return state.step >= total


def quarter(x: Tensor, rng: np.random.Generator) -> Tensor:
    """One crop of half the height and width for the whole batch (N, 3, S, S)."""
    top, left = rng.integers(x.shape[-1] // 2 + 1, size=2)
    return x[..., top : top + x.shape[-1] // 2, left : left + x.shape[-1] // 2]


def picture_loss(x: Tensor, y: Tensor, posterior) -> Tensor:
    """L1 of pictures (N, 3, H, W) on pixels and on their differences to the neighbours (edges), with a light KL term."""
    edges = sum((y.diff(dim=k) - x.diff(dim=k)).abs().mean() for k in (-1, -2))
    return (y - x).abs().mean() + edges + 1e-6 * posterior.kl().mean()


@torch.no_grad()
def latents(vae, pictures: Tensor) -> Tensor:
    """Latents (..., c, h, w) of pictures (..., 3, S, S), uint8."""
    flat = pictures.flatten(0, -4)
    return torch.cat(
        [vae.encode(signed(x).to(vae.device)).latent_dist.mode().cpu() for x in flat.split(64)]
    ).unflatten(0, pictures.shape[:-3])


def signed(x: Tensor) -> Tensor:
    """uint8 to [-1, 1]."""
    return x.float() / 127.5 - 1


def stages(folder: Path, *names: str) -> dict[str, dict]:
    """Steps, seconds and last losses of trainings whose states lie in `folder`; draws their curves there."""
    from PIL import Image

    from stkit.io.images import curves

    told = {name: json.loads((folder / name / "progress.json").read_text()) for name in names}
    for name, s in told.items():
        Image.fromarray(curves({name: s["losses"]}, name, smooth=100)).save(folder / f"{name}.png")
    return {
        n: {
            "steps": s["step"],
            "seconds": s["seconds"],
            "loss": round(float(np.mean(s["losses"][-300:])), 4),
        }
        for n, s in told.items()
    }


def millions(*parts: torch.nn.Module) -> dict[str, float]:
    """How many million parameters each has."""
    return {type(m).__name__: round(sum(p.numel() for p in m.parameters()) / 1e6, 2) for m in parts}
