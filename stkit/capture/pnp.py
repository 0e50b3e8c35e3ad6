"""Where a rigid head is in every frame, from landmarks alone: the start of the fit
(perspective-n-point).
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from stkit.cameras import DISTANCE, Camera

RIGID = slice(17, 68)  # without the jaw's outline, which slides over the surface as the head turns
CAMERA_AXES = np.diag(
    [1.0, -1.0, -1.0]
)  # between the world's axes and OpenCV's: y and z change sign


def initial_poses(
    landmarks: np.ndarray, mean_face: np.ndarray, camera: Camera
) -> tuple[Tensor, float]:
    """Pose (F, 6) of the rigid mean face in every frame, and its scale.

    landmarks (F, 68, 2) pixels; mean_face (68, 3) canonical decimetres. Poses are axis-angle and
    translation in world decimetres. One view does not tell size from distance, so the head is put
    at the camera's distance.
    """
    K = camera.K.numpy().astype(np.float64)
    model = mean_face[RIGID].astype(np.float64) @ CAMERA_AXES
    poses = np.stack([_pose(points[RIGID].astype(np.float64), model, K) for points in landmarks])
    scale = DISTANCE / np.median(poses[:, 5])
    centre = poses[:, 3:] * scale
    # depth of a single frame is noise at this focal length; the fit finds the motion
    centre[:, 2] = DISTANCE
    poses[:, 3:] = (centre - [0, 0, DISTANCE]) @ CAMERA_AXES
    return torch.tensor(poses, dtype=torch.float32), float(scale)


def _pose(points: np.ndarray, model: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Axis-angle in the world's axes and translation in the camera's (6,) of one frame's points (N,
    2).

    Where no pose explains the points: an upright head that looks into the camera, before it.
    """
    neutral = np.array([0, 0, 0, 0, 0, DISTANCE])
    try:
        found, turn, shift = cv2.solvePnP(model, points, K, None, flags=cv2.SOLVEPNP_SQPNP)
    except cv2.error:  # raised where all points fall into one, or are not finite
        return neutral
    if not found:
        return neutral
    rotation = CAMERA_AXES @ cv2.Rodrigues(turn)[0] @ CAMERA_AXES
    return np.concatenate([cv2.Rodrigues(rotation)[0][:, 0], shift[:, 0]])
