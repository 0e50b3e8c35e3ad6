"""The mesh stage: Eq. 4 and 5, with the terms that the lineage adds and two of the kit's own, each with its weight."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from stkit.capture import Capture, sampling_probabilities
from stkit.face_models.landmarks import EYES, KEPT_66
from stkit.geometry import generator, nearest, vertex_normals
from stkit.heads.mesh import MeshHead, MeshSettings, new_mesh_head
from stkit.metrics import iou_loss
from stkit.render import render_mesh
from stkit.training import (
    Training,
    accumulate,
    cosine,
    cosine_schedule,
    reproducible,
    run_steps,
    seeded,
)

FACE_REACH = 0.45  # decimetres: skin this near to a landmark belongs to the face
FORWARD = 0.2  # least z of a unit normal that counts as looking forward
WARM_RATE = 2e-3  # Adam's rate while the deformation learns from landmarks alone


@dataclass(frozen=True)
class MeshTraining:
    """Steps, frames a step, learning rates and loss weights of the mesh stage (paper values; Laplacian, offset: lineage).

    `coarse_cell` is the grid's spacing (dm) until `refine_at` of the steps. `w_still` holds what moves with the pose
    alone: the Laplacian would rather pull the unseen back of the head forward through the deformation, by a centimetre,
    than bend the surface. `w_hold`: the SDF stays where the fitted head put it unless the pictures say otherwise.
    `rare` (see `capture.chances`) and `eyes`, the weight of their 12 landmarks in the deformation loss: without them a
    head learns the mouth first and never closes its lids. These four are the kit's. `beta_noise`, in standard deviations
    over the clip, blurs the expressions that the deformation learns from.
    """

    steps: int = 700
    batch: int = 1
    coarse_cell: float = 0.16
    refine_at: float = 0.4
    lr: float = 1e-3
    lr_landmarks: float = 1e-4
    w_rgb: float = 0.1
    w_deform: float = 1.0
    w_silhouette: float = 0.1
    w_sdf: float = 0.01
    w_laplacian: float = 30.0
    w_offset: float = 0.01
    w_still: float = 1.0
    w_hold: float = 1.0
    deform_frames: int = 4
    surface_points: int = 300
    warm_steps: int = 400
    beta_noise: float = 0.5
    rare: float = 0.5
    eyes: float = 8.0
    refresh_every: int = 20
    resolution: int = 256
    model: MeshSettings = field(default_factory=MeshSettings)
    seed: int = 0


@reproducible()
def fit_mesh(
    capture: Capture,
    settings: MeshTraining,
    frames: list[int],
    checkpoint: Path | None = None,
    progress=lambda x, **k: x,
) -> tuple[MeshHead, dict[str, list[float]]]:
    """Optimise a mesh head on the given frames. Returns it and every loss term's history.

    Poses stay as tracked. Upstream moves them here too; ours were fitted to pixels and outlines before
    (`stkit.capture.refine`), and following a mesh that is still coarse took them further from the truth: sides lost
    0.7 dB, held-out frames gained nothing.
    """
    fit = _MeshFit(capture, settings, frames)
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
    """The tetrahedra that a mesh head looks at between two refreshes, in the shape that a checkpoint can hold."""

    def __init__(self, head: MeshHead):
        self.head = head

    def state_dict(self) -> dict:
        return {"cell": self.head.grid.cell, "sdf": self.head.full_sdf}

    def load_state_dict(self, state: dict) -> None:
        self.head.lay_grid(state["cell"])
        self.head.activate(state["sdf"].to(self.head.low.device))


class _MeshFit:
    """The state of one optimisation: head, deformation's teacher, optimiser and random numbers."""

    def __init__(self, capture: Capture, settings: MeshTraining, frames: list[int]):
        self.capture, self.settings, self.frames = capture, settings, frames
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

    def state(self) -> dict[str, object]:
        """What a checkpoint keeps."""
        return {
            "head": self.head,
            "surface": _Surface(self.head),
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "generator": self.generator,
        }

    def before(self, k: int) -> None:
        """Lay the finer grid when its time comes; otherwise refresh the cached surface now and then."""
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
        """The loss of one frame drawn by chance, and its weighted terms."""
        chance = self.teacher.chance
        t = self.frames[int(torch.multinomial(chance, 1, generator=self.generator))]
        terms, vertices = self.terms(t)
        loss = sum(terms.values())
        return loss, {"loss": loss, **terms, "vertices": vertices}

    def terms(self, t: int) -> tuple[dict[str, Tensor], int]:
        """Every weighted term of Eq. 4 and 5 in frame t, and how many vertices the mesh has."""
        s, head = self.settings, self.head
        frame = self.capture.frame_pose(t)
        mesh = head.posed(frame)
        colour = head.color(mesh.features, mesh.share, frame.beta, frame.pose)
        out = render_mesh(mesh.world, mesh.faces, colour, self.camera, background=0.0)
        image, matte = self.targets[t]
        still = (1 - mesh.share)[:, None] * mesh.shift
        terms = {
            "rgb": s.w_rgb * (out.image - image).abs().mean(),
            "deform": s.w_deform * self.teacher.loss(head),
            "silhouette": s.w_silhouette * iou_loss(out.mask, matte),
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


class LandmarkTeacher:
    """L_def: the deformation must carry the neutral landmarks to every frame's (paper: weight 1, the norm of the difference).

    Besides the 66 it asks for the face model's denser points and for `surface_points` random points of its face; upstream
    appends every 100th vertex. Points are cheap, so each step looks at several frames, and a little around them.
    """

    def __init__(
        self, capture: Capture, frames: list[int], settings: MeshTraining, gen: torch.Generator
    ):
        face, still = capture.face(), capture.to("cpu")
        self.capture, self.frames, self.settings, self.gen = capture, frames, settings, gen
        rest = face.verts(still.identity, still.beta[still.neutral])
        skin = front_of_face(face, rest, still.neutral_landmarks())
        ids = torch.cat([face.landmarks[KEPT_66], face.dense, skin])
        self.count = 66 + len(face.dense)
        rest = torch.cat([still.neutral_landmarks(), rest[ids[66:]]])
        self.rest, self.face = rest.to(capture.device), face.only(ids).to(capture.device)
        every = torch.arange(len(ids), device=capture.device)
        self.still = self.face.points(every, capture.identity, capture.beta[capture.neutral, None])[
            0
        ]
        self.noise = settings.beta_noise * capture.beta.std(0)
        self.chance = sampling_probabilities(capture, frames, settings.rare)
        self.weight = torch.ones(66, device=capture.device)
        self.weight[EYES] = settings.eyes
        self.weight /= self.weight.mean()

    def loss(self, head: MeshHead) -> Tensor:
        """Mean distance (dm) between deformed neutral points and where the face model has them."""
        s, betas = self.settings, []
        extra = torch.randint(self.count, len(self.rest), (s.surface_points,), generator=self.gen)
        pick = torch.cat([torch.arange(self.count), extra]).to(self.rest.device)
        start = torch.cat([head.landmarks, self.rest[pick[66:]]])
        for _ in range(s.deform_frames):
            t = self.frames[int(torch.multinomial(self.chance, 1, generator=self.gen))]
            betas.append(
                self.capture.beta[t]
                + self.noise
                * torch.randn(len(self.noise), generator=self.gen).to(self.noise.device)
            )
        betas = torch.stack(betas)
        change = self.face.points(pick, self.capture.identity, betas) - self.still[pick]
        moved = start + head.deformation.expressions(start, betas)
        error = (moved - self.rest[pick] - change).square().sum(2).add(1e-8).sqrt()
        return ((self.weight * error[:, :66]).mean() + error[:, 66:].mean()) / 2


def front_of_face(face, rest: Tensor, landmarks: Tensor) -> Tensor:
    """Vertices (N,) of a face model whose skin lies within 4.5 cm of the landmarks and looks forward; rest (V, 3) its neutral shape."""
    near = nearest(rest, landmarks)[0][:, 0] < 0.45
    if face.name == "builtin":
        return torch.nonzero(near & face.part("skin") & torch.from_numpy(face.surface.front > 0.5))[
            :, 0
        ]
    return torch.nonzero(near & (vertex_normals(rest, face.faces)[:, 2] > 0.2))[:, 0]


def warm_up(
    head: MeshHead, teacher: LandmarkTeacher, settings: MeshTraining, progress=lambda x, **k: x
) -> None:
    """Teach the deformation the landmarks alone first: a hundred times cheaper than rendering."""
    optimiser = torch.optim.Adam(head.deformation.parameters(), lr=2e-3)
    for k in progress(range(settings.warm_steps), desc="deformation"):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * cosine(k, settings.warm_steps)
        loss = teacher.loss(head)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _target(capture: Capture, t: int, size: int) -> tuple[Tensor, Tensor]:
    """Frame times matte over black (H, W, 3) and matte (H, W, 1) at `size` pixels; upstream's stage 1 uses black."""
    image = torch.from_numpy(capture.frames[t]).to(capture.device).float() / 255 * capture.matte(t)
    matte = capture.matte(t)
    if capture.size != size:
        shrink = lambda x: torch.nn.functional.interpolate(
            x.permute(2, 0, 1)[None], (size, size), mode="area"
        )[0].permute(1, 2, 0)
        image, matte = shrink(image), shrink(matte)
    return image, matte
