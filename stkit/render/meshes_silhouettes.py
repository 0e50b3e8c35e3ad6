"""Numba kernels that antialias a mesh picture along its silhouette, and their gradients.

Each visible silhouette edge finds the pairs of neighbouring pixels that it separates and mixes
their colours by where it crosses between them (after nvdiffrast, Laine et al. 2020). The kernels
walk along the edges, not through the triangle under each pixel, so that fine meshes feel their
outline too.
"""

import math

import numpy as np
from numba import njit

from stkit.render.meshes_kernels import JIT, NEAREST_DEPTH

NEAREST_DEPTH_32 = np.float32(NEAREST_DEPTH)
SHORTEST_EDGE = np.float32(1e-9)  # pixels along its longer axis: shorter edges cross nothing
HASH_FACTOR = np.int64(0x9E3779B97F4A7C1)  # odd, from the golden ratio: spreads keys evenly


@njit(**JIT)
def silhouette_edges(faces, front, n_verts, out):
    """Find edges between a front and a back face, or on a border; returns their number n.

    Reads faces (F, 3) and front (F,). Writes the first n rows of out (3 F, 3): ends a, b and the
    opposite vertex of the face that looks at us. A hash table (open addressing) joins the faces.
    """
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
            h = (key * HASH_FACTOR) & (size - 1)
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
            h = (key * HASH_FACTOR) & (size - 1)
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
    """Find the pixel pairs that a visible silhouette edge separates; returns their number n.

    Reads the first n_edges rows of edges, verts (V, 3) in the camera's frame and depth (H, W; 0
    where empty); an edge counts as visible where the surface inside lies no further behind it than
    `slack`. Writes pairs (n, 5): receiving pixel, giving pixel (flat indices), ends a and b, and
    the sign of d(coef)/d(crossing), whose size codes the axis (1: the pixels are neighbours in a
    row, 2: in a column); and where (n, 3): coef (the giving pixel's share), fraction along the
    edge, slope. Stops when pairs is full.
    """
    height, width = depth.shape
    n = 0
    half = np.float32(0.5)
    for e in range(n_edges):
        a, b, o = edges[e, 0], edges[e, 1], edges[e, 2]
        za, zb, zo = verts[a, 2], verts[b, 2], verts[o, 2]
        if min(za, zb, zo) < NEAREST_DEPTH_32:
            continue
        ax, ay = fx * verts[a, 0] / za + cx - half, fy * verts[a, 1] / za + cy - half
        bx, by = fx * verts[b, 0] / zb + cx - half, fy * verts[b, 1] / zb + cy - half
        px, py = fx * verts[o, 0] / zo + cx - half, fy * verts[o, 1] / zo + cy - half
        steep = abs(by - ay) >= abs(bx - ax)
        if not steep:
            ax, ay, bx, by, px, py = ay, ax, by, bx, py, px
        if abs(by - ay) < SHORTEST_EDGE:
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
            z_in = depth[inner // width, inner % width]
            z_out = depth[outer // width, outer % width]
            # just inside a rounded outline the surface is already much nearer than the edge, so
            # there is no lower limit on z_in
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
    """Add to image (H * W, D) what the first n pairs mix of source (H * W, D)."""
    for k in range(n):
        p, q, coef = pairs[k, 0], pairs[k, 1], where[k, 0]
        for c in range(source.shape[1]):
            image[p, c] += coef * (source[q, c] - source[p, c])


@njit(**JIT)
def blend_backward(pairs, where, n, source, verts, fx, fy, d_out, d_source, d_verts):
    """Gradients of `blend` from d_out (H * W, D): adds to d_source and to d_verts (V, 3)."""
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
