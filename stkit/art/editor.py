"""An art style as an editor of pictures, for the edit loop: the style goes into the head itself."""

import torch
from torch import Tensor

from stkit.art.art_style import ArtStyle
from stkit.art.flat import restyle_picture
from stkit.cameras import front_camera
from stkit.diffusion.regions import WHITE
from stkit.errors import RequestError


class ArtEditor:
    """Draws pictures in a style one by one, with no network in it; b is the degree of the
    drawing. Words do not matter to it.
    """

    stand_in = "styling picture by picture instead of InstructPix2Pix"
    wants_depth = False

    def __init__(self, style: ArtStyle):
        self.style = style
        self.name = f"art style {style.name} (picture by picture, no diffusion)"

    def check(self, prompt: str) -> None:
        """Every prompt will do."""

    def edit(
        self,
        image: Tensor,
        prompt: str,
        b: float,
        condition: Tensor,
        generator: torch.Generator,
        landmarks: Tensor | None = None,
        text_guidance: float = 1.0,
    ) -> Tensor:
        """The condition (the unedited frame) in the style. Arguments as those of
        `diffusion.protocols.Editor.edit`. Raises RequestError without landmarks.
        """
        if landmarks is None:
            raise RequestError("the art editor draws by regions: it needs the 66 landmarks")
        matte = (condition.amin(-1, keepdim=True) < WHITE).float()
        camera = front_camera(condition.shape[0])
        return restyle_picture(condition, matte, landmarks, camera, self.style, b, 1.0)
