"""Stage 02's optimisation: Eq. 4-5 with the two silent terms, each with its switch."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from stkit.capture.capture import Capture, chances, head_transform, neutral_landmarks
from stkit.geometry import generator, nearest, vertex_normals
from stkit.heads.mesh import MeshHead, MeshSettings, new_mesh_head
from stkit.metrics import iou_loss
from stkit.render import render_mesh
from stkit.space import to_world
from stkit.training import accumulate, cosine, run_steps


@dataclass(frozen=True)
class MeshTraining:
    """Steps, frames a step, learning rates and the weights of the losses (paper values; Laplacian and offset as upstream).

    `w_still` is the kit's: it holds what moves with the pose alone. The Laplacian would rather pull the unseen back of the head
    forward through the deformation, by a centimetre, than bend the surface. So is `w_hold`: the SDF stays where the fitted head
    put it unless the pictures say otherwise. `rare` (see `capture.chances`) and `eyes`, the weight of their 12 landmarks in the
    deformation loss, are the kit's too: without them a head learns the mouth first and never closes its lids.
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


def laplacian_loss(verts: Tensor, faces: Tensor) -> Tensor:
    """Mean squared uniform Laplacian of vertices (V, 3), per dm^2."""
    i = torch.cat([faces[:, 0], faces[:, 1], faces[:, 2]])
    j = torch.cat([faces[:, 1], faces[:, 2], faces[:, 0]])
    total = torch.zeros_like(verts).index_add(0, i, verts[j])
    degree = verts.new_zeros(len(verts)).index_add(0, i, verts.new_ones(len(i)))
    return (total / degree.clamp_min(1)[:, None] - verts).square().mean()


def fit_mesh(
    capture: Capture,
    settings: MeshTraining,
    frames: list[int],
    checkpoint: Path | None = None,
    progress=lambda x, **k: x,
) -> tuple[MeshHead, dict[str, list[float]]]:
    """Optimise a mesh head on the given frames. Returns it and every loss term's history.

    Poses stay as tracked. Upstream moves them here too; ours were fitted to pixels and outlines before (`stkit.capture.refine`), and
    following a mesh that is still coarse took them further from the truth: sides lost 0.7 dB, held-out frames gained nothing.
    """
    torch.manual_seed(settings.seed)
    head = new_mesh_head(capture, replace(settings.model, cell=settings.coarse_cell))
    nets = [p for n, p in head.named_parameters() if n != "landmarks"]
    optimiser = torch.optim.Adam(
        [
            {"params": nets, "lr": settings.lr},
            {"params": [head.landmarks], "lr": settings.lr_landmarks},
        ],
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: cosine(k, settings.steps))
    gen = generator(settings.seed, "mesh")
    camera = capture.camera.resized(settings.resolution)
    targets = {t: _target(capture, t, settings.resolution) for t in frames}
    teacher = LandmarkTeacher(capture, frames, settings, gen)
    if checkpoint is None or not checkpoint.exists():
        warm_up(head, teacher, settings, progress)
    refine = int(settings.refine_at * settings.steps)

    def before(k: int) -> None:
        cell = settings.coarse_cell if k < refine else settings.model.cell
        if abs(head.grid.cell - cell) > 1e-9:
            head.regrid(cell)
        elif k % settings.refresh_every == 0:
            head.refresh()

    def sample() -> tuple[Tensor, dict[str, Tensor | float]]:
        t = frames[int(torch.multinomial(teacher.chance, 1, generator=gen))]
        beta, pose = capture.beta[t], capture.pose[t]
        verts, faces, f = head.extract()
        share = head.share(verts)
        shift = head.deformation(verts, share, beta, pose)
        world = to_world(verts + shift, **head_transform(capture, t))
        colour = head.color(f, share, beta, pose)
        out = render_mesh(world, faces, colour, camera, background=0.0)
        image, matte = targets[t]
        terms = {
            "rgb": settings.w_rgb * (out.image - image).abs().mean(),
            "deform": settings.w_deform * teacher.loss(head),
            "silhouette": settings.w_silhouette * iou_loss(out.mask, matte),
            "sdf": settings.w_sdf * head.sdf_at(head.landmarks).abs().mean(),
            "laplacian": settings.w_laplacian * laplacian_loss(world, faces),
            "offset": settings.w_offset * shift.square().sum(1).mean(),
            "still": settings.w_still * ((1 - share)[:, None] * shift).square().sum(1).mean(),
            "hold": settings.w_hold * head.drift(gen).square().mean(),
        }
        loss = sum(terms.values())
        return loss, {"loss": loss, **terms, "vertices": len(verts)}

    def step(k: int) -> dict[str, float]:
        optimiser.zero_grad()
        values = accumulate(settings.batch, sample)
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        return values

    state = {"head": head, "optimiser": optimiser, "schedule": schedule, "generator": gen}
    history = run_steps(settings.steps, step, state, checkpoint, before, progress, "mesh")
    head.refresh()
    return head, history


class LandmarkTeacher:
    """L_def: the deformation must carry the neutral landmarks to every frame's (paper: weight 1, the norm of the difference).

    Besides the 66 it asks for the face model's denser points and for `surface_points` random points of its face; upstream
    appends every 100th vertex. Points are cheap, so each step looks at several frames, and a little around them.
    """

    def __init__(
        self, capture: Capture, frames: list[int], settings: MeshTraining, gen: torch.Generator
    ):
        from stkit.face_models.landmarks import EYES, KEPT_66

        face, still = capture.face(), capture.to("cpu")
        self.capture, self.frames, self.settings, self.gen = capture, frames, settings, gen
        rest = face.verts(still.identity, still.beta[still.neutral])
        skin = front_of_face(face, rest, neutral_landmarks(still))
        ids = torch.cat([face.landmarks[KEPT_66], face.dense, skin])
        self.count = 66 + len(face.dense)
        rest = torch.cat([neutral_landmarks(still), rest[ids[66:]]])
        self.rest, self.face = rest.to(capture.device), face.only(ids).to(capture.device)
        every = torch.arange(len(ids), device=capture.device)
        self.still = self.face.points(every, capture.identity, capture.beta[capture.neutral, None])[
            0
        ]
        self.noise = settings.beta_noise * capture.beta.std(0)
        self.chance = chances(capture, frames, settings.rare)
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


@torch.no_grad()
def render_mesh_head(
    head: MeshHead, capture: Capture, t: int, camera=None, background: float = 1.0
):
    """The mesh head as frame t of a capture, from its camera or another: a MeshImage."""
    verts, faces, f = head.extract()
    share = head.share(verts)
    shift = head.deformation(verts, share, capture.beta[t], capture.pose[t])
    world = to_world(verts + shift, **head_transform(capture, t))
    colour = head.color(f, share, capture.beta[t], capture.pose[t])
    return render_mesh(world, faces, colour, camera or capture.camera, background=background)
