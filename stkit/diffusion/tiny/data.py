"""Training data made from seeds: synthetic heads of all kinds, and what the paint editor makes of them."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera
from stkit.diffusion.paint import PaintEditor
from stkit.diffusion.tiny import SIZE
from stkit.diffusion.tiny.vocabulary import names
from stkit.face_models import get as face_model
from stkit.face_models.landmarks import KEPT_66
from stkit.geometry import euler_yxz
from stkit.space import FramePose, to_world
from stkit.synthetic.performance import UNIT
from stkit.synthetic.subject import make_subject, rest_pose

PAINTED = 2 * SIZE  # the teacher paints at twice the size, for finer lines


@dataclass(frozen=True)
class Sitting:
    """One picture of one made-up person: image (P, P, 3) over white, matte (P, P, 1), landmarks (66, 2) in pixels."""

    image: Tensor
    matte: Tensor
    landmarks: Tensor


def sit(seed: int) -> Sitting:
    """A person from a seed: identity, look, expression, pose within +-30 degrees, and crop."""
    rng = np.random.default_rng(seed)
    subject = make_subject(int(rng.integers(1_000_000_000)), 12, seconds=8.0)
    beta = subject.performance.beta[int(rng.integers(12))]
    angles = torch.tensor(
        np.radians(
            [rng.uniform(-30, 30) * rng.choice([0.4, 1.0]), rng.normal(0, 5), rng.normal(0, 4)]
        ),
        dtype=torch.float32,
    )
    turn = euler_yxz(angles[0:1], angles[1:2], angles[2:3])[0]
    pose = torch.cat(
        [turn, rest_pose()[3:] + 0.06 * torch.tensor(rng.normal(size=3), dtype=torch.float32)]
    )
    base = front_camera(PAINTED)
    K = base.K.clone()
    zoom = rng.uniform(0.85, 1.6)
    K[:2, :2] *= zoom
    K[:2, 2] += (
        torch.tensor(
            [rng.uniform(-0.08, 0.08), rng.uniform(-0.04, 0.10) + 0.10 * (zoom - 1)],
            dtype=torch.float32,
        )
        * PAINTED
    )
    camera = Camera(base.viewmat, K, PAINTED, PAINTED)
    image, matte = subject.render(None, camera, beta, pose)
    head = face_model("builtin")
    points = to_world(
        head.verts(subject.identity, beta)[head.landmarks],
        FramePose(beta, pose, torch.zeros(6), UNIT, rest_pose()),
    )
    return Sitting(image, matte, camera.project(points)[KEPT_66])


def paint(sitting: Sitting, name: str, seed: int) -> Tensor:
    """The teacher's edit of a sitting (P, P, 3) at full strength; 'nothing' gives the picture itself."""
    if name == "nothing":
        return sitting.image
    gen = torch.Generator().manual_seed(seed)
    return PaintEditor().edit(
        sitting.image, name, 0.5, sitting.image, gen, landmarks=sitting.landmarks
    )


def disturb(images: list[Tensor], matte: Tensor, seed: int) -> list[Tensor]:
    """The same camera for all pictures of a sitting: background, colour cast, exposure, blur, noise; (SIZE, SIZE, 3) each."""
    rng = np.random.default_rng(seed)
    cast = torch.tensor(rng.uniform(0.85, 1.15, 3), dtype=torch.float32)
    gamma = float(rng.uniform(0.75, 1.3))
    blur = float(rng.uniform(0, 0.8)) if rng.random() < 0.3 else 0.0
    noise = float(rng.uniform(0, 0.015)) * torch.tensor(
        rng.normal(size=(SIZE, SIZE, 3)), dtype=torch.float32
    )
    back = torch.ones(3)
    if rng.random() < 0.35:
        y = torch.linspace(0, 1, PAINTED)[:, None, None]
        back = (
            torch.tensor(rng.uniform(0.1, 0.9, 3), dtype=torch.float32) * (1 - y)
            + torch.tensor(rng.uniform(0.1, 0.9, 3), dtype=torch.float32) * y
        )
    out = []
    for image in images:
        figure = image - (1 - matte)
        shown = (figure.clamp_min(0) * cast).clamp(0, 1) ** gamma + (1 - matte) * back
        small = torch.nn.functional.interpolate(
            shown.permute(2, 0, 1)[None], (SIZE, SIZE), mode="area"
        )[0].permute(1, 2, 0)
        if blur:
            import cv2

            small = torch.from_numpy(cv2.GaussianBlur(small.numpy(), (0, 0), blur + 0.2))
        out.append((small + noise).clamp(0, 1))
    return out


def make(seeds: range, edits: int, folder: Path, progress=lambda x, **k: x) -> Path:
    """Write `pictures_A_B_E.npz`: images (N, SIZE, SIZE, 3) uint8, edited (N, E, SIZE, SIZE, 3) uint8, which (N, E) instruction numbers.

    Each sitting gets `edits` different instructions; the same seeds give the same file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pictures_{seeds.start}_{seeds.stop}_{edits}.npz"
    if path.exists():
        return path
    images, edited, which = [], [], []
    for seed in progress(seeds, desc="pictures"):
        sitting, rng = sit(seed), random.Random(seed)
        chosen = rng.sample(range(len(names())), edits)
        pictures = disturb(
            [sitting.image, *(paint(sitting, names()[k], seed) for k in chosen)],
            sitting.matte,
            seed,
        )
        pixels = [(x * 255).round().byte().numpy() for x in pictures]
        images.append(pixels[0])
        edited.append(np.stack(pixels[1:]))
        which.append(chosen)
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, images=np.stack(images), edited=np.stack(edited), which=np.array(which))
    temporary.replace(path)
    return path
