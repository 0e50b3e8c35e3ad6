"""Numba kernels of the CPU mesh renderer: z-buffer, barycentrics, silhouette edges and their gradients.

A pixel's ray r = ((x - cx)/fx, (y - cy)/fy, 1) meets the triangle with camera-frame corners M = [A B C] where M u = r;
the barycentrics are u / sum(u) and the depth 1 / sum(u). Pixel centres are at integers + 0.5.
"""

import math

import numpy as np
from numba import njit

BAND = 16
JIT = dict(
    nogil=True,
    cache=True,
    fastmath={"nsz", "arcp", "contract"},
    boundscheck=False,
    error_model="numpy",
)


@njit(**JIT)
def setup(first, step, verts, faces, fx, fy, cx, cy, height, width, inverse, rows, front):
    """inverse (F, 12): each corner matrix's inverse and the corners' depths; rows (F, 4): pixel box x0 x1 y0 y1 (empty = skipped), front (F,): facing us."""
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
        if min(m20, m21, m22) < 1e-3 or abs(det) < 1e-14:
            continue
        r = 1.0 / det  # float64: at 12 dm a fine triangle's determinant is lost in float32
        inverse[f, 0], inverse[f, 1], inverse[f, 2] = i00 * r, i01 * r, i02 * r
        inverse[f, 3], inverse[f, 4], inverse[f, 5] = i10 * r, i11 * r, i12 * r
        inverse[f, 6], inverse[f, 7], inverse[f, 8] = i20 * r, i21 * r, i22 * r
        inverse[f, 9], inverse[f, 10], inverse[f, 11] = m20, m21, m22
        xa, xb, xc = m00 / m20, m01 / m21, m02 / m22
        ya, yb, yc = m10 / m20, m11 / m21, m12 / m22
        half = np.float32(0.5)
        x0 = int(math.ceil(fx * min(xa, xb, xc) + cx - half - np.float32(1e-3)))
        x1 = int(math.floor(fx * max(xa, xb, xc) + cx - half + np.float32(1e-3))) + 1
        y0 = int(math.ceil(fy * min(ya, yb, yc) + cy - half - np.float32(1e-3)))
        y1 = int(math.floor(fy * max(ya, yb, yc) + cy - half + np.float32(1e-3))) + 1
        x0, x1, y0, y1 = max(x0, 0), min(x1, width), max(y0, 0), min(y1, height)
        if x0 < x1 and y0 < y1:
            rows[f, 0], rows[f, 1], rows[f, 2], rows[f, 3] = x0, x1, y0, y1


@njit(**JIT)
def rasterize(first, step, inverse, rows, fx, fy, cx, cy, face_id, bary, depth):
    """Visible face per pixel (-1: none), its barycentrics (H, W, 3) and depth (H, W; 0 where empty). Threads own row bands."""
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
                    least = (
                        -np.float32(3e-5) * s
                    )  # closes the cracks that rounding leaves between neighbours
                    if u0 < least or u1 < least or u2 < least:
                        continue
                    r = np.float32(1) / s
                    # 1 / s is the depth too, but on slivers only a mean of the corners' depths stays on the face
                    z = (u0 * inverse[f, 9] + u1 * inverse[f, 10] + u2 * inverse[f, 11]) * r
                    if face_id[y, x] < 0 or z < depth[y, x]:
                        face_id[y, x] = f
                        depth[y, x] = z
                        bary[y, x, 0] = u0 * r
                        bary[y, x, 1] = u1 * r
                        bary[y, x, 2] = u2 * r


@njit(**JIT)
def interpolate(first, step, faces, values, face_id, bary, image):
    """image (H, W, D + 1): interpolated vertex values, and 1 where covered."""
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


