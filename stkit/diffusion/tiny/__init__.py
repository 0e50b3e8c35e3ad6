"""The kit's own InstructPix2Pix: the real diffusers classes, small, trained here on synthetic heads with the paint editor as teacher."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
SIZE = 64  # pixels
GUIDANCE = (
    2.0,
    1.2,
)  # s_T and s_I at which the judge of `evaluate` is right most often; the published 7.5 and 1.5 burn
