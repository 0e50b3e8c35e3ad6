"""Training data of the tiny editor: made-up heads, and the paint editor's edits, from seeds."""

import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera
from stkit.diffusion.paint import PaintEditor
from stkit.diffusion.paint.editor import FULL
from stkit.diffusion.tiny import SIZE
from stkit.diffusion.tiny.vocabulary import names
from stkit.face_models.landmarks import KEPT_66
from stkit.face_models.makehuman import makehuman
from stkit.geometry import euler_yxz
from stkit.space import FramePose, to_world
from stkit.synthetic.backdrop import backdrop
from stkit.synthetic.performance import UNIT
from stkit.synthetic.subject import Subject, make_subject, rest_pose

PAINTED = 2 * SIZE  # the teacher paints at twice the size, for finer lines
PICTURES = 4  # of each person
PEOPLE_A_FILE = 50
ROOMS, GRADIENTS = 0.2, 0.15  # shares of backgrounds; all others are white


@dataclass(frozen=True)
class Sitting:
    """One picture of one made-up person.

    image (P, P, 3) over white, matte (P, P, 1), landmarks (66, 2) in pixels.
    """

    image: Tensor
    matte: Tensor
    landmarks: Tensor


def sittings(seed: int, count: int = 1) -> list[Sitting]:
    """Pictures of one person from a seed, each with an expression, a pose within +-30 degrees, and
    a crop of its own.
    """
    rng = np.random.default_rng(seed)
    subject = make_subject(int(rng.integers(1_000_000_000)), 12, seconds=8.0)
    return [_sit(subject, rng) for _ in range(count)]


def _sit(subject: Subject, rng: np.random.Generator) -> Sitting:
    beta = subject.performance.beta[int(rng.integers(12))]
    pose = _pose(rng)
    camera = _camera(rng)
    image, matte = subject.render(None, camera, beta, pose)
    points = to_world(
        subject.body.canonical(beta)[makehuman().landmarks],
        FramePose(beta, pose, torch.zeros(6), UNIT, rest_pose()),
    )
    return Sitting(image, matte, camera.project(points)[KEPT_66])


def _pose(rng: np.random.Generator) -> Tensor:
    """A head's pose (6,): turned by up to 30 degrees, near the place where it rests."""
    yaw = rng.uniform(-30, 30) * rng.choice([0.4, 1.0])
    degrees = [yaw, rng.normal(0, 5), rng.normal(0, 4)]
    angles = torch.tensor(np.radians(degrees), dtype=torch.float32)
    turn = euler_yxz(angles[0:1], angles[1:2], angles[2:3])[0]
    step = torch.tensor(rng.normal(size=3), dtype=torch.float32)
    return torch.cat([turn, rest_pose()[3:] + 0.06 * step])


def _camera(rng: np.random.Generator) -> Camera:
    """A frontal camera with a lens and a crop of its own."""
    base = front_camera(PAINTED)
    K = base.K.clone()
    zoom = rng.uniform(0.85, 1.6)
    K[:2, :2] *= zoom
    crop = [rng.uniform(-0.08, 0.08), rng.uniform(-0.04, 0.10) + 0.10 * (zoom - 1)]
    K[:2, 2] += torch.tensor(crop, dtype=torch.float32) * PAINTED
    return Camera(base.viewmat, K, PAINTED, PAINTED)


def paint(sitting: Sitting, name: str, seed: int) -> Tensor:
    """The teacher's edit (P, P, 3) at full strength; 'nothing' gives the picture itself."""
    if name == "nothing":
        return sitting.image
    generator = torch.Generator().manual_seed(seed)
    return PaintEditor().edit(
        sitting.image, name, FULL, sitting.image, generator, landmarks=sitting.landmarks
    )


