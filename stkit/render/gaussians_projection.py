"""Numba kernel that projects Gaussians to ellipses on the picture.

EWA splatting as in 3D Gaussian Splatting (Kerbl et al. 2023) with gsplat's conventions. Arrays are
flat float32. The gradients are in `gaussians_projection_backward`.
"""

import math

import numpy as np
from numba import njit

from stkit.render.gaussians_constants import ALPHA_MIN_32, FRUSTUM_MARGIN_32, JIT, TILE
from stkit.render.gaussians_covariance import covariance

REACH_SLACK = np.float32(1e-3)  # standard deviations: covers rounding at the edge of an ellipse


@njit(**JIT)
def project(
    begin,
    end,
    means,
    quats,
    scales,
    opacities,
    view,
    fx,
    fy,
    cx,
    cy,
    width,
    height,
    eps2d,
    near,
    far,
    antialiased,
    flat,
    depths,
    box,
):
    """Project Gaussians begin .. end - 1; what the camera does not see keeps an empty box.

    Reads means (N, 3), quats (N, 4), scales (N, 3), opacities (N,) and view (3, 4), the rows of the
    world-to-camera matrix; fx .. cy, width and height in pixels, eps2d in pixels^2, near and far in
    world units.
    Writes flat (N, 8): u, v, conic a b c, opacity factor, reach in x and y (pixels); depths (N,);
    box (N, 4): the tiles x0 x1 y0 y1 that the ellipse may touch (x0 = x1: none).
    """
    tiles_x = (width + TILE - 1) // TILE
    tiles_y = (height + TILE - 1) // TILE
    pos_x = (width - cx) / fx + FRUSTUM_MARGIN_32 * width / fx
    neg_x = cx / fx + FRUSTUM_MARGIN_32 * width / fx
    pos_y = (height - cy) / fy + FRUSTUM_MARGIN_32 * height / fy
    neg_y = cy / fy + FRUSTUM_MARGIN_32 * height / fy
    for i in range(begin, end):
        box[i, 0] = 0
        box[i, 1] = 0
        box[i, 2] = 0
        box[i, 3] = 0
        mx, my, mz = means[i, 0], means[i, 1], means[i, 2]
        z = view[2, 0] * mx + view[2, 1] * my + view[2, 2] * mz + view[2, 3]
        if not (z > near and z < far):
            continue
        x = view[0, 0] * mx + view[0, 1] * my + view[0, 2] * mz + view[0, 3]
        y = view[1, 0] * mx + view[1, 1] * my + view[1, 2] * mz + view[1, 3]
        c00, c01, c02, c11, c12, c22 = covariance(quats, scales, view, i)
        rz = np.float32(1.0) / z
        tx = z * min(max(x * rz, -neg_x), pos_x)
        ty = z * min(max(y * rz, -neg_y), pos_y)
        j00, j02 = fx * rz, -fx * tx * rz * rz
        j11, j12 = fy * rz, -fy * ty * rz * rz
        a = j00 * j00 * c00 + np.float32(2) * j00 * j02 * c02 + j02 * j02 * c22
        b = j00 * j11 * c01 + j00 * j12 * c02 + j02 * j11 * c12 + j02 * j12 * c22
        c = j11 * j11 * c11 + np.float32(2) * j11 * j12 * c12 + j12 * j12 * c22
        det0 = a * c - b * b
        a += eps2d
        c += eps2d
        det = a * c - b * b
        if not det > 0:
            continue
        factor = np.float32(1.0)
        if antialiased:
            factor = np.float32(math.sqrt(max(det0 / det, np.float32(0.0))))
        o = opacities[i] * factor
        if o < ALPHA_MIN_32:
            continue
        u = fx * x * rz + cx
        v = fy * y * rz + cy
        flat[i, 0] = u
        flat[i, 1] = v
        flat[i, 2] = c / det
        flat[i, 3] = -b / det
        flat[i, 4] = a / det
        flat[i, 5] = factor
        depths[i] = z
        # standard deviations until alpha falls to ALPHA_MIN
        reach = np.float32(math.sqrt(2.0 * math.log(o * 255.0))) + REACH_SLACK
        rx = reach * np.float32(math.sqrt(a))
        ry = reach * np.float32(math.sqrt(c))
        flat[i, 6] = rx
        flat[i, 7] = ry
        half = np.float32(0.5)  # tiles with a pixel centre in reach
        x0 = int(math.ceil(u - rx - half)) // TILE
        x1 = int(math.floor(u + rx - half)) // TILE + 1
        y0 = int(math.ceil(v - ry - half)) // TILE
        y1 = int(math.floor(v + ry - half)) // TILE + 1
        x0, x1 = max(x0, 0), min(x1, tiles_x)
        y0, y1 = max(y0, 0), min(y1, tiles_y)
        if x0 < x1 and y0 < y1:
            box[i, 0] = x0
            box[i, 1] = x1
            box[i, 2] = y0
            box[i, 3] = y1
