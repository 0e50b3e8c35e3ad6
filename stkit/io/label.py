"""The visible label: pictures and films of made or changed faces carry the word in a corner."""

import numpy as np
from PIL import Image, ImageDraw

SYNTHETIC = "synthetic"
MIXED = "partly synthetic"  # of a sheet that shows recorded frames beside made ones
MARGIN = 4  # pixels around the word
GROUND, INK = 40, 255  # dark behind white, so that it can be read on any picture


def labelled(frames: np.ndarray, word: str = SYNTHETIC) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 with a word, white on dark, in the lower left corner."""
    left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), word)
    size = (int(right - left) + 2 * MARGIN, int(bottom - top) + 2 * MARGIN)
    label = Image.new("L", size, GROUND)
    ImageDraw.Draw(label).text((MARGIN - left, MARGIN - top), word, fill=INK)
    stamp = np.asarray(label)[-frames.shape[1] :, : frames.shape[2], None]
    out = frames.copy()
    out[:, -stamp.shape[0] :, : stamp.shape[1]] = stamp
    return out
