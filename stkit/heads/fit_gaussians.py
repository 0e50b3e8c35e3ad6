"""The Gaussian stage: the head learns from the video frames and the views, over white (Sec. 3.2,
Eq. 4 and 6).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture import Capture, sampling_probabilities
from stkit.capture.rig import Rig
from stkit.geometry import generator, nearest
from stkit.heads.alignment import align_frames, show_frozen
from stkit.heads.free_form import stretch
from stkit.heads.gaussian import GaussianHead, GaussianSettings
from stkit.heads.gaussian_start import from_mesh
from stkit.heads.kept_shifts import KeptShifts
from stkit.heads.mesh import MeshHead
from stkit.heads.tracking_offsets import TrackingOffsets
from stkit.metrics.pictures import iou_loss, ssim
from stkit.space import FramePose
from stkit.training import Training, accumulate, cosine_schedule, reproducible, run_steps, seeded
from stkit.views import ORBIT, Views

REFRESH_EVERY = 200  # steps between two updates of each point's expression share
KEPT_FOR = 400  # steps that a frozen deformation's answers are kept
REACH = 0.03  # decimetres: how far a Gaussian of eyes, lids, lips or mouth may go along each axis


@dataclass(frozen=True)
class GaussianTraining:
    """Steps, pictures a step, learning rates and loss weights of the Gaussian stage.

    Rates are per step of Adam; positions are in decimetres. Per-frame offsets of head and chest
    learn with `lr_track` after `track_from` of the steps, and lattices of hair and clothes with
    `lr_lattice` (0: they stay with the head), held by `w_lattice`. `noise` (standard deviations
    over the clip) blurs the expression and pose that the nets of colour and attributes see, so that
    they do not learn single frames by heart: the mouth of an expressive clip follows a stranger
    better.
    `azimuths` (degrees): where mesh-prior views are asked for;
    V3D's are six frontal ones (reading 18). `rare`: see `capture.chances`. `view_share`,
    `rig_share`: how often a step looks at a view, and otherwise at another camera of a rig.
    """

    steps: int = 2500
    batch: int = 1
    lr_xyz: float = 3e-4
    lr_feature: float = 1e-2
    lr_scales: float = 4e-3
    lr_quats: float = 2e-3
    lr_opacity: float = 1e-2
    lr_nets: float = 1e-3
    lr_follow: float = 1e-2
    lr_track: float = 2e-4
    lr_lattice: float = 1e-3
    track_from: float = 0.15
    track_steps: int = 80
    noise: float = 0.8
    rare: float = 0.5
    w_rgb: float = 1.0
    w_ssim: float = 0.2
    w_mask: float = 0.1
    w_lattice: float = 1e-3
    view_share: float = 0.15
    azimuths: tuple[float, ...] = ORBIT
    rig_share: float = 0.6
    train_deformation: bool = False
    model: GaussianSettings = field(default_factory=GaussianSettings)
    seed: int = 0


@reproducible()
def fit_gaussians(
    capture: Capture,
    mesh: MeshHead,
    views: Views | None,
    settings: GaussianTraining,
    frames: list[int],
    checkpoint: Path | None = None,
    progress=lambda x, **k: x,
    rig: Rig | None = None,
) -> tuple[GaussianHead, Capture, dict[str, list[float]]]:
    """Optimise a Gaussian head on the frames, the neutral frame's views and a rig's other cameras,
    where there are.

    Everything happens on the capture's device; mesh, views and rig are brought there. Returns the
    head, the capture with refined tracking (frames outside `frames` are aligned to the finished
    head), and the history of every loss.
    """
    fit = _GaussianFit(capture, mesh.to(capture.device), views, settings, frames, rig)
    training = Training("gaussians", settings.steps, fit.step, fit.state(), before=fit.before)
    history = run_steps(training, checkpoint, progress)
    fit.head.refresh()
    learned = fit.offsets.tracked(capture)
    fit.head.keep_within(learned.beta[frames])
    others = sorted(set(range(len(capture))) - set(frames))
    aligned = align_frames(
        learned,
        others,
        show=lambda t: show_frozen(fit.head, capture, t),
        target=lambda t: (capture.image(t), capture.matte(t)),
        steps=settings.track_steps,
        free_form=settings.lr_lattice > 0,
        progress=progress,
    )
    return fit.head, aligned, history


def parameter_groups(head: GaussianHead, s: GaussianTraining) -> list[dict]:
    """Adam groups: one rate for each kind of parameter."""
    nets = [*head.color.parameters(), *head.attributes.parameters()]
    if s.train_deformation:
        nets += [*head.deformation.parameters()]
    return [
        {"params": [head.xyz], "lr": s.lr_xyz},
        {"params": [head.feature], "lr": s.lr_feature},
        {"params": [head.log_scales], "lr": s.lr_scales},
        {"params": [head.quats], "lr": s.lr_quats},
        {"params": [head.opacity_logits], "lr": s.lr_opacity},
        {"params": nets, "lr": s.lr_nets},
        {"params": [head.follow_logits], "lr": s.lr_follow},
    ]


def start_colours(capture: Capture, mesh: MeshHead) -> Callable[[Tensor], Tensor]:
    """Colours (N, 3) of canonical points (N, 3): the mesh head's own at the nearest vertex, in the
    neutral frame.
    """
    verts, _, features = mesh.extract()
    t = capture.neutral
    colour = mesh.color(features, mesh.share(verts), capture.beta[t], capture.pose[t])
    return lambda points: colour[nearest(points, verts)[1][:, 0]]


@dataclass(frozen=True)
class _Sample:
    """One training picture: what was rendered, and what it should look like."""

    image: Tensor
    alpha: Tensor
    target: Tensor
    matte: Tensor
    trust: Tensor | float
    structural: bool  # whether SSIM counts: it does not on views, whose detail is invented
    stretch: Tensor | float = 0.0  # of the frame's lattice


class _GaussianFit:
    """The state of one optimisation: head, per-frame offsets, optimiser and random numbers."""

    def __init__(
        self,
        capture: Capture,
        mesh: MeshHead,
        views: Views | None,
        settings: GaussianTraining,
        frames: list[int],
        rig: Rig | None,
    ):
        device = capture.device
        self.capture, self.settings, self.frames, self.rig = capture, settings, frames, rig
        self.views = views and views.to(device)
        self.generator = generator(settings.seed, "gaussians")
        with torch.no_grad(), seeded(settings.seed):
            colours = start_colours(capture, mesh)
            self.head = from_mesh(mesh, settings.model, colours, self.generator)
        self.head.deformation.requires_grad_(settings.train_deformation)
        self.on_face = slice(len(self.head.xyz) - self.head.settings.face_points, None)
        self.face_start = self.head.xyz.detach()[self.on_face].clone()
        self.kept = KeptShifts(self.head)
        self.offsets = TrackingOffsets(capture)
        tracking = self.offsets.groups(settings.lr_track, settings.lr_lattice)
        groups = [*parameter_groups(self.head, settings), *tracking]
        self.optimiser = torch.optim.Adam(groups, eps=1e-15, fused=True)
        self.schedule = cosine_schedule(self.optimiser, settings.steps, floor=0.05)
        self.blur = [settings.noise * x[frames].std(0) for x in (capture.beta, capture.pose)]
        self.chance = sampling_probabilities(capture, frames, settings.rare)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "head": self.head,
            "kept": self.kept,
            "offsets": self.offsets,
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "generator": self.generator,
        }

    def before(self, k: int) -> None:
        """Update what is cached for some steps."""
        if k % REFRESH_EVERY == 0:
            self.head.refresh()
        if k % KEPT_FOR == 0:
            self.kept.refresh(self.head)

    def step(self, k: int) -> dict[str, float]:
        """One step of Adam on `batch` pictures; the mean of each loss term."""
        self.optimiser.zero_grad()
        values = accumulate(self.settings.batch, lambda: self.loss(self.sample(k)))
        self.optimiser.step()
        self.schedule.step()
        self.tie()
        return values

    @torch.no_grad()
    def tie(self) -> None:
        """Hold the face's Gaussians near to the place whose motion they follow."""
        face = self.head.xyz[self.on_face]
        face.copy_(face.clamp(self.face_start - REACH, self.face_start + REACH))

    def loss(self, sample: _Sample) -> tuple[Tensor, dict[str, Tensor | float]]:
        """The loss to differentiate (Eq. 4 without the mesh's terms, and SSIM), and its parts for
        the history.
        """
        s = self.settings
        rgb = s.w_rgb * ((sample.image - sample.target).abs() * sample.trust).mean()
        mask = s.w_mask * iou_loss(sample.alpha, sample.matte)
        loss = rgb + mask
        if s.w_ssim and sample.structural:
            loss = loss + s.w_ssim * (1 - ssim(sample.image, sample.target))
        loss = loss + s.w_lattice * sample.stretch
        return loss, {"loss": rgb + mask, "rgb": rgb, "mask": mask}

    def sample(self, k: int) -> _Sample:
        """A view, a rig's picture or a video frame, drawn by chance."""
        if self.views is not None and self._random() < self.settings.view_share:
            return self._view(self.views)
        if self.rig is not None and self._random() < self.settings.rig_share:
            return self._rig_picture(self.rig, k)
        return self._video_frame(k)

    def _random(self) -> float:
        return float(torch.rand(1, generator=self.generator))

    def _pick(self, count: int) -> int:
        return int(torch.randint(count, (1,), generator=self.generator))

    def _view(self, views: Views) -> _Sample:
        v = self._pick(len(views.cameras))
        m = self.capture.neutral
        neutral = replace(self.capture.frame_pose(m), lattice=self.offsets.lattice[m].detach())
        canonical = self.head.canonical(neutral.beta, neutral.pose, self._shift(m, neutral))
        image, alpha = self.head.place(canonical, neutral).render(views.cameras[v])
        target, matte, trust = views.images[v], views.alphas[v], views.trust[v]
        return _Sample(image, alpha, target, matte, trust, structural=False)

    def _rig_picture(self, rig: Rig, k: int) -> _Sample:
        i, v = (self._pick(n) for n in rig.images.shape[:2])
        device = self.capture.device
        image, alpha = self._show(rig.frames[i], k, rig.cameras[v].to(device))
        target, matte = (x.to(device) for x in rig.shot(i, v))
        return _Sample(image, alpha, target, matte, 1.0, structural=True)

    def _video_frame(self, k: int) -> _Sample:
        t = self.frames[int(torch.multinomial(self.chance, 1, generator=self.generator))]
        image, alpha = self._show(t, k, self.capture.camera)
        target, matte = self.capture.image(t), self.capture.matte(t)
        held = stretch(self.offsets.lattice[t])
        return _Sample(image, alpha, target, matte, 1.0, structural=True, stretch=held)

    def _shift(self, t: int, frame: FramePose) -> Tensor:
        """Where the deformation takes the points in frame t; a frozen one's answer is kept."""
        if self.settings.train_deformation:
            return self.head.shift(frame.beta, frame.pose)
        return self.kept.of(self.head, t, frame)

    def _show(self, t: int, k: int, camera: Camera) -> tuple[Tensor, Tensor]:
        """Frame t: expression and pose blurred for the nets of colour and attributes, head and
        chest where their offsets put them.
        """
        frame = self.capture.frame_pose(t)
        shift = self._shift(t, frame)
        beta, pose = (
            x + blur * torch.randn(len(blur), generator=self.generator).to(x.device)
            for x, blur in zip((frame.beta, frame.pose), self.blur)
        )
        if k >= self.settings.track_from * self.settings.steps:
            frame = self.offsets.moved(frame, t)
        return self.head.place(self.head.canonical(beta, pose, shift), frame).render(camera)
