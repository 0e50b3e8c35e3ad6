"""Do neighbouring pictures agree? What is left between them after one is warped onto the other."""

import cv2
import numpy as np
import torch
from torch import Tensor

from stkit.io.images import u8

HELD = 0.1  # change of colour below which the flow is trusted


def flow(image: Tensor, onto: Tensor) -> np.ndarray:
    """Optical flow (H, W, 2) in pixels: what pixel p of `onto` shows is at p + flow[p] in `image`.

    Pictures (H, W, 3) in [0, 1]; OpenCV's DIS (Kroeger et al. 2016).
    """
    grey = [cv2.cvtColor(u8(x), cv2.COLOR_RGB2GRAY) for x in (onto, image)]
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return method.calc(grey[0], grey[1], None)


def warped(image: Tensor, moves: np.ndarray) -> Tensor:
    """A picture (H, W, 3) fetched along a flow (H, W, 2), as `flow` gives it."""
    height, width = moves.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    at = (np.stack([x, y], -1) + moves).astype(np.float32)
    return torch.from_numpy(cv2.remap(image.numpy(), at, None, cv2.INTER_LINEAR))


def warp_error(before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor]) -> float:
    """Mean absolute difference of two edited neighbours `after`, the first warped onto the second.

    The flow is that of the unedited pair `before`, so an edit cannot hide behind a flow of its own;
    only pixels count where that flow carries the unedited picture over. Pictures (H, W, 3) in
    [0, 1]. 0: the edit moves with the head.
    """
    moves = flow(*before)
    held = (warped(before[0], moves) - before[1]).abs().mean(-1) < HELD
    difference = (warped(after[0], moves) - after[1]).abs().mean(-1)
    return float(difference[held].mean())
