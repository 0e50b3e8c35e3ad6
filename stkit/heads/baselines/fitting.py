"""The baselines' training: the same frames, steps and losses of pictures for all of them."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from stkit.capture import Capture
from stkit.capture.frame_choice import sampling_probabilities
from stkit.geometry import generator
from stkit.heads.alignment import align_frames, show_frozen
from stkit.heads.baselines.deformed_points import DeformedPoints
from stkit.heads.baselines.posed import PosedGaussians
from stkit.heads.baselines.surface_gaussians import SurfaceGaussians
from stkit.heads.fit_gaussians import GaussianTraining
from stkit.heads.tracking_offsets import TrackingOffsets
from stkit.io.tensors import load_tensors, save_tensors
from stkit.metrics.pictures import iou_loss, ssim
from stkit.training import Training, cosine_schedule, reproducible, run_steps, seeded

BASELINES: dict[str, Callable[[Capture, torch.Generator], PosedGaussians]] = {
    "deformed-points": DeformedPoints,
    "surface-gaussians": SurfaceGaussians,
}


@reproducible()
def fit_baseline(
    name: str,
    capture: Capture,
    settings: GaussianTraining,
    frames: list[int],
    checkpoint: Path | None = None,
    progress=lambda x, **k: x,
) -> tuple[PosedGaussians, Capture, dict[str, list[float]]]:
    """Train a baseline on the frames alone; as `heads.fit_gaussians`, it returns the head, the
    capture with refined tracking, and the history of the loss.

    Steps, loss of pictures and offsets of head and chest are the Gaussian stage's own. Views and
    lattices are not given: none of the methods has them.
    """
    fit = _Fit(name, capture, settings, frames)
    history = run_steps(Training(name, settings.steps, fit.step, fit.state()), checkpoint, progress)
    others = sorted(set(range(len(capture))) - set(frames))
    aligned = align_frames(
        fit.offsets.tracked(capture),
        others,
        show=lambda t: show_frozen(fit.head, capture, t),
        target=lambda t: (capture.image(t), capture.matte(t)),
        steps=settings.track_steps,
        progress=progress,
    )
    return fit.head, aligned, history


def save_baseline(path: Path, name: str, head: PosedGaussians) -> None:
    """Write the head as safetensors."""
    save_tensors(path, head.state_dict(), {"baseline": name})


def load_baseline(path: Path, capture: Capture) -> PosedGaussians:
    """Read what `save_baseline` wrote; `capture` is the clip that the head was trained on."""
    state, meta = load_tensors(path, "baseline")
    head = BASELINES[meta["baseline"]](capture, torch.Generator())
    head.load_state_dict(state)
    return head


class _Fit:
    """The state of one training."""

    def __init__(self, name: str, capture: Capture, settings: GaussianTraining, frames: list[int]):
        self.capture, self.settings, self.frames = capture, settings, frames
        self.generator = generator(settings.seed, name)
        with seeded(settings.seed):
            self.head = BASELINES[name](capture, self.generator)
        self.offsets = TrackingOffsets(capture)
        tracking = self.offsets.groups(settings.lr_track, 0.0)
        self.optimiser = torch.optim.Adam([*self.head.groups(), *tracking], eps=1e-15)
        self.schedule = cosine_schedule(self.optimiser, settings.steps, floor=0.05)
        self.chance = sampling_probabilities(capture, frames, settings.rare)

    def state(self) -> dict:
        """What a checkpoint keeps."""
        return {
            "head": self.head,
            "offsets": self.offsets,
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "generator": self.generator,
        }

    def step(self, k: int) -> dict[str, float]:
        """One step of Adam on one frame."""
        t = self.frames[int(torch.multinomial(self.chance, 1, generator=self.generator))]
        self.head.trained(k / self.settings.steps)
        loss = self.loss(t, k)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        return {"loss": loss.item()}

    def loss(self, t: int, k: int) -> Tensor:
        """L1, SSIM and mask as in the Gaussian stage, and the method's own term."""
        s, frame = self.settings, self.capture.frame_pose(t)
        if k >= s.track_from * s.steps:
            frame = self.offsets.moved(frame, t)
        image, alpha = self.head.render(self.capture.camera, frame)
        target, matte = self.capture.image(t), self.capture.matte(t)
        loss = s.w_rgb * (image - target).abs().mean() + s.w_mask * iou_loss(alpha, matte)
        loss = loss + s.w_ssim * (1 - ssim(image, target))
        return loss + self.head.extra_loss(frame.beta)
