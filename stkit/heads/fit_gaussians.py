"""Stage 03's optimisation: the Gaussian head learns from the views and the video frames, over white (Sec. 3.2, Eq. 4, 6)."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from stkit.cameras import Camera
from stkit.capture.capture import Capture, chances, head_transform
from stkit.capture.rig import Rig
from stkit.geometry import generator
from stkit.heads.alignment import UNITS, Show, align_frames, moved
from stkit.heads.gaussian import GaussianHead, GaussianSettings, draw, from_mesh
from stkit.heads.mesh import MeshHead
from stkit.metrics import iou_loss, ssim
from stkit.training import accumulate, cosine, run_steps
from stkit.views import ORBIT, Views


@dataclass(frozen=True)
class GaussianTraining:
    """Steps, pictures a step, per-group learning rates and loss weights. The paper's rates are 1e-4 with GHA's factors; short runs use more.

    Per-frame pose and chest offsets learn with lr_track after `track_from` of the steps; `noise` (in standard deviations
    over the clip) blurs the expression and pose that all nets see, the frozen deformation too: without it held-out frames lose
    0.2 to 0.4 dB. `azimuths` (degrees): where the road asks for mesh-prior views; all around holds the sides. V3D's are the
    paper's six frontal ones. `rare`: see `capture.chances`.
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
    track_from: float = 0.15
    track_steps: int = 40
    noise: float = 0.3
    rare: float = 0.5
    w_rgb: float = 1.0
    w_ssim: float = 0.2
    w_mask: float = 0.1
    view_share: float = 0.15
    azimuths: tuple[float, ...] = ORBIT
    rig_share: float = 0.6
    train_deformation: bool = False
    model: GaussianSettings = field(default_factory=GaussianSettings)
    seed: int = 0


def frame_arguments(capture: Capture, t: int) -> dict[str, Tensor]:
    """What `GaussianHead.render` needs to show frame t."""
    return {"beta": capture.beta[t], **head_transform(capture, t)}


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


def start_colours(capture: Capture, mesh: MeshHead):
    """Colours of canonical points from the mesh head's own rendering of the neutral frame's appearance."""
    verts, _, f = mesh.extract()
    t = capture.neutral
    colour = mesh.color(f, mesh.share(verts), capture.beta[t], capture.pose[t])

    def look_up(points: Tensor) -> Tensor:
        from stkit.geometry import nearest

        return colour[nearest(points, verts)[1][:, 0]]

    return look_up


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
    """Optimise a Gaussian head on the frames, the neutral frame's views (None: no views) and a rig's other cameras, where there are.

    Everything happens on the capture's device; head, views and rig are brought there.

    Returns it, the capture with the tracking refined (frames outside `frames` are aligned to the finished head), and the
    loss histories.
    """
    torch.manual_seed(settings.seed)
    gen = generator(settings.seed, "gaussians")
    views = views and views.to(capture.device)
    with torch.no_grad():
        head = from_mesh(mesh, settings.model, start_colours(capture, mesh), gen)
    head.deformation.requires_grad_(settings.train_deformation)
    motion = nn.ParameterDict(
        {k: torch.zeros(len(capture), 6, device=capture.device) for k in ("pose", "torso")}
    )
    # no momentum: a frame moves only in the steps that look at it
    groups = [
        *parameter_groups(head, settings),
        {"params": [*motion.values()], "lr": settings.lr_track, "betas": (0.0, 0.99)},
    ]
    optimiser = torch.optim.Adam(groups, eps=1e-15, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: cosine(k, settings.steps, 0.05)
    )
    neutral, units = frame_arguments(capture, capture.neutral), UNITS.to(capture.device)
    spread_beta, spread_pose = (
        settings.noise * x[frames].std(0) for x in (capture.beta, capture.pose)
    )
    chance = chances(capture, frames, settings.rare)

    def show_frame(t: int, k: int, camera: Camera = capture.camera) -> tuple[Tensor, Tensor]:
        beta = capture.beta[t] + spread_beta * torch.randn(len(spread_beta), generator=gen).to(
            capture.device
        )
        pose = capture.pose[t] + spread_pose * torch.randn(6, generator=gen).to(capture.device)
        place = head_transform(capture, t)
        if k >= settings.track_from * settings.steps:
            place |= {n: place[n] + units * motion[n][t] for n in motion}
        return draw(head.place(head.canonical(beta, pose), **place), camera)

    def sample(k: int) -> tuple[Tensor, dict[str, Tensor]]:
        use_view = views is not None and float(torch.rand(1, generator=gen)) < settings.view_share
        if use_view:
            v = int(torch.randint(len(views.cameras), (1,), generator=gen))
            image, alpha = head.render(views.cameras[v], **neutral)
            target, matte, trust = views.images[v], views.alphas[v], views.trust[v]
        elif rig is not None and float(torch.rand(1, generator=gen)) < settings.rig_share:
            i, v = (int(torch.randint(n, (1,), generator=gen)) for n in rig.images.shape[:2])
            image, alpha = show_frame(rig.frames[i], k, rig.cameras[v].to(capture.device))
            target, matte = (x.to(capture.device) for x in rig.shot(i, v))
            trust = 1.0
        else:
            t = frames[int(torch.multinomial(chance, 1, generator=gen))]
            image, alpha = show_frame(t, k)
            target, matte, trust = capture.image(t), capture.matte(t), 1.0
        rgb = settings.w_rgb * ((image - target).abs() * trust).mean()
        mask = settings.w_mask * iou_loss(alpha, matte)
        loss = rgb + mask
        if settings.w_ssim and not use_view:
            loss = loss + settings.w_ssim * (1 - ssim(image, target))
        return loss, {"loss": rgb + mask, "rgb": rgb, "mask": mask}

    def step(k: int) -> dict[str, float]:
        optimiser.zero_grad()
        values = accumulate(settings.batch, lambda: sample(k))
        optimiser.step()
        schedule.step()
        return values

    def before(k: int) -> None:
        if k % 200 == 0:
            head.refresh()

    state = {
        "head": head,
        "motion": motion,
        "optimiser": optimiser,
        "schedule": schedule,
        "generator": gen,
    }
    history = run_steps(settings.steps, step, state, checkpoint, before, progress, "gaussians")
    head.refresh()
    offsets = {n: units * motion[n].detach() for n in motion}
    learned = moved(capture, capture.pose + offsets["pose"], capture.torso + offsets["torso"])
    others = sorted(set(range(len(capture))) - set(frames))
    aligned = align_frames(
        learned,
        others,
        lambda t: _show(head, capture, t),
        lambda t: (capture.image(t), capture.matte(t)),
        settings.track_steps,
        progress=progress,
    )
    return head, aligned, history


def _show(head: GaussianHead, capture: Capture, t: int) -> Show:
    with torch.no_grad():
        canonical = head.canonical(capture.beta[t], capture.pose[t])
    return lambda pose, torso: draw(
        head.place(canonical, **{**head_transform(capture, t), "pose": pose, "torso": torso}),
        capture.camera,
    )


@torch.no_grad()
def render_frame(head: GaussianHead, capture: Capture, t: int, camera=None) -> Tensor:
    """The head as frame t of a capture (H, W, 3), over white, from its camera or another."""
    return head.render(camera or capture.camera, **frame_arguments(capture, t))[0].clamp(0, 1)
