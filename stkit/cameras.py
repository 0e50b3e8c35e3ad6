"""Pinhole cameras in the OpenCV convention: x right, y down, z forward, pixels.

World units are those of `x_world = S R x + T` (see `stkit.capture`), decimetres where the capture's
scale is true; orbit cameras look at a head that stands in that world.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

FOCAL = 3.5  # image widths: focal length of the tracking camera; the kit's, a portrait lens
DISTANCE = 12.0  # decimetres from the tracking camera to the world's origin; the kit's
FAR = 100.0  # decimetres from a far camera to what it looks at
NEAREST_DEPTH = 1e-6  # world units: smaller depths are divided by as if they were this


@dataclass(frozen=True)
class Camera:
    """One view: `viewmat` (4, 4) world-to-camera, `K` (3, 3) and image size in pixels."""

    viewmat: Tensor
    K: Tensor
    width: int
    height: int

    def resized(self, size: int) -> "Camera":
        """The same view on a square image `size` pixels wide."""
        K = self.K.clone()
        K[:2] *= size / self.width
        return replace(self, K=K, width=size, height=size)

    def to(self, device: torch.device | str) -> "Camera":
        """The same view with its tensors on another device."""
        return replace(self, viewmat=self.viewmat.to(device), K=self.K.to(device))

    def to_camera(self, points: Tensor) -> Tensor:
        """World points (..., 3) in the camera's frame."""
        return points @ self.viewmat[:3, :3].T + self.viewmat[:3, 3]

    def project(self, points: Tensor) -> Tensor:
        """Pixels (..., 2) of world points (..., 3); depth must be positive."""
        x = self.to_camera(points)
        uv = x[..., :2] / x[..., 2:].clamp_min(NEAREST_DEPTH)
        return uv * torch.stack([self.K[0, 0], self.K[1, 1]]) + self.K[:2, 2]

    def jacobian(self, points: Tensor) -> Tensor:
        """How pixels move with world points (..., 3): (..., 2, 3), pixels a world unit."""
        x = self.to_camera(points)
        depth = x[..., 2:].clamp_min(NEAREST_DEPTH)
        focal = torch.stack([self.K[0, 0], self.K[1, 1]])
        across = torch.diag_embed((focal / depth).expand(*x.shape[:-1], 2))
        along = -(focal * x[..., :2] / depth.square())[..., None]
        return torch.cat([across, along], -1) @ self.viewmat[:3, :3]

    def centre(self) -> Tensor:
        """The camera's position (3,) in the world."""
        return -self.viewmat[:3, :3].T @ self.viewmat[:3, 3]


def front_camera(size: int, focal: float = FOCAL, distance: float = DISTANCE) -> Camera:
    """The tracking camera: on +z, looking along -z, with y up in the world (diag(1, -1, -1)).

    `size` is the image's in pixels, `focal` in image widths, `distance` in decimetres. With one
    camera depth and scale are a gauge: `S x` has meaning only relative to `distance` (lineage.md
    2).
    """
    viewmat = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    viewmat[2, 3] = distance
    K = torch.tensor([[focal * size, 0, size / 2], [0, focal * size, size / 2], [0, 0, 1.0]])
    return Camera(viewmat, K, size, size)


def orbit_camera(
    base: Camera, azimuth: float, elevation: float = 0.0, target: Tensor | None = None
) -> Camera:
    """`base` turned about `target` (3,), by default the world's origin.

    Degrees; positive azimuth moves it to the subject's left (+x), positive elevation up.
    """
    device = base.viewmat.device
    target = torch.zeros(3, device=device) if target is None else target
    a, e = math.radians(azimuth), math.radians(elevation)
    ry = torch.tensor([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    rx = torch.tensor([[1, 0, 0], [0, math.cos(e), -math.sin(e)], [0, math.sin(e), math.cos(e)]])
    turn = (ry @ rx.T).to(device)
    viewmat = base.viewmat.clone()
    viewmat[:3, :3] = base.viewmat[:3, :3] @ turn.T
    viewmat[:3, 3] = base.viewmat[:3, 3] + (base.viewmat[:3, :3] - viewmat[:3, :3]) @ target
    return replace(base, viewmat=viewmat)


def far_camera(towards: Tensor, middle: Tensor, size: int, width: float) -> Camera:
    """A nearly parallel camera far away in a unit direction, which shows `width` decimetres."""
    up = torch.tensor([0.0, 1.0, 0.0]) if abs(towards[1]) < 0.95 else torch.tensor([0.0, 0, 1])
    right = torch.nn.functional.normalize(torch.linalg.cross(up, towards), dim=0)
    down = torch.linalg.cross(right, towards)
    viewmat = torch.eye(4)
    viewmat[:3, :3] = torch.stack([right, down, -towards])
    viewmat[:3, 3] = -viewmat[:3, :3] @ (middle + FAR * towards)
    focal = size * FAR / width
    K = torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]])
    return Camera(viewmat, K, size, size)
