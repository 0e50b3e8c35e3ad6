"""Training data of the tiny orbit: pictures of made-up people, and 18 views of each, from seeds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera
from stkit.diffusion.orbit import SIZE
from stkit.diffusion.v3d_cameras import FRAMES, STEP, cameras_around, recentre
from stkit.geometry import euler_yxz
from stkit.space import HEAD_CENTRE, FramePose, to_world
from stkit.synthetic.performance import UNIT
from stkit.synthetic.picture import Picture, draw
from stkit.synthetic.subject import Subject, make_subject, rest_pose


@dataclass(frozen=True)
class Turn:
    """One person: `picture` (SIZE, SIZE, 3), recentred over white, and `views` (18, SIZE, SIZE, 3).

    View number k is turned by 20 k degrees.
    """

    picture: Tensor
    views: Tensor


@dataclass(frozen=True)
class _Scene:
    """A person in a frame, and how they are filmed: the camera, tint (3,) and gamma of its film."""

    subject: Subject
    frame: FramePose
    filming: Camera
    tint: Tensor
    gamma: float

    def picture(self, camera: Camera) -> tuple[Tensor, Tensor]:
        """The graded picture (H, W, 3) over white and its matte (H, W, 1).

        What the filming camera cuts off below stays off from every side.
        """
        seen = draw(self.subject.body, self.frame, camera)
        alpha = seen.matte * self._within(seen, camera)
        figure = seen.image / seen.matte.clamp_min(1e-3)
        graded = (figure.clamp(0, 1) * self.tint).clamp(0, 1) ** self.gamma
        return graded * alpha + 1 - alpha, alpha

    def _within(self, seen: Picture, camera: Camera) -> Tensor:
        """Which pixels (H, W, 1) show what the filming camera has in its picture too."""
        y, x = torch.meshgrid(
            torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij"
        )
        ray = torch.stack([x, y, torch.ones_like(x)], -1) @ torch.linalg.inv(camera.K).T
        in_camera = ray * seen.depth[..., None] - camera.viewmat[:3, 3]
        world = in_camera @ camera.viewmat[:3, :3]
        return self.filming.project(world)[..., 1:] < self.filming.height


def turn(seed: int) -> Turn:
    """A person from a seed, nearly facing the camera, with hardly any expression.

    Exposure and tint are drawn too.
    """
    rng = np.random.default_rng(seed)
    subject = make_subject(int(rng.integers(1_000_000_000)), 12, seconds=8.0)
    beta = subject.performance.beta[int(rng.integers(12))] * float(rng.uniform(0, 0.5))
    frame = FramePose(beta, _pose(rng), torch.zeros(6), UNIT, rest_pose())
    scene = _scene(subject, frame, rng)
    image, matte = scene.picture(scene.filming)
    head_centre = to_world(HEAD_CENTRE, frame)[0]
    azimuths = tuple(STEP * k for k in range(FRAMES))
    cameras = cameras_around(matte, scene.filming, head_centre, azimuths, 2 * SIZE)
    views = [small(scene.picture(camera)[0]) for camera in cameras]
    return Turn(recentre(image, matte, SIZE), torch.stack(views))


def _pose(rng: np.random.Generator) -> Tensor:
    """A head's pose (6,): within a few degrees of straight ahead, near the place where it rests."""
    degrees = [rng.uniform(-6, 6), rng.normal(0, 3), rng.normal(0, 2)]
    angles = torch.tensor(np.radians(degrees), dtype=torch.float32)
    step = torch.tensor(rng.normal(size=3), dtype=torch.float32)
    return torch.cat([euler_yxz(*angles[:, None])[0], rest_pose()[3:] + 0.05 * step])


def _scene(subject: Subject, frame: FramePose, rng: np.random.Generator) -> _Scene:
    filming = zoomed(front_camera(2 * SIZE), float(rng.uniform(0.9, 1.3)))
    tint = torch.tensor(rng.uniform(0.9, 1.1, 3), dtype=torch.float32)
    return _Scene(subject, frame, filming, tint, float(rng.uniform(0.8, 1.2)))


def zoomed(camera: Camera, zoom: float) -> Camera:
    """The camera with a longer lens that keeps the crown of the head where it was."""
    K = camera.K.clone()
    K[:2, :2] *= zoom
    K[1, 2] += 0.45 * (zoom - 1) * camera.height
    return Camera(camera.viewmat, K, camera.width, camera.height)


def small(image: Tensor) -> Tensor:
    """(H, W, 3) to (SIZE, SIZE, 3)."""
    channels_first = image.permute(2, 0, 1)[None]
    out = torch.nn.functional.interpolate(channels_first, (SIZE, SIZE), mode="area")
    return out[0].permute(1, 2, 0)


def make(seeds: range, folder: Path, progress=lambda x, **k: x) -> Path:
    """Write the turns of these seeds and return the file.

    `turns_A_B.npz` holds pictures (N, SIZE, SIZE, 3) and views (N, 18, SIZE, SIZE, 3), uint8. The
    same seeds give the same file; one that is there is not made again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"turns_{seeds.start}_{seeds.stop}.npz"
    if not path.exists():
        turns = [turn(seed) for seed in progress(seeds, desc="turns")]
        pictures = _bytes(torch.stack([t.picture for t in turns]))
        views = _bytes(torch.stack([t.views for t in turns]))
        temporary = path.with_suffix(".part.npz")
        np.savez(temporary, pictures=pictures, views=views)
        temporary.replace(path)
    return path


def _bytes(pictures: Tensor) -> np.ndarray:
    return (pictures * 255).round().byte().numpy()
