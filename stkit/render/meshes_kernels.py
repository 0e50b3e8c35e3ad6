"""Numba kernels of the CPU mesh renderer: z-buffer, barycentrics and smooth interpolation.

A pixel's ray r = ((x - cx)/fx, (y - cy)/fy, 1) meets the triangle with camera-frame corners
M = [A B C] where M u = r; the barycentrics are u / sum(u) and the depth 1 / sum(u). Pixel centres
are at integers + 0.5. Lengths are world units, (fx, fy, cx, cy) pixels.
"""

import math

import numpy as np
from numba import njit

BAND = 16  # pixel rows that one thread owns at a time
NEAREST_DEPTH = 1e-3  # world units: a face with a corner nearer than this, or behind, is left out
SMALLEST_DETERMINANT = 1e-14  # of a face's corner matrix: thinner faces are left out
BOX_SLACK = np.float32(1e-3)  # pixels: rounding may not cut a face's box short
CRACK = np.float32(3e-5)  # barycentrics may be this negative: closes the cracks rounding leaves
JIT = {
    "nogil": True,
    "cache": True,
    "fastmath": {"nsz", "arcp", "contract"},
    "boundscheck": False,
    "error_model": "numpy",
}


@njit(**JIT)
def setup(first, step, verts, faces, fx, fy, cx, cy, height, width, inverse, rows, front):
    """Prepare faces first, first + step, ... (F, 3) of verts (V, 3) in the camera's frame.

    Writes inverse (F, 12): each corner matrix's inverse and the corners' depths; rows (F, 4): the
    pixel box x0 x1 y0 y1 (x0 = x1: the face is left out); front (F,): does the face look at us.
    """
    for f in range(first, faces.shape[0], step):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        m00, m10, m20 = np.float64(verts[a, 0]), np.float64(verts[a, 1]), np.float64(verts[a, 2])
        m01, m11, m21 = np.float64(verts[b, 0]), np.float64(verts[b, 1]), np.float64(verts[b, 2])
        m02, m12, m22 = np.float64(verts[c, 0]), np.float64(verts[c, 1]), np.float64(verts[c, 2])
        for k in range(4):
            rows[f, k] = 0
        i00, i01, i02 = m11 * m22 - m12 * m21, m02 * m21 - m01 * m22, m01 * m12 - m02 * m11
        i10, i11, i12 = m12 * m20 - m10 * m22, m00 * m22 - m02 * m20, m02 * m10 - m00 * m12
        i20, i21, i22 = m10 * m21 - m11 * m20, m01 * m20 - m00 * m21, m00 * m11 - m01 * m10
        det = m00 * i00 + m01 * i10 + m02 * i20
        front[f] = det < 0
        if min(m20, m21, m22) < NEAREST_DEPTH or abs(det) < SMALLEST_DETERMINANT:
            continue
        r = 1.0 / det  # float64: at 12 dm a fine triangle's determinant is lost in float32
        inverse[f, 0], inverse[f, 1], inverse[f, 2] = i00 * r, i01 * r, i02 * r
        inverse[f, 3], inverse[f, 4], inverse[f, 5] = i10 * r, i11 * r, i12 * r
        inverse[f, 6], inverse[f, 7], inverse[f, 8] = i20 * r, i21 * r, i22 * r
        inverse[f, 9], inverse[f, 10], inverse[f, 11] = m20, m21, m22
        xa, xb, xc = m00 / m20, m01 / m21, m02 / m22
        ya, yb, yc = m10 / m20, m11 / m21, m12 / m22
        half = np.float32(0.5)
        x0 = int(math.ceil(fx * min(xa, xb, xc) + cx - half - BOX_SLACK))
        x1 = int(math.floor(fx * max(xa, xb, xc) + cx - half + BOX_SLACK)) + 1
        y0 = int(math.ceil(fy * min(ya, yb, yc) + cy - half - BOX_SLACK))
        y1 = int(math.floor(fy * max(ya, yb, yc) + cy - half + BOX_SLACK)) + 1
        x0, x1, y0, y1 = max(x0, 0), min(x1, width), max(y0, 0), min(y1, height)
        if x0 < x1 and y0 < y1:
            rows[f, 0], rows[f, 1], rows[f, 2], rows[f, 3] = x0, x1, y0, y1


