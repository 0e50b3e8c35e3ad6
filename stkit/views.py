"""Cameras with pictures: views of one frame from several sides."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.io.tensors import load_tree, save_tree

# degrees: V3D's frames 1, 2, 3, 15, 16, 17 (lineage.md 7, reading 18); all but its first
FRONTAL = (20.0, 40.0, 60.0, -60.0, -40.0, -20.0)
ORBIT = tuple(20.0 * k for k in range(1, 18))


@dataclass(frozen=True)
class Views:
    """V views: images (V, H, W, 3) over white, alphas and trust (V, H, W, 1) in [0, 1], cameras,
    azimuths (degrees).

    trust: how much a pixel counts in a loss. source: who made the views, in words.
    """

    images: Tensor
    alphas: Tensor
    trust: Tensor
    cameras: list[Camera]
    azimuths: tuple[float, ...]
    source: str

    def save(self, path: Path) -> None:
        """Write one safetensors file."""
        cameras = [[c.viewmat, c.K, c.width, c.height] for c in self.cameras]
        kept = {f.name: getattr(self, f.name) for f in fields(self)} | {"cameras": cameras}
        save_tree(path, kept)

    @staticmethod
    def load(path: Path) -> "Views":
        """Read what `save` wrote. ValueError naming the file when it is damaged."""
        kept = load_tree(path)
        cameras = [Camera(*camera) for camera in kept["cameras"]]
        return Views(**kept | {"cameras": cameras, "azimuths": tuple(kept["azimuths"])})

    def to(self, device: torch.device | str) -> "Views":
        """The views with their tensors on another device."""
        tensors = {n: getattr(self, n).to(device) for n in ("images", "alphas", "trust")}
        return replace(self, cameras=[c.to(device) for c in self.cameras], **tensors)
