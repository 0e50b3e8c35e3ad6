"""How one camera's picture of Gaussians is taken: size, depth range, blur, and what it holds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PictureSettings:
    """Settings of one rasterisation.

    `width` and `height` in pixels; `near` and `far` depth in world units; `eps2d` blur in pixels^2;
    `antialiased`: opacities make up for that blur; `depth`: accumulated depth is a last channel.
    """

    width: int
    height: int
    near: float
    far: float
    eps2d: float
    antialiased: bool
    depth: bool
