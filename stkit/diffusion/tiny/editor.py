"""The tiny editor: `InstructPix2PixEditor` with the weights that come with the kit."""

from stkit.diffusion.instruct_pix2pix import InstructPix2PixEditor
from stkit.diffusion.tiny import PICTURE_GUIDANCE, SIZE, TEXT_GUIDANCE, WEIGHTS
from stkit.progress import hide_loading_bars


def tiny_editor(device: str = "auto") -> InstructPix2PixEditor:
    """The kit's InstructPix2Pix, a stand-in for the published one.

    `device` as of `LatentEditor`.
    """
    hide_loading_bars()
    return InstructPix2PixEditor(
        str(WEIGHTS),
        s_T=TEXT_GUIDANCE,
        s_I=PICTURE_GUIDANCE,
        device=device,
        name=f"tiny InstructPix2Pix (stand-in: {SIZE} px, trained on made-up people)",
        stand_in="the kit's tiny InstructPix2Pix instead of the published one",
    )
