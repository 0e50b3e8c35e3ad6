"""Editors by name. A new one is one new file and one line in the table."""

from collections.abc import Callable

from stkit.diffusion.depth import DepthEditor, is_depth_pipeline
from stkit.diffusion.instruct_pix2pix import InstructPix2PixEditor
from stkit.diffusion.paint import PaintEditor
from stkit.diffusion.protocols import Editor
from stkit.diffusion.tiny.editor import tiny_editor

# name to what makes the editor for a device; any other name is a pipeline's folder or hub id
EDITORS: dict[str, Callable[[str], Editor]] = {
    "paint": lambda device: PaintEditor(),
    "tiny": tiny_editor,
}


def get_editor(name: str = "paint", device: str = "auto") -> Editor:
    """An editor by its name, or by the folder or hub id of a pipeline.

    'paint' is the rule-based stand-in, 'tiny' the kit's own InstructPix2Pix.

    A Stable Diffusion pipeline with a depth ControlNet is one folder, or two joined by '+':
    SD_FOLDER+CONTROLNET_FOLDER. `device`: where a network runs, 'cpu', 'cuda', or 'auto' for CUDA
    where torch sees it. Raises FileNotFoundError with the remedy if weights cannot be loaded.
    """
    if name in EDITORS:
        return EDITORS[name](device)
    if is_depth_pipeline(name):
        return DepthEditor(name, device=device)
    return InstructPix2PixEditor(name, device=device)