@njit(**JIT)
def silhouette_edges(faces, front, n_verts, out):
    """Edges (n, 3: a, b, opposite vertex of the near face) between a front and a back face, or on a border."""
    F = faces.shape[0]
    size = 1
    while size < 6 * F + 8:
        size *= 2
    keys = np.full(size, -1, np.int64)
    owner = np.empty(size, np.int64)
    pairs = np.full(size, -1, np.int64)
    for f in range(F):
        for e in range(3):
            a, b = faces[f, e], faces[f, (e + 1) % 3]
            key = min(a, b) * np.int64(n_verts) + max(a, b)
            h = (key * np.int64(0x9E3779B97F4A7C1)) & (size - 1)
            while keys[h] != -1 and keys[h] != key:
                h = (h + 1) & (size - 1)
            if keys[h] == -1:
                keys[h] = key
                owner[h] = 3 * f + e
            else:
                pairs[h] = 3 * f + e
    n = 0
    for f in range(F):
        for e in range(3):
            a, b = faces[f, e], faces[f, (e + 1) % 3]
            key = min(a, b) * np.int64(n_verts) + max(a, b)
            h = (key * np.int64(0x9E3779B97F4A7C1)) & (size - 1)
            while keys[h] != key:
                h = (h + 1) & (size - 1)
            if owner[h] != 3 * f + e:
                continue
            other = pairs[h]
            if other >= 0 and front[f] == front[other // 3]:
                continue
            pick = 3 * f + e
            if other >= 0 and not front[f]:
                pick = other
            g, s = pick // 3, pick % 3
            out[n, 0] = faces[g, s]
            out[n, 1] = faces[g, (s + 1) % 3]
            out[n, 2] = faces[g, (s + 2) % 3]
            n += 1
    return n


@njit(**JIT)
def edge_pairs(edges, n_edges, verts, fx, fy, cx, cy, depth, slack, pairs, where):
    """Pixel pairs that a visible silhouette edge separates.

    pairs (n, 5): receiving pixel, giving pixel (flat indices), a, b, sign of d(coef)/d(crossing); where (n, 3): coef,
    fraction along the edge, slope; axis is coded in the sign pattern of pairs[:, 4] (+-1 horizontal, +-2 vertical).
    """
    height, width = depth.shape
    n = 0
    half = np.float32(0.5)
    for e in range(n_edges):
        a, b, o = edges[e, 0], edges[e, 1], edges[e, 2]
        za, zb, zo = verts[a, 2], verts[b, 2], verts[o, 2]
        if min(za, zb, zo) < np.float32(1e-3):
            continue
        ax, ay = fx * verts[a, 0] / za + cx - half, fy * verts[a, 1] / za + cy - half
        bx, by = fx * verts[b, 0] / zb + cx - half, fy * verts[b, 1] / zb + cy - half
        px, py = fx * verts[o, 0] / zo + cx - half, fy * verts[o, 1] / zo + cy - half
        steep = abs(by - ay) >= abs(bx - ax)
        if not steep:
            ax, ay, bx, by, px, py = ay, ax, by, bx, py, px
        if abs(by - ay) < np.float32(1e-9):
            continue
        slope = (bx - ax) / (by - ay)
        inside_low = px < ax + slope * (py - ay)
        limit_y = height if steep else width
        limit_x = width if steep else height
        lo, hi = min(ay, by), max(ay, by)
        for yi in range(max(int(math.ceil(lo)), 0), min(int(math.floor(hi)), limit_y - 1) + 1):
            y = np.float32(yi)
            if not (lo <= y < hi):
                continue
            s = (y - ay) / (by - ay)
            x = ax + s * (bx - ax)
            p = int(math.floor(x))
            if p < 0 or p + 1 >= limit_x:
                continue
            t = x - np.float32(p)
            flat_p = yi * width + p if steep else p * width + yi
            flat_q = yi * width + p + 1 if steep else (p + 1) * width + yi
            inner = flat_p if inside_low else flat_q
            outer = flat_q if inside_low else flat_p
            z_edge = np.float32(1) / ((np.float32(1) - s) / za + s / zb)
            z_in, z_out = depth[inner // width, inner % width], depth[outer // width, outer % width]
            # just inside a rounded outline the surface is already much nearer than the edge: no lower limit on z_in
            if z_in == 0 or z_in > z_edge + slack or (z_out != 0 and z_out < z_edge + slack):
                continue
            axis = 1 if steep else 2
            if t > half:
                pairs[n, 0], pairs[n, 1], pairs[n, 4] = flat_q, flat_p, axis
                coef = t - half
            else:
                pairs[n, 0], pairs[n, 1], pairs[n, 4] = flat_p, flat_q, -axis
                coef = half - t
            pairs[n, 2], pairs[n, 3] = a, b
            where[n, 0], where[n, 1], where[n, 2] = coef, s, slope
            n += 1
            if n == pairs.shape[0]:
                return n
    return n


@njit(**JIT)
def blend(pairs, where, n, source, image):
    for k in range(n):
        p, q, coef = pairs[k, 0], pairs[k, 1], where[k, 0]
        for c in range(source.shape[1]):
            image[p, c] += coef * (source[q, c] - source[p, c])


@njit(**JIT)
def blend_backward(pairs, where, n, source, verts, fx, fy, d_out, d_source, d_verts):
    for k in range(n):
        p, q, coef = pairs[k, 0], pairs[k, 1], where[k, 0]
        g = np.float32(0)
        for c in range(source.shape[1]):
            d = d_out[p, c]
            g += d * (source[q, c] - source[p, c])
            d_source[p, c] -= coef * d
            d_source[q, c] += coef * d
        horizontal = abs(pairs[k, 4]) == 1
        if pairs[k, 4] < 0:
            g = -g
        s, slope = where[k, 1], where[k, 2]
        for end in range(2):
            v = pairs[k, 2 + end]
            share = (np.float32(1) - s) if end == 0 else s
            g_cross, g_along = g * share, -g * slope * share
            g_x = g_cross if horizontal else g_along
            g_y = g_along if horizontal else g_cross
            z = verts[v, 2]
            d_verts[v, 0] += g_x * fx / z
            d_verts[v, 1] += g_y * fy / z
            d_verts[v, 2] -= (g_x * fx * verts[v, 0] + g_y * fy * verts[v, 1]) / (z * z)
