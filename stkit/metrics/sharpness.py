"""How sharp a picture is, without a truth: CPBD, the cumulative probability of blur detection.

After Narvekar and Karam (2011): a person does not notice the blur of an edge that is narrower than
a width which depends on contrast. The score is the share of edges whose blur is noticed with a
probability below that width's, 63 %: 1 is sharp.
"""

import cv2
import numpy as np

BLOCK = 64  # pixels: contrast is measured in blocks
EDGE_SHARE = 0.002  # of a block's pixels, from which on it counts
LOW_CONTRAST = 50  # grey levels
WIDTH_LOW, WIDTH_HIGH = 5.0, 3.0  # pixels: just noticeable widths at low and high contrast
SHAPE = 3.6
NOTICED = 1 - np.exp(-1.0)  # probability of noticing an edge of just that width
ROUNDING = 1e-6


def cpbd(picture: np.ndarray) -> float:
    """Of a picture (H, W, 3) uint8, from 0 to 1; NaN where it has no edges."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    edges, widths = vertical_edges(grey), edge_widths(grey)
    unnoticed = total = 0
    for top in range(0, grey.shape[0] - BLOCK + 1, BLOCK):
        for left in range(0, grey.shape[1] - BLOCK + 1, BLOCK):
            block = slice(top, top + BLOCK), slice(left, left + BLOCK)
            found = widths[block][edges[block]]
            if len(found) <= EDGE_SHARE * BLOCK**2:
                continue
            contrast = float(np.ptp(grey[block]))
            just = WIDTH_LOW if contrast <= LOW_CONTRAST else WIDTH_HIGH
            noticed = 1 - np.exp(-((found / just) ** SHAPE))
            unnoticed += int((noticed <= NOTICED + ROUNDING).sum())
            total += len(found)
    return unnoticed / total if total else float("nan")


def vertical_edges(grey: np.ndarray) -> np.ndarray:
    """Pixels (H, W) bool on edges whose brightness changes along the row: Sobel, thinned."""
    change = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0))
    strong = change > 2 * np.sqrt(np.square(change).mean())
    middle, left, right = change[:, 1:-1], change[:, :-2], change[:, 2:]
    thin = np.zeros(grey.shape, bool)
    thin[:, 1:-1] = (middle >= left) & (middle > right)
    return strong & thin


def edge_widths(grey: np.ndarray) -> np.ndarray:
    """For each pixel (H, W), how many steps along its row brightness runs one way through it."""
    step = np.diff(grey, axis=1)
    way = np.sign(step)
    run = np.zeros_like(way)
    for left in range(way.shape[1]):  # steps up to here that go the same way
        before = run[:, left - 1] if left else 0
        same = left > 0 and way[:, left] == way[:, left - 1]
        run[:, left] = np.where(way[:, left] != 0, np.where(same, before, 0) + 1, 0)
    for left in range(way.shape[1] - 2, -1, -1):  # all steps of a run know its whole length
        same = (way[:, left] == way[:, left + 1]) & (way[:, left] != 0)
        run[:, left] = np.where(same, run[:, left + 1], run[:, left])
    widths = np.zeros_like(grey)
    widths[:, :-1] = run
    widths[:, 1:] = np.maximum(widths[:, 1:], run)
    return widths
