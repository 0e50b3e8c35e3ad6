"""A small radiance field that the face model's surface carries: INSTA's idea.

INSTA (Zielonka et al. 2023) keeps density and colour in a canonical space (a hash grid and a small
net). A sample on a ray is taken there by the frame of the triangle nearest to it on the posed face
model, and the expression goes to the net as well. Samples lie near the surface, whose depth is a
prior.

Deviations: dense grids instead of a hash grid; all samples of a ray go by the surface point that
the ray meets first (or, beside the outline, the nearest one), with the turn of head or chest
instead of the triangle's; L1 instead of Huber's loss; no offsets of the tracking, because no
gradient reaches it; MakeHuman's head with the kit's hair shell instead of FLAME.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn

from stkit import face_models
from stkit.cameras import Camera
from stkit.capture import Capture
from stkit.errors import RequestError
from stkit.geometry import generator, so3_exp
from stkit.heads.fit_gaussians import GaussianTraining
from stkit.io.tensors import load_tensors, save_tensors
from stkit.render import render_mesh
from stkit.space import FramePose, skin_weight, to_world
from stkit.training import Training, cosine_schedule, reproducible, run_steps, seeded

LEVELS, FEATURES, CODE, WIDTH = (24, 48, 96), 6, 8, 32  # grids' sides, channels; nets' widths
MARGIN = 0.4  # decimetres around the fitted surface that the grids hold
REACH, SAMPLES = 0.35, 20  # canonical decimetres before and behind the surface; samples of a ray
BESIDE = 10  # pixels beside the outline in which rays are followed
RAYS = 3000  # of a step
RATES = {"grids": 2e-2, "nets": 2e-3}  # of Adam
W_MASK = 0.1


@dataclass(frozen=True)
class _Rays:
    """N rays: pixels (N, 2) as row and column, their directions (N, 3) of length 1 along the
    camera's axis, world; depth (N,) where they meet the surface, canonical (N, 3) of what they meet
    and world (N, 3); turn (N, 3, 3) from canonical space into the world.
    """

    pixels: Tensor
    directions: Tensor
    depth: Tensor
    canonical: Tensor
    world: Tensor
    turn: Tensor

    def select(self, rows: Tensor) -> "_Rays":
        """Some of the rays."""
        return _Rays(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class RadianceField(nn.Module):
    """Density and colour in canonical space, on grids around the fitted head."""

    verts: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, capture: Capture):
        super().__init__()
        if capture.seat is not None:
            raise RequestError("this baseline follows MakeHuman's head: run with its face model")
        model, verts = face_models.builtin(), capture.hull_verts()
        self.faces, self.directions = model.faces, model.expression
        self.rest_beta = capture.beta[capture.neutral].cpu()
        self.register_buffer("verts", verts)
        self.register_buffer("low", verts.min(0).values - MARGIN)
        self.register_buffer("high", verts.max(0).values + MARGIN)
        self.grids = nn.ParameterList([0.1 * torch.randn(1, FEATURES, n, n, n) for n in LEVELS])
        self.code = nn.Linear(len(self.rest_beta), CODE)
        widths = (FEATURES * len(LEVELS) + CODE, WIDTH, WIDTH)
        layers = [[nn.Linear(a, b), nn.ReLU()] for a, b in zip(widths, widths[1:])]
        self.net = nn.Sequential(*[part for pair in layers for part in pair], nn.Linear(WIDTH, 4))

    def query(self, points: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        """Density (N,) per canonical decimetre and colour (N, 3) of canonical points (N, 3)."""
        at = 2 * (points - self.low) / (self.high - self.low) - 1
        place = at[None, None, None]
        sampled = [
            nn.functional.grid_sample(grid, place, align_corners=True)[0, :, 0, 0].T
            for grid in self.grids
        ]
        code = self.code(beta - self.rest_beta).expand(len(points), -1)
        out = self.net(torch.cat([*sampled, code], 1))
        return 20 * nn.functional.softplus(out[:, 0] - 1), out[:, 1:].sigmoid()

    @torch.no_grad()
    def rays(self, camera: Camera, frame: FramePose) -> _Rays:
        """The rays that meet the posed surface or pass near its outline."""
        moved = self.verts + torch.einsum("e,evk->vk", frame.beta - self.rest_beta, self.directions)
        follow = skin_weight(self.verts)
        world = to_world(moved, frame, follow)
        values = torch.cat([self.verts, world], 1)
        seen = render_mesh(world, self.faces, values, camera, antialias=False)
        covered = seen.mask[..., 0] > 0.5
        away, nearest = distance_transform_edt(~covered.numpy(), return_indices=True)
        pixels = torch.from_numpy(np.argwhere(away <= BESIDE))
        rows, columns = torch.from_numpy(nearest)[:, pixels[:, 0], pixels[:, 1]].long()
        canonical, met = seen.image[rows, columns].split(3, 1)
        centre = torch.stack([pixels[:, 1] + 0.5, pixels[:, 0] + 0.5, torch.ones(len(pixels))], 1)
        through = centre.float() @ torch.linalg.inv(camera.K).T @ camera.viewmat[:3, :3]
        head, chest = so3_exp(frame.pose[:3]), so3_exp(frame.torso[:3]) @ so3_exp(frame.rest[:3])
        on_head = skin_weight(canonical)[:, 0] > 0.5
        turn = torch.where(on_head[:, None, None], head, chest)
        return _Rays(pixels, through, seen.depth[rows, columns], canonical, met, turn)

    def march(
        self, rays: _Rays, camera: Camera, frame: FramePose, jitter: Tensor | float = 0.5
    ) -> tuple[Tensor, Tensor]:
        """Colour over white (N, 3) and opacity (N, 1) of rays; jitter (N, SAMPLES) or a number in
        [0, 1]: where in its part of the ray each sample lies.
        """
        step = 2 * REACH / SAMPLES
        along = -REACH + step * (torch.arange(SAMPLES) + jitter)
        depth = rays.depth[:, None] + frame.scale * along
        points = camera.centre() + depth[..., None] * rays.directions[:, None]
        offset = torch.einsum("nsi,nij->nsj", points - rays.world[:, None], rays.turn)
        at = rays.canonical[:, None] + offset / frame.scale
        density, colour = self.query(at.flatten(0, 1), frame.beta)
        share = 1 - torch.exp(-step * density.view(-1, SAMPLES))
        passed = torch.cumprod(1 - share + 1e-6, 1)
        weight = share * torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], 1)
        opacity = weight.sum(1, keepdim=True)
        shown = (weight[..., None] * colour.view(*weight.shape, 3)).sum(1)
        return shown + 1 - opacity, opacity

    def save(self, path: Path) -> None:
        """Write the head as safetensors."""
        save_tensors(path, self.state_dict(), {"baseline": "radiance-field"})

    @staticmethod
    def load(path: Path, capture: Capture) -> "RadianceField":
        """Read what `save` wrote; `capture` is the clip that the head was trained on."""
        head = RadianceField(capture)
        head.load_state_dict(load_tensors(path, "baseline")[0])
        return head

    @torch.no_grad()
    def render_frame(self, capture: Capture, t: int, camera: Camera | None = None) -> Tensor:
        """The head as frame t of a capture (H, W, 3) in [0, 1], over white."""
        camera, frame = camera or capture.camera, capture.frame_pose(t)
        rays = self.rays(camera, frame)
        picture = torch.ones(camera.height, camera.width, 3)
        for rows in torch.arange(len(rays.pixels)).split(10 * RAYS):
            some = rays.select(rows)
            shown, _ = self.march(some, camera, frame)
            picture[some.pixels[:, 0], some.pixels[:, 1]] = shown
        return picture.clamp(0, 1)


@reproducible()
def fit_radiance_field(
    capture: Capture,
    settings: GaussianTraining,
    frames: list[int],
    checkpoint: Path | None = None,
    progress=lambda x, **k: x,
) -> tuple[RadianceField, dict[str, list[float]]]:
    """Train the field on the frames, for as many steps as the Gaussian stage has; the head, and the
    history of the loss.
    """
    with seeded(settings.seed):
        head = RadianceField(capture)
    chance = generator(settings.seed, "radiance-field")
    nets = [*head.code.parameters(), *head.net.parameters()]
    groups = [
        {"params": [*head.grids], "lr": RATES["grids"]},
        {"params": nets, "lr": RATES["nets"]},
    ]
    optimiser = torch.optim.Adam(groups, fused=True)
    schedule = cosine_schedule(optimiser, settings.steps, floor=0.05)
    known = {t: head.rays(capture.camera, capture.frame_pose(t)) for t in frames}

    def step(k: int) -> dict[str, float]:
        t = frames[int(torch.randint(len(frames), (1,), generator=chance))]
        rays = known[t].select(torch.randint(len(known[t].pixels), (RAYS,), generator=chance))
        jitter = torch.rand(RAYS, SAMPLES, generator=chance)
        shown, opacity = head.march(rays, capture.camera, capture.frame_pose(t), jitter)
        row, column = rays.pixels.unbind(1)
        target, matte = capture.image(t)[row, column], capture.matte(t)[row, column]
        loss = (shown - target).abs().mean() + W_MASK * (opacity - matte).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        return {"loss": loss.item()}

    training = Training(
        "radiance-field",
        settings.steps,
        step,
        {"head": head, "optimiser": optimiser, "schedule": schedule, "generator": chance},
    )
    return head, run_steps(training, checkpoint, progress)
