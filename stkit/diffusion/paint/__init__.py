"""The paint editor: a rule-based stand-in for a diffusion editor; it needs no weights."""

from stkit.diffusion.paint.editor import PaintEditor
from stkit.diffusion.paint.prompts import find_recipe, instructions

__all__ = ["PaintEditor", "find_recipe", "instructions"]
