"""What a picture of a head holds beside its colours, pixel by pixel: a G-buffer, as renderers of
films and games call it. All of it is fastened to the head's surface, so that whatever is drawn
from it alone looks the same from every side and does not swim when the head moves.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stkit.art.art_style import REGIONS

LEAST_ALPHA = 1e-3


@dataclass(frozen=True)
class GBuffer:
    """Of H x W pixels.

    colour (H, W, 3) in [0, 1], over white; alpha (H, W, 1); normal (H, W, 3) unit vectors in the
    world; place (H, W, 3) of the surface in the neutral face, canonical decimetres; regions
    (H, W, 6): shares of `art_style.REGIONS`. Where alpha is 0 all but the colour is 0.
    pixel: canonical decimetres that a pixel is wide at the head.
    """

    colour: Tensor
    alpha: Tensor
    normal: Tensor
    place: Tensor
    regions: Tensor
    pixel: float

    @staticmethod
    def of_splats(image: Tensor, alpha: Tensor, pixel: float) -> "GBuffer":
        """From a splatted picture (H, W, 3 + 12): colours over white, then normal, place and
        regions, weighted by alpha (H, W, 1).
        """
        colour, normal, place, regions = image.split([3, 3, 3, len(REGIONS)], -1)
        seen = alpha > LEAST_ALPHA
        share = alpha.clamp_min(LEAST_ALPHA)
        return GBuffer(
            colour.clamp(0, 1),
            alpha,
            torch.nn.functional.normalize(normal, dim=-1),
            torch.where(seen, place / share, 0),
            torch.where(seen, regions / share, 0),
            pixel,
        )

    @property
    def own_colour(self) -> Tensor:
        """Colours (H, W, 3) of the surface itself, without the white behind it."""
        return ((self.colour - (1 - self.alpha)) / self.alpha.clamp_min(0.05)).clamp(0, 1)
