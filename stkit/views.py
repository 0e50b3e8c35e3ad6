"""Cameras with pictures: views of one frame from several sides."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stkit.cameras import Camera

# V3D's frames 1, 2, 3, 15, 16, 17 (lineage.md 7, reading 18), and all of its frames but the first; degrees
FRONTAL = (20.0, 40.0, 60.0, -60.0, -40.0, -20.0)
ORBIT = tuple(20.0 * k for k in range(1, 18))


@dataclass(frozen=True)
class Views:
    """images (V, H, W, 3) over white, alphas (V, H, W, 1), trust (V, H, W, 1) in [0, 1], cameras, azimuths, and who made them."""

    images: Tensor
    alphas: Tensor
    trust: Tensor
    cameras: list[Camera]
    azimuths: tuple[float, ...]
    source: str

    def to(self, device: torch.device | str) -> "Views":
        """The views with their tensors on another device."""
        tensors = {n: getattr(self, n).to(device) for n in ("images", "alphas", "trust")}
        return replace(self, cameras=[c.to(device) for c in self.cameras], **tensors)