def disturb(images: list[Tensor], matte: Tensor, seed: int) -> list[Tensor]:
    """Pictures (P, P, 3) of one sitting as another camera would take them, (SIZE, SIZE, 3) each.

    Background, colour cast, exposure, blur and noise are drawn once for all of them.
    """
    rng = np.random.default_rng(seed)
    cast = _uniform(rng, 0.85, 1.15)
    gamma = float(rng.uniform(0.75, 1.3))
    blur = float(rng.uniform(0, 0.8)) if rng.random() < 0.3 else 0.0  # pixels
    noise_level = float(rng.uniform(0, 0.015))
    noise = noise_level * torch.tensor(rng.normal(size=(SIZE, SIZE, 3)), dtype=torch.float32)
    background = _background(rng)
    out = []
    for image in images:
        figure = image - (1 - matte)
        graded = (figure.clamp_min(0) * cast).clamp(0, 1) ** gamma
        whole = (graded + (1 - matte) * background).permute(2, 0, 1)[None]
        small = torch.nn.functional.interpolate(whole, (SIZE, SIZE), mode="area")
        pixels = small[0].permute(1, 2, 0)
        if blur:
            pixels = torch.from_numpy(cv2.GaussianBlur(pixels.numpy(), (0, 0), blur + 0.2))
        out.append((pixels + noise).clamp(0, 1))
    return out


def _background(rng: np.random.Generator) -> Tensor:
    """What is behind the person, (P, P, 3) or (3,): mostly white, as in a matted frame.

    Otherwise a gradient from one colour above to another below, or a room.
    """
    kind = rng.random()
    if kind < ROOMS:
        return backdrop(PAINTED, int(rng.integers(1_000_000)))
    if kind < ROOMS + GRADIENTS:
        y = torch.linspace(0, 1, PAINTED)[:, None, None]
        return _uniform(rng, 0.1, 0.9) * (1 - y) + _uniform(rng, 0.1, 0.9) * y
    return torch.ones(3)


def _uniform(rng: np.random.Generator, low: float, high: float) -> Tensor:
    """A random colour (3,)."""
    return torch.tensor(rng.uniform(low, high, 3), dtype=torch.float32)


class Pictures:
    """All pictures (N, 3, S, S) of the people of these seeds, and their edits (N, E, 3, S, S), in
    memory as uint8.

    `which` (N, E) are the numbers of the instructions.
    """

    def __init__(self, seeds: range, edits: int, folder: Path, progress=lambda x, **k: x):
        parts = []
        for first in range(seeds.start, seeds.stop, PEOPLE_A_FILE):
            some = range(first, min(first + PEOPLE_A_FILE, seeds.stop))
            parts.append(np.load(make(some, edits, folder, progress)))
        self.images = torch.from_numpy(np.concatenate([p["images"] for p in parts])).movedim(-1, -3)
        self.edited = torch.from_numpy(np.concatenate([p["edited"] for p in parts])).movedim(-1, -3)
        self.which = np.concatenate([p["which"] for p in parts])


def make(seeds: range, edits: int, folder: Path, progress=lambda x, **k: x) -> Path:
    """Write four pictures of each of these seeds' people, each with `edits` different instructions.

    Returns the file.

    `pictures_A_B_E.npz` holds images (N, SIZE, SIZE, 3) uint8, edited (N, E, SIZE, SIZE, 3) uint8
    and which (N, E), the numbers of the instructions. The same seeds give the same file; one that
    is there is not made again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pictures_{seeds.start}_{seeds.stop}_{edits}.npz"
    if path.exists():
        return path
    images, edited, which = [], [], []
    for seed in progress(seeds, desc="people"):
        rng = random.Random(seed)
        for k, sitting in enumerate(sittings(seed, PICTURES)):
            chosen = rng.sample(range(len(names())), edits)
            before, after = _taught(sitting, chosen, PICTURES * seed + k)
            images.append(before)
            edited.append(after)
            which.append(chosen)
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, images=np.stack(images), edited=np.stack(edited), which=np.array(which))
    temporary.replace(path)
    return path


def _taught(sitting: Sitting, chosen: list[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture (S, S, 3) and its edits (E, S, S, 3) by the chosen instructions, uint8."""
    painted = [paint(sitting, names()[k], seed) for k in chosen]
    pictures = disturb([sitting.image, *painted], sitting.matte, seed)
    pixels = [(x * 255).round().byte().numpy() for x in pictures]
    return pixels[0], np.stack(pixels[1:])
