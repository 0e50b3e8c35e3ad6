"""How the chest moves: its texture, followed from the neutral frame by optical flow, gives one rigid motion per frame.

The lineage crops to the head; a monocular clip shows shoulders, and they do not turn with the head.
"""

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import DISTANCE, Camera


def track_chest(
    frames: np.ndarray, mattes: np.ndarray, chin: np.ndarray, neutral: int, camera: Camera
) -> Tensor:
    """Motion (F, 6) of the chest in the world since frame `neutral`: so3 (roll only) and translation, decimetres.

    frames (F, S, S, 3), mattes (F, S, S) uint8; chin (F, 2) pixels. Zero motion where too little texture is seen.
    """
    import cv2

    F, S = mattes.shape[:2]
    grey = np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in frames])
    region = cv2.erode((mattes[neutral] > 200).astype(np.uint8), np.ones((7, 7), np.uint8))
    lower = int(min(chin[:, 1].max() + 0.06 * S, 0.93 * S))
    region[:lower] = 0
    motion = np.zeros((F, 3))  # angle, shift x, shift y, about the image centre
    points = (
        cv2.goodFeaturesToTrack(grey[neutral], 200, 0.004, max(4, S // 50), mask=region)
        if region.any()
        else None
    )
    if points is None or len(points) < 12:
        return torch.zeros(F, 6)
    options = dict(
        winSize=(21, 21),
        maxLevel=3,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01),
    )
    for direction in (1, -1):
        last = points
        t = neutral + direction
        while 0 <= t < F:
            guess = last.copy()
            found, ok, _ = cv2.calcOpticalFlowPyrLK(
                grey[neutral], grey[t], points, guess, flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **options
            )
            back, ok2, _ = cv2.calcOpticalFlowPyrLK(
                grey[t],
                grey[neutral],
                found,
                points.copy(),
                flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
                **options,
            )
            good = (
                (ok[:, 0] > 0)
                & (ok2[:, 0] > 0)
                & (np.linalg.norm(back - points, axis=2)[:, 0] < 1.0)
            )
            if good.sum() >= 10:
                A, inliers = cv2.estimateAffinePartial2D(
                    points[good] - S / 2, found[good] - S / 2, ransacReprojThreshold=2.0
                )
                if A is not None and inliers.sum() >= 8:
                    # a chest hardly changes its distance, and its size in the picture is mostly noise: roll and shift only
                    angle, keep = np.arctan2(A[1, 0], A[0, 0]), inliers[:, 0] > 0
                    R = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
                    p, q = (x[good][keep].reshape(-1, 2) - S / 2 for x in (points, found))
                    shift = (q - p @ R.T).mean(0)
                    motion[t] = [angle, *shift]
                    last = (
                        ((points.reshape(-1, 2) - S / 2) @ R.T + shift + S / 2)
                        .astype(np.float32)
                        .reshape(-1, 1, 2)
                    )
                else:
                    motion[t] = motion[t - direction]
            else:
                motion[t] = motion[t - direction]
            t += direction
    kernel = np.array([0.25, 0.5, 0.25])
    padded = np.concatenate([motion[:1], motion, motion[-1:]])
    angle, dx, dy = (np.convolve(padded[:, k], kernel, "valid") for k in range(3))
    to_world = DISTANCE / float(camera.K[0, 0])
    out = np.zeros((F, 6))
    out[:, 2], out[:, 3], out[:, 4] = -angle, dx * to_world, -dy * to_world
    return torch.tensor(out, dtype=torch.float32)
