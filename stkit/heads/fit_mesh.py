"""The mesh stage: Eq. 4 and 5, with the terms that the lineage adds and two of the kit's own, each
with its weight.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture import Capture
from stkit.capture.rig import Rig
from stkit.geometry import generator
from stkit.heads.landmark_teacher import LandmarkTeacher, warm_up
from stkit.heads.mesh import MeshHead, new_mesh_head
from stkit.heads.mesh_training import MeshTraining
from stkit.io.images import shrink
from stkit.metrics.pictures import iou_loss
from stkit.render import render_mesh
from stkit.training import (
    Training,
    accumulate,
    cosine_schedule,
    reproducible,
    run_steps,
    seeded,
)


@reproducible()
def fit_mesh(
    capture: Capture,
    settings: MeshTraining,
    frames: list[int],
    checkpoint: Path | None = None,
    progress=lambda x, **k: x,
    rig: Rig | None = None,
) -> tuple[MeshHead, dict[str, list[float]]]:
    """Optimise a mesh head on the given frames, and on a rig's other cameras where there are.
    Returns it and every loss term's history.

    Poses stay as tracked. Upstream moves them here too; ours were fitted to pixels and outlines
    before (`stkit.capture.refine`), and following a mesh that is still coarse took them further
    from the truth: sides lost 0.7 dB, held-out frames gained nothing.
    """
    fit = _MeshFit(capture, settings, frames, rig)
    training = Training(
        "mesh",
        settings.steps,
        fit.step,
        fit.state(),
        before=fit.before,
        first=lambda: warm_up(fit.head, fit.teacher, settings, progress),
    )
    history = run_steps(training, checkpoint, progress)
    fit.head.refresh()
    return fit.head, history


class _Surface:
    """The tetrahedra that a mesh head looks at between two refreshes, in the shape that a
    checkpoint can hold.
    """

    def __init__(self, head: MeshHead):
        self.head = head

    def state_dict(self) -> dict:
        return {"cell": self.head.grid.cell, "sdf": self.head.full_sdf}

    def load_state_dict(self, state: dict) -> None:
        self.head.lay_grid(state["cell"])
        self.head.activate(state["sdf"].to(self.head.low.device))


@dataclass(frozen=True)
class _Picture:
    """What a step looks at: frame t, the camera, and what it shows over black (H, W, 3) with its
    matte (H, W, 1).
    """

    t: int
    camera: Camera
    image: Tensor
    matte: Tensor


class _MeshFit:
    """The state of one optimisation: head, deformation's teacher, optimiser and random numbers."""

    def __init__(
        self, capture: Capture, settings: MeshTraining, frames: list[int], rig: Rig | None
    ):
        self.capture, self.settings, self.frames, self.rig = capture, settings, frames, rig
        with seeded(settings.seed):
            coarse = replace(settings.model, cell=settings.coarse_cell)
            self.head = new_mesh_head(capture, coarse)
        nets = [p for name, p in self.head.named_parameters() if name != "landmarks"]
        groups = [
            {"params": nets, "lr": settings.lr},
            {"params": [self.head.landmarks], "lr": settings.lr_landmarks},
        ]
        self.optimiser = torch.optim.Adam(groups, fused=True)
        self.schedule = cosine_schedule(self.optimiser, settings.steps)
        self.generator = generator(settings.seed, "mesh")
        self.camera = capture.camera.resized(settings.resolution)
        self.targets = {t: _target(capture, t, settings.resolution) for t in frames}
        self.teacher = LandmarkTeacher(capture, frames, settings, self.generator)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "head": self.head,
            "surface": _Surface(self.head),
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "generator": self.generator,
        }

    def before(self, k: int) -> None:
        """Lay the finer grid when its time comes; otherwise refresh the cached surface now and
        then.
        """
        s = self.settings
        cell = s.coarse_cell if k < int(s.refine_at * s.steps) else s.model.cell
        if abs(self.head.grid.cell - cell) > 1e-9:
            self.head.regrid(cell)
        elif k % s.refresh_every == 0:
            self.head.refresh()

    def step(self, k: int) -> dict[str, float]:
        """One step of Adam on `batch` frames; the mean of each weighted loss term."""
        self.optimiser.zero_grad()
        values = accumulate(self.settings.batch, self.sample)
        torch.nn.utils.clip_grad_norm_(self.head.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        return values

    def sample(self) -> tuple[Tensor, dict[str, Tensor | float]]:
        """The loss of one picture drawn by chance, and its weighted terms."""
        terms, vertices = self.terms(self._picture())
        loss = sum(terms.values(), torch.zeros((), device=self.capture.device))
        return loss, {"loss": loss, **terms, "vertices": vertices}

    def _picture(self) -> _Picture:
        """Another camera's picture of a rig, or a frame of the video."""
        if self.rig is not None and self._random() < self.settings.rig_share:
            return self._rig_picture(self.rig)
        chance = self.teacher.chance
        t = self.frames[int(torch.multinomial(chance, 1, generator=self.generator))]
        return _Picture(t, self.camera, *self.targets[t])

    def _rig_picture(self, rig: Rig) -> _Picture:
        i, v = (int(torch.randint(n, (1,), generator=self.generator)) for n in rig.images.shape[:2])
        device, size = self.capture.device, self.settings.resolution
        over_white, matte = (x.to(device) for x in rig.shot(i, v))
        image = over_white - (1 - matte)
        camera = rig.cameras[v].resized(size).to(device)
        return _Picture(rig.frames[i], camera, shrink(image, size), shrink(matte, size))

    def _random(self) -> float:
        return float(torch.rand(1, generator=self.generator))

    def terms(self, picture: _Picture) -> tuple[dict[str, Tensor], int]:
        """Every weighted term of Eq. 4 and 5 in a picture, and how many vertices the mesh has."""
        s, head = self.settings, self.head
        frame = self.capture.frame_pose(picture.t)
        mesh = head.posed(frame)
        colour = head.color(mesh.features, mesh.share, frame.beta, frame.pose)
        out = render_mesh(mesh.world, mesh.faces, colour, picture.camera, background=0.0)
        still = (1 - mesh.share)[:, None] * mesh.shift
        terms = {
            "rgb": s.w_rgb * (out.image - picture.image).abs().mean(),
            "deform": s.w_deform * self.teacher.loss(head),
            "silhouette": s.w_silhouette * iou_loss(out.mask, picture.matte),
            "sdf": s.w_sdf * head.sdf_at(head.landmarks).abs().mean(),
            "laplacian": s.w_laplacian * laplacian_loss(mesh.world, mesh.faces),
            "offset": s.w_offset * mesh.shift.square().sum(1).mean(),
            "still": s.w_still * still.square().sum(1).mean(),
            "hold": s.w_hold * head.drift(self.generator).square().mean(),
        }
        return terms, len(mesh.neutral)


def laplacian_loss(verts: Tensor, faces: Tensor) -> Tensor:
    """Mean squared uniform Laplacian of vertices (V, 3), per dm^2."""
    i = torch.cat([faces[:, 0], faces[:, 1], faces[:, 2]])
    j = torch.cat([faces[:, 1], faces[:, 2], faces[:, 0]])
    total = torch.zeros_like(verts).index_add(0, i, verts[j])
    degree = verts.new_zeros(len(verts)).index_add(0, i, verts.new_ones(len(i)))
    return (total / degree.clamp_min(1)[:, None] - verts).square().mean()


def _target(capture: Capture, t: int, size: int) -> tuple[Tensor, Tensor]:
    """Frame times matte over black (H, W, 3) and matte (H, W, 1) at `size` pixels.

    Upstream's stage 1 uses black.
    """
    matte = capture.matte(t)
    image = torch.from_numpy(capture.frames[t]).to(capture.device).float() / 255 * matte
    return shrink(image, size), shrink(matte, size)
