"""Stage 03's optimisation: the Gaussian head learns from the views and the video frames, over white (Sec. 3.2, Eq. 4, 6)."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from .capture import Capture, head_transform
from .diffusion.views import Views
from .fit_mesh import iou_loss
from .gaussian_head import GaussianHead, GaussianSettings, from_mesh
from .geometry import generator
from .mesh_head import MeshHead
from .metrics import ssim
from .training import cosine, run_steps


@dataclass(frozen=True)
class GaussianTraining:
    """Steps, per-group learning rates and loss weights. The paper's rates are 1e-4 with GHA's factors; short runs use more."""

    steps: int = 2500
    lr_xyz: float = 3e-4
    lr_feature: float = 1e-2
    lr_scales: float = 4e-3
    lr_quats: float = 2e-3
    lr_opacity: float = 1e-2
    lr_nets: float = 1e-3
    w_rgb: float = 1.0
    w_ssim: float = 0.2
    ssim_every: int = 2
    w_mask: float = 0.1
    view_share: float = 0.15
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
        {"params": [head.xyz], "lr": s.lr_xyz}, {"params": [head.feature], "lr": s.lr_feature},
        {"params": [head.log_scales], "lr": s.lr_scales}, {"params": [head.quats], "lr": s.lr_quats},
        {"params": [head.opacity_logits], "lr": s.lr_opacity}, {"params": nets, "lr": s.lr_nets},
    ]  # fmt: skip


def start_colours(capture: Capture, mesh: MeshHead):
    """Colours of canonical points from the mesh head's own rendering of the neutral frame's appearance."""
    verts, _, f = mesh.extract()
    t = capture.neutral
    colour = mesh.color(f, mesh.share(verts), capture.beta[t], capture.pose[t])

    def look_up(points: Tensor) -> Tensor:
        from .geometry import nearest

        return colour[nearest(points, verts)[1][:, 0]]

    return look_up


def fit_gaussians(
    capture: Capture, mesh: MeshHead, views: Views | None, settings: GaussianTraining, frames: list[int],
    checkpoint: Path | None = None, progress=lambda x, **k: x,
) -> tuple[GaussianHead, dict[str, list[float]]]:  # fmt: skip
    """Optimise a Gaussian head on the frames and the neutral frame's views (None: no views). Returns it and loss histories."""
    torch.manual_seed(settings.seed)
    gen = generator(settings.seed, "gaussians")
    with torch.no_grad():
        head = from_mesh(mesh, settings.model, start_colours(capture, mesh), gen)
    head.deformation.requires_grad_(settings.train_deformation)
    optimiser = torch.optim.Adam(parameter_groups(head, settings), eps=1e-15)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: cosine(k, settings.steps, 0.05))
    neutral = frame_arguments(capture, capture.neutral)

    def step(k: int) -> dict[str, float]:
        use_view = views is not None and float(torch.rand(1, generator=gen)) < settings.view_share
        if use_view:
            v = int(torch.randint(len(views.cameras), (1,), generator=gen))
            image, alpha = head.render(views.cameras[v], **neutral)
            target, matte, trust = views.images[v], views.alphas[v], views.trust[v]
        else:
            t = frames[int(torch.randint(len(frames), (1,), generator=gen))]
            image, alpha = head.render(capture.camera, **frame_arguments(capture, t))
            target, matte, trust = capture.image(t), capture.matte(t), 1.0
        rgb = settings.w_rgb * ((image - target).abs() * trust).mean()
        mask = settings.w_mask * iou_loss(alpha, matte)
        loss = rgb + mask
        if settings.w_ssim and not use_view and k % settings.ssim_every == 0:
            loss = loss + settings.w_ssim * (1 - ssim(image, target))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        return {"loss": rgb.item() + mask.item(), "rgb": rgb.item(), "mask": mask.item()}

    def before(k: int) -> None:
        if k % 200 == 0:
            head.refresh()

    state = {"head": head, "optimiser": optimiser, "schedule": schedule, "generator": gen}
    history = run_steps(settings.steps, step, state, checkpoint, before, progress, "gaussians")
    head.refresh()
    return head, history


@torch.no_grad()
def render_frame(head: GaussianHead, capture: Capture, t: int, camera=None) -> Tensor:
    """The head as frame t of a capture (H, W, 3), over white, from its camera or another."""
    return head.render(camera or capture.camera, **frame_arguments(capture, t))[0].clamp(0, 1)
