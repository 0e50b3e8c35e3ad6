"""The kit's own InstructPix2Pix: the real classes, small, taught by the paint editor."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
SIZE = 128  # pixels
# s_T and s_I at which the judge of `studies.tiny_editor` is right most often; the published ones,
# 7.5 and 1.5, burn the colours
TEXT_GUIDANCE, PICTURE_GUIDANCE = 3.5, 1.2
