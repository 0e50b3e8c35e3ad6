"""The kit's own InstructPix2Pix: the real diffusers classes, small, trained here on synthetic heads with the paint editor as teacher."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
SIZE = 64  # pixels
