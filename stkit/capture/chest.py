"""How the chest moves: its texture, followed from the neutral frame by optical flow, gives one
rigid motion per frame.

The lineage crops to the head; a monocular clip shows shoulders, and they do not turn with the head.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from stkit.cameras import DISTANCE, Camera

# the region, in shares of the picture's height; all of these are the kit's, chosen by eye
BELOW_CHIN = 0.06  # it begins this far below the lowest chin
LAST_START = 0.93  # and at the latest here
OPAQUE = 200  # matte values above this are surely the person
EDGE = 7  # pixels: the kernel that draws the region back from the matte's edge
# points to follow
MOST_POINTS = 200
POINT_QUALITY = 0.004  # of the best corner's
FEWEST_POINTS = 12  # fewer are no texture
# a frame's motion
RETURN_PIXELS = 1.0  # a followed point must come back this near when followed backwards
FEWEST_FOLLOWED = 10
RANSAC_PIXELS = 2.0  # largest miss of an inlier
FEWEST_INLIERS = 8
SMOOTHING = np.array([0.25, 0.5, 0.25])  # over neighbouring frames

WINDOW = (21, 21)  # pixels
PYRAMID_LEVELS = 3
STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01)  # iterations, pixels


@dataclass(frozen=True)
class _Motion:
    """A turn `angle` (radians) about the picture's middle and a shift (2,), pixels."""

    angle: float
    shift: np.ndarray

    def rotation(self) -> np.ndarray:
        """The turn as a matrix (2, 2)."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]])


def track_chest(
    frames: np.ndarray, mattes: np.ndarray, chin: np.ndarray, neutral: int, camera: Camera
) -> Tensor:
    """Motion (F, 6) of the chest in the world since frame `neutral`: so3 (roll only) and
    translation, decimetres.

    frames (F, S, S, 3), mattes (F, S, S) uint8; chin (F, 2) pixels. Zero motion where too little
    texture is seen.
    """
    count = len(frames)
    grey = np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in frames])
    points = _texture(grey[neutral], mattes[neutral], chin)
    if points is None:
        return torch.zeros(count, 6)
    motion = np.zeros((count, 3))  # angle, shift x, shift y
    for direction in (1, -1):
        last = points
        t = neutral + direction
        while 0 <= t < count:
            found = _motion(grey[neutral], grey[t], points, last)
            if found is None:
                motion[t] = motion[t - direction]
            else:
                motion[t] = [found.angle, *found.shift]
                last = _moved(points, found, grey.shape[1] / 2)
            t += direction
    padded = np.concatenate([motion[:1], motion, motion[-1:]])
    angle, right, down = (np.convolve(padded[:, k], SMOOTHING, "valid") for k in range(3))
    decimetres = DISTANCE / float(camera.K[0, 0])  # a pixel at the chest's distance
    out = np.zeros((count, 6))
    out[:, 2], out[:, 3], out[:, 4] = -angle, right * decimetres, -down * decimetres
    return torch.tensor(out, dtype=torch.float32)


def _texture(grey: np.ndarray, matte: np.ndarray, chin: np.ndarray) -> np.ndarray | None:
    """Corners (N, 1, 2), pixels, on the chest of the neutral frame; None where these are few."""
    size = len(grey)
    region = cv2.erode((matte > OPAQUE).astype(np.uint8), np.ones((EDGE, EDGE), np.uint8))
    region[: int(min(chin[:, 1].max() + BELOW_CHIN * size, LAST_START * size))] = 0
    if not region.any():
        return None
    apart = max(4, size // 50)  # pixels between two corners
    points = cv2.goodFeaturesToTrack(grey, MOST_POINTS, POINT_QUALITY, apart, mask=region)
    return None if points is None or len(points) < FEWEST_POINTS else points


def _motion(
    neutral: np.ndarray, frame: np.ndarray, points: np.ndarray, guess: np.ndarray
) -> _Motion | None:
    """How the neutral picture's points (N, 1, 2) have moved in `frame`; None where too few are
    found again.
    """
    found, there = _follow(neutral, frame, points, guess)
    back, and_back = _follow(frame, neutral, found, points)
    returned = np.linalg.norm(back - points, axis=2)[:, 0] < RETURN_PIXELS
    good = there & and_back & returned
    if good.sum() < FEWEST_FOLLOWED:
        return None
    middle = len(neutral) / 2
    A, inliers = cv2.estimateAffinePartial2D(
        points[good] - middle, found[good] - middle, ransacReprojThreshold=RANSAC_PIXELS
    )
    if A is None or inliers.sum() < FEWEST_INLIERS:
        return None
    # a chest hardly changes its distance, and its size in the picture is mostly noise: roll and
    # shift only
    keep = inliers[:, 0] > 0
    before = points[good][keep].reshape(-1, 2) - middle
    after = found[good][keep].reshape(-1, 2) - middle
    turn = _Motion(np.arctan2(A[1, 0], A[0, 0]), np.zeros(2))
    return _Motion(turn.angle, (after - before @ turn.rotation().T).mean(0))


def _follow(
    before: np.ndarray, after: np.ndarray, points: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where points (N, 1, 2) of one picture are in another, searched from `guess`, and which were
    found (N,).
    """
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points,
        guess.copy(),
        winSize=WINDOW,
        maxLevel=PYRAMID_LEVELS,
        criteria=STOP,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return moved, found[:, 0] > 0


def _moved(points: np.ndarray, motion: _Motion, middle: float) -> np.ndarray:
    """Points (N, 1, 2) under a motion about the picture's middle."""
    moved = (points.reshape(-1, 2) - middle) @ motion.rotation().T + motion.shift + middle
    return moved.astype(np.float32).reshape(-1, 1, 2)
