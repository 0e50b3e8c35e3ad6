"""Numba helpers of the projection: a Gaussian's rotation, axes and covariance.

They are inlined into both projection kernels. numba's cache on disk does not notice a change here:
delete render/__pycache__ after one.
"""

import math

import numpy as np
from numba import njit

from stkit.render.gaussians_constants import JIT

SQUARED_LENGTH_MIN = np.float32(1e-24)  # of a quaternion: one of zeros is divided by this


@njit(inline="always", **JIT)
def rotation(quats, i):
    """Rotation matrix of quaternion i row by row (9), its unit w, x, y, z, and 1 / its length."""
    w, x, y, z = quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3]
    squared = max(w * w + x * x + y * y + z * z, SQUARED_LENGTH_MIN)
    n = np.float32(1.0) / np.float32(math.sqrt(squared))
    w, x, y, z = w * n, x * n, y * n, z * n
    one, two = np.float32(1), np.float32(2)
    return (
        one - two * (y * y + z * z),
        two * (x * y - w * z),
        two * (x * z + w * y),
        two * (x * y + w * z),
        one - two * (x * x + z * z),
        two * (y * z - w * x),
        two * (x * z - w * y),
        two * (y * z + w * x),
        one - two * (x * x + y * y),
        w,
        x,
        y,
        z,
        n,
    )


@njit(inline="always", **JIT)
def camera_axes(quats, scales, view, i):
    """M = W R diag(s) of Gaussian i, row by row (9): its columns are the axes in camera frame."""
    r = rotation(quats, i)
    s0, s1, s2 = scales[i, 0], scales[i, 1], scales[i, 2]
    m00 = (view[0, 0] * r[0] + view[0, 1] * r[3] + view[0, 2] * r[6]) * s0
    m10 = (view[1, 0] * r[0] + view[1, 1] * r[3] + view[1, 2] * r[6]) * s0
    m20 = (view[2, 0] * r[0] + view[2, 1] * r[3] + view[2, 2] * r[6]) * s0
    m01 = (view[0, 0] * r[1] + view[0, 1] * r[4] + view[0, 2] * r[7]) * s1
    m11 = (view[1, 0] * r[1] + view[1, 1] * r[4] + view[1, 2] * r[7]) * s1
    m21 = (view[2, 0] * r[1] + view[2, 1] * r[4] + view[2, 2] * r[7]) * s1
    m02 = (view[0, 0] * r[2] + view[0, 1] * r[5] + view[0, 2] * r[8]) * s2
    m12 = (view[1, 0] * r[2] + view[1, 1] * r[5] + view[1, 2] * r[8]) * s2
    m22 = (view[2, 0] * r[2] + view[2, 1] * r[5] + view[2, 2] * r[8]) * s2
    return m00, m01, m02, m10, m11, m12, m20, m21, m22


@njit(inline="always", **JIT)
def covariance(quats, scales, view, i):
    """M M^T of Gaussian i in the camera's frame: entries 00, 01, 02, 11, 12, 22."""
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = camera_axes(quats, scales, view, i)
    return (
        m00 * m00 + m01 * m01 + m02 * m02,
        m00 * m10 + m01 * m11 + m02 * m12,
        m00 * m20 + m01 * m21 + m02 * m22,
        m10 * m10 + m11 * m11 + m12 * m12,
        m10 * m20 + m11 * m21 + m12 * m22,
        m20 * m20 + m21 * m21 + m22 * m22,
    )
