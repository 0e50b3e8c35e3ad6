"""A set of 3D Gaussians, and its picture from a camera."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from stkit.cameras import Camera
from stkit.geometry import quat_multiply
from stkit.render.rasterization import rasterize


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians.

    `means` (N, 3), `quats` (N, 4) w, x, y, z, `scales` (N, 3), `opacities` (N,) and `colors` (N, D)
    in [0, 1]. Lengths are decimetres, of the world or of canonical space, as the place that makes
    them says.
    """

    means: Float[Tensor, "n 3"]
    quats: Float[Tensor, "n 4"]
    scales: Float[Tensor, "n 3"]
    opacities: Float[Tensor, " n"]
    colors: Float[Tensor, "n d"]

    def __len__(self) -> int:
        return len(self.means)

    def tensors(self) -> list[Tensor]:
        """The five tensors, in the order of `rasterize`'s arguments."""
        return [self.means, self.quats, self.scales, self.opacities, self.colors]

    def select(self, rows: Tensor) -> "Gaussians":
        """The Gaussians of these rows: indices or a mask."""
        return Gaussians(*(x[rows] for x in self.tensors()))

    def moved(self, R: Tensor, T: Tensor, scale: float = 1.0) -> "Gaussians":
        """The Gaussians at scale R x + T, for a rotation R (3, 3) and T (3,)."""
        x, y, z, w = Rotation.from_matrix(R.cpu().numpy()).as_quat().tolist()
        turn = self.quats.new_tensor([w, x, y, z]).expand(len(self), 4)
        return replace(
            self,
            means=scale * self.means @ R.T + T,
            quats=quat_multiply(turn, self.quats),
            scales=scale * self.scales,
        )

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
        return self._rasterize(values, camera, ground)

    def splat(self, values: Tensor, camera: Camera) -> Tensor:
        """Values (N, E) splatted with the colours' own blending weights.

        Returns (H, W, E), 0 where no Gaussian is.
        """
        return self._rasterize(values, camera)[0]

    def depth(self, camera: Camera) -> tuple[Tensor, Tensor]:
        """Expected depth (H, W, 1), decimetres, and alpha (H, W, 1)."""
        return self._rasterize(self.colors, camera, render_mode="ED")

    def _rasterize(
        self,
        values: Tensor,
        camera: Camera,
        ground: Tensor | None = None,
        render_mode: str = "RGB",
    ) -> tuple[Tensor, Tensor]:
        """Image (H, W, ...) and alpha (H, W, 1) of values (N, E) over ground (1, E)."""
        images, alphas, _ = rasterize(
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
            render_mode=render_mode,
            meta=False,
        )
        return images[0], alphas[0]
