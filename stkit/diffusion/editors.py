"""Editors behind one protocol; InstructPix2Pix through diffusers, used as Instruct-NeRF2NeRF does (lineage.md 4)."""

from pathlib import Path

from stkit.diffusion.instruct_pix2pix import InstructPix2PixEditor
from stkit.diffusion.protocols import Editor


def get_editor(name: str = "paint") -> Editor:
    """'paint' (the rule-based stand-in), 'tiny' (the kit's own InstructPix2Pix), or the folder or hub id of a pipeline.

    A Stable Diffusion pipeline with a depth ControlNet is one folder, or two joined by '+': SD_FOLDER+CONTROLNET_FOLDER.
    """
    if name == "paint":
        from stkit.diffusion.paint import PaintEditor

        return PaintEditor()
    index = Path(name) / "model_index.json"
    if "+" in name or (
        index.exists() and "ControlNetPipeline" in index.read_text(errors="replace")
    ):
        from stkit.diffusion.depth import DepthEditor

        return DepthEditor(name)
    return InstructPix2PixEditor(name)
