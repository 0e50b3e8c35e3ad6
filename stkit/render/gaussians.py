"""A set of 3D Gaussians, and its picture from a camera."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.render import rasterize


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians: means (N, 3), quats (N, 4) w, x, y, z, scales (N, 3), opacities (N,) and colors (N, D) in [0, 1].

    Lengths are decimetres, of the world or of canonical space, as the place that makes them says.
    """

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor

    def __len__(self) -> int:
        return len(self.means)

    def tensors(self) -> list[Tensor]:
        """The five tensors, in the order of `rasterize`'s arguments."""
        return [getattr(self, f.name) for f in fields(self)]

    def select(self, rows: Tensor) -> "Gaussians":
        """The Gaussians of these rows: indices or a mask."""
        return Gaussians(*(x[rows] for x in self.tensors()))

    def detach(self) -> "Gaussians":
        """The same without gradients."""
        return Gaussians(*(x.detach() for x in self.tensors()))

    def render(
        self, camera: Camera, extra: Tensor | None = None, background: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Image (H, W, D [+ E]) over `background` and alpha (H, W, 1).

        `extra` (N, E) is splatted beside the colours with the same weights, over 0.
        """
        values = self.colors
        ground = values.new_full((1, values.shape[1]), background)
        if extra is not None:
            values = torch.cat([values, extra], 1)
            ground = torch.cat([ground, ground.new_zeros(1, extra.shape[1])], 1)
        image, alpha, _ = rasterize(
            self.means,
            self.quats,
            self.scales,
            self.opacities,
            values,
            camera.viewmat[None],
            camera.K[None],
            camera.width,
            camera.height,
            backgrounds=ground,
            meta=False,
        )
        return image[0], alpha[0]

    def splat(self, values: Tensor, camera: Camera) -> Tensor:
        """Values (N, E) splatted with the colours' own blending weights: (H, W, E), 0 where no Gaussian is."""
        image, _, _ = rasterize(
            self.means,
            self.quats,
            self.scales,
            self.opacities,
            values,
            camera.viewmat[None],
            camera.K[None],
            camera.width,
            camera.height,
            meta=False,
        )
        return image[0]

    def depth(self, camera: Camera) -> tuple[Tensor, Tensor]:
        """Expected depth (H, W, 1), decimetres, and alpha (H, W, 1)."""
        depth, alpha, _ = rasterize(
            *self.tensors(),
            camera.viewmat[None],
            camera.K[None],
            camera.width,
            camera.height,
            render_mode="ED",
        )
        return depth[0], alpha[0]
