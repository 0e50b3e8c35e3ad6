"""Training data made from seeds: a picture of a made-up person as a telephoto lens films it, and 18 views around them as V3D sees."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera
from stkit.diffusion.orbit import SIZE
from stkit.diffusion.v3d import FRAMES, STEP, cameras_around, recentre
from stkit.face_models import get as face_model
from stkit.geometry import euler_yxz
from stkit.render import render_mesh
from stkit.space import HEAD_CENTRE, FramePose, to_world
from stkit.synthetic.appearance import albedo, normals_of, shade
from stkit.synthetic.performance import UNIT
from stkit.synthetic.subject import make_subject, rest_pose


@dataclass(frozen=True)
class Turn:
    """One person: `picture` (SIZE, SIZE, 3), recentred over white; `views` (18, SIZE, SIZE, 3), number k turned by 20 k degrees."""

    picture: Tensor
    views: Tensor


def turn(seed: int) -> Turn:
    """A person from a seed, nearly facing the camera, hardly any expression; exposure and tint are drawn too."""
    rng = np.random.default_rng(seed)
    subject = make_subject(int(rng.integers(1_000_000_000)), 12, seconds=8.0)
    beta = subject.performance.beta[int(rng.integers(12))] * float(rng.uniform(0, 0.5))
    angles = torch.tensor(
        np.radians([rng.uniform(-6, 6), rng.normal(0, 3), rng.normal(0, 2)]), dtype=torch.float32
    )
    pose = torch.cat(
        [
            euler_yxz(*angles[:, None])[0],
            rest_pose()[3:] + 0.05 * torch.tensor(rng.normal(size=3), dtype=torch.float32),
        ]
    )
    filming = zoomed(front_camera(2 * SIZE), float(rng.uniform(0.9, 1.3)))
    tint, gamma = (
        torch.tensor(rng.uniform(0.9, 1.1, 3), dtype=torch.float32),
        float(rng.uniform(0.8, 1.2)),
    )
    head = face_model("builtin")
    frame = FramePose(beta, pose, torch.zeros(6), UNIT, rest_pose())
    world = to_world(head.verts(subject.identity, beta), frame)
    colours = shade(
        albedo(head.surface, subject.style),
        normals_of(world, head.faces),
        head.surface,
        subject.style,
    )

    def see(camera: Camera) -> tuple[Tensor, Tensor]:
        """The graded picture over white and its matte; what the film cut off stays off."""
        out = render_mesh(world, head.faces, torch.cat([colours, world], 1), camera)
        figure = (out.image / out.mask.clamp_min(1e-3)).clamp(-100, 100)
        within = (
            filming.project(figure[..., 3:].reshape(-1, 3))[:, 1].reshape(*out.mask.shape)
            < filming.height
        )
        alpha = out.mask * within
        return (
            (figure[..., :3].clamp(0, 1) * tint).clamp(0, 1) ** gamma
        ) * alpha + 1 - alpha, alpha

    image, matte = see(filming)
    cameras = cameras_around(
        matte,
        filming,
        to_world(HEAD_CENTRE, frame)[0],
        tuple(STEP * k for k in range(FRAMES)),
        2 * SIZE,
    )
    return Turn(recentre(image, matte, SIZE), torch.stack([small(see(c)[0]) for c in cameras]))


def zoomed(camera: Camera, zoom: float) -> Camera:
    """The camera with a longer lens that keeps the crown of the head where it was."""
    K = camera.K.clone()
    K[:2, :2] *= zoom
    K[1, 2] += 0.45 * (zoom - 1) * camera.height
    return Camera(camera.viewmat, K, camera.width, camera.height)


def small(image: Tensor) -> Tensor:
    """(H, W, 3) to (SIZE, SIZE, 3)."""
    return torch.nn.functional.interpolate(image.permute(2, 0, 1)[None], (SIZE, SIZE), mode="area")[
        0
    ].permute(1, 2, 0)


def make(seeds: range, folder: Path, progress=lambda x, **k: x) -> Path:
    """Write `turns_A_B.npz`: pictures (N, SIZE, SIZE, 3) and views (N, 18, SIZE, SIZE, 3), uint8. The same seeds give the same file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"turns_{seeds.start}_{seeds.stop}.npz"
    if not path.exists():
        turns = [turn(seed) for seed in progress(seeds, desc="turns")]
        u8 = lambda x: (x * 255).round().byte().numpy()
        temporary = path.with_suffix(".part.npz")
        np.savez(
            temporary,
            pictures=u8(torch.stack([t.picture for t in turns])),
            views=u8(torch.stack([t.views for t in turns])),
        )
        temporary.replace(path)
    return path