@njit(**JIT)
def rasterize(first, step, inverse, rows, fx, fy, cx, cy, face_id, bary, depth):
    """The visible face of every pixel in the row bands first, first + step, ...

    Writes face_id (H, W; -1: none), bary (H, W, 3; only where there is a face) and depth (H, W; 0
    where empty).
    """
    height, width = face_id.shape
    half = np.float32(0.5)
    for band in range(first, (height + BAND - 1) // BAND, step):
        b0, b1 = band * BAND, min((band + 1) * BAND, height)
        for y in range(b0, b1):
            for x in range(width):
                face_id[y, x] = -1
                depth[y, x] = np.float32(0)
        for f in range(rows.shape[0]):
            y0, y1 = max(rows[f, 2], b0), min(rows[f, 3], b1)
            if y0 >= y1 or rows[f, 0] >= rows[f, 1]:
                continue
            for y in range(y0, y1):
                ry = (np.float32(y) + half - cy) / fy
                for x in range(rows[f, 0], rows[f, 1]):
                    rx = (np.float32(x) + half - cx) / fx
                    u0 = inverse[f, 0] * rx + inverse[f, 1] * ry + inverse[f, 2]
                    u1 = inverse[f, 3] * rx + inverse[f, 4] * ry + inverse[f, 5]
                    u2 = inverse[f, 6] * rx + inverse[f, 7] * ry + inverse[f, 8]
                    s = u0 + u1 + u2
                    least = -CRACK * s
                    if u0 < least or u1 < least or u2 < least:
                        continue
                    r = np.float32(1) / s
                    # 1 / s is the depth too, but on slivers only a mean of the corners' depths
                    # stays on the face
                    z = (u0 * inverse[f, 9] + u1 * inverse[f, 10] + u2 * inverse[f, 11]) * r
                    if face_id[y, x] < 0 or z < depth[y, x]:
                        face_id[y, x] = f
                        depth[y, x] = z
                        bary[y, x, 0] = u0 * r
                        bary[y, x, 1] = u1 * r
                        bary[y, x, 2] = u2 * r


@njit(**JIT)
def interpolate(first, step, faces, values, face_id, bary, image):
    """Write image (H, W, D + 1), rows first, first + step, ...: vertex values, and 1 where covered.

    values (V, D) are mixed by the barycentrics of the visible face; 0 where there is none.
    """
    D = values.shape[1]
    for y in range(first, face_id.shape[0], step):
        for x in range(face_id.shape[1]):
            f = face_id[y, x]
            if f < 0:
                for c in range(D + 1):
                    image[y, x, c] = np.float32(0)
                continue
            for c in range(D):
                image[y, x, c] = (
                    bary[y, x, 0] * values[faces[f, 0], c]
                    + bary[y, x, 1] * values[faces[f, 1], c]
                    + bary[y, x, 2] * values[faces[f, 2], c]
                )
            image[y, x, D] = np.float32(1)


@njit(**JIT)
def interpolate_backward(
    faces, values, inverse, face_id, bary, depth, d_image, d_values, d_verts, move
):
    """Gradients of `interpolate`: adds to d_values (V, D) and, with move, to d_verts (V, 3).

    d_image (H, W, D + 1) is that of the image. Vertices move in the camera's frame; M u = r gives
    how the barycentrics follow.
    """
    D = values.shape[1]
    for y in range(face_id.shape[0]):
        for x in range(face_id.shape[1]):
            f = face_id[y, x]
            if f < 0:
                continue
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            b0, b1, b2 = bary[y, x, 0], bary[y, x, 1], bary[y, x, 2]
            g0 = np.float32(0)
            g1 = np.float32(0)
            g2 = np.float32(0)
            for c in range(D):
                d = d_image[y, x, c]
                d_values[i, c] += b0 * d
                d_values[j, c] += b1 * d
                d_values[k, c] += b2 * d
                g0 += values[i, c] * d
                g1 += values[j, c] * d
                g2 += values[k, c] * d
            if not move:
                continue
            z = depth[y, x]
            mean = g0 * b0 + g1 * b1 + g2 * b2
            g0, g1, g2 = (g0 - mean) * z, (g1 - mean) * z, (g2 - mean) * z
            for a in range(3):
                h = -(inverse[f, a] * g0 + inverse[f, 3 + a] * g1 + inverse[f, 6 + a] * g2) / z
                d_verts[i, a] += h * b0
                d_verts[j, a] += h * b1
                d_verts[k, a] += h * b2
