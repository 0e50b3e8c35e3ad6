"""Numba kernels that sort Gaussians into 16-pixel tiles and composite each tile front to back, and their gradients.

One thread owns a tile, so every sum has one order and results are the same bits for any number of threads.
"""

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from .gaussians_common import ALPHA_MAX, ALPHA_MIN, JIT, T_STOP, TILE

PIXELS = TILE * TILE
# unsigned indices spare numba's negative-index test, which would stop LLVM from vectorising the pixel loops
ROW = np.uint64(TILE)
P1, P2, P3, P4 = (np.uint64(k * PIXELS) for k in (1, 2, 3, 4))


@intrinsic
def _as_float(typingctx, value):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@njit(inline="always", **JIT)
def _exp_neg(x):
    """exp(x) for x <= 0, relative error 2e-7: 2^n from the exponent bits, 2^f from a polynomial."""
    y = x * np.float32(1.4426950408889634)
    y = y if y > np.float32(-126.0) else np.float32(-126.0)
    n = np.int32(y - np.float32(0.5))
    f = y - np.float32(n)
    p = np.float32(1.5403530e-4)
    p = p * f + np.float32(1.3333558e-3)
    p = p * f + np.float32(9.6181291e-3)
    p = p * f + np.float32(5.5504109e-2)
    p = p * f + np.float32(2.4022651e-1)
    p = p * f + np.float32(6.9314718e-1)
    p = p * f + np.float32(1.0)
    return p * _as_float(np.int32((n + np.int32(127)) << np.int32(23)))


@njit(**JIT)
def count_tiles(box, tiles_x, starts, counts):
    """starts (tiles + 1): where each tile's list begins; counts (N + 1): where each Gaussian's entries begin."""
    n = box.shape[0]
    starts[:] = 0
    total = 0
    for i in range(n):
        counts[i] = total
        total += (box[i, 1] - box[i, 0]) * (box[i, 3] - box[i, 2])
        for ty in range(box[i, 2], box[i, 3]):
            for tx in range(box[i, 0], box[i, 1]):
                starts[ty * tiles_x + tx + 1] += 1
    counts[n] = total
    for t in range(starts.shape[0] - 1):
        starts[t + 1] += starts[t]
    return total


@njit(**JIT)
def fill_tiles(order, box, tiles_x, starts, counts, ids, slots):
    """Depth-ordered lists: ids (entries) per tile; slots (entries) says where Gaussian i's entries ended up."""
    cursor = starts[:-1].copy()
    for k in range(order.shape[0]):
        i = order[k]
        at = counts[i]
        for ty in range(box[i, 2], box[i, 3]):
            for tx in range(box[i, 0], box[i, 1]):
                t = ty * tiles_x + tx
                ids[cursor[t]] = i
                slots[at] = cursor[t]
                cursor[t] += 1
                at += 1


@njit(**JIT)
def render_tiles(first, step, starts, ids, flat, opacities, colors, width, height, image, trans, last):
    """Composite front to back. image (H, W, D) without background, trans (H, W) left over, last (H, W) list positions.

    Each tile row is one fixed run of 16 pixels in one workspace, which LLVM turns into vector code.
    """
    tiles_x = (width + TILE - 1) // TILE
    D = colors.shape[1]
    zero, one = np.float32(0), np.float32(1)
    # workspace: transmittance (a closed pixel's is negative), last list position, weights
    ws = np.empty(3 * PIXELS, np.float32)
    out = np.empty(D * PIXELS, np.float32)
    for t in range(first, starts.shape[0] - 1, step):
        ox, oy = (t % tiles_x) * TILE, (t // tiles_x) * TILE
        nx, ny = min(TILE, width - ox), min(TILE, height - oy)
        for p in range(PIXELS):
            ws[p] = one
            ws[PIXELS + p] = -one
        for p in range(D * PIXELS):
            out[p] = zero
        for k in range(starts[t], starts[t + 1]):
            i = ids[k]
            position = np.float32(k - starts[t])
            if (k - starts[t]) % 32 == 31:
                live = zero
                for p in range(PIXELS):
                    live = ws[p] if ws[p] > live else live
                if live <= zero:
                    break
            u, v = flat[i, 0] - np.float32(ox) - np.float32(0.5), flat[i, 1] - np.float32(oy) - np.float32(0.5)
            ca, cb, cc = flat[i, 3], flat[i, 4], flat[i, 5]
            o = opacities[i] * flat[i, 6]
            y0, y1 = max(int(math.ceil(v - flat[i, 7])), 0), min(int(math.floor(v + flat[i, 7])) + 1, ny)
            for y in range(y0, y1):
                dy = np.float32(y) - v
                base = np.uint64(y) * ROW
                for x in range(ROW):
                    dx = np.float32(x) - u
                    sigma = np.float32(0.5) * (ca * dx * dx + cc * dy * dy) + cb * dx * dy
                    sigma = sigma if sigma > zero else zero
                    alpha = o * _exp_neg(-sigma)
                    alpha = alpha if alpha < ALPHA_MAX else ALPHA_MAX
                    alpha = alpha if alpha >= ALPHA_MIN else zero
                    before = ws[base + x]
                    seen = ws[P1 + base + x]
                    after = before * (one - alpha)
                    weight = alpha * before if after > T_STOP else zero
                    ws[P2 + base + x] = weight
                    ws[base + x] = after if after > T_STOP else -abs(before)
                    ws[P1 + base + x] = position if weight > zero else seen
                for c in range(D):
                    value = colors[i, c]
                    row = np.uint64(c) * P1 + base
                    for x in range(ROW):
                        out[row + x] += ws[P2 + base + x] * value
        for y in range(ny):
            for x in range(nx):
                p = y * TILE + x
                trans[oy + y, ox + x] = abs(ws[p])
                last[oy + y, ox + x] = np.int32(ws[PIXELS + p])
                for c in range(D):
                    image[oy + y, ox + x, c] = out[c * PIXELS + p]


@njit(**JIT)
def render_tiles_backward(first, step, starts, ids, flat, opacities, colors, width, height, trans, last, d_image, d_trans, grads):
    """grads (entries, 6 + D): u, v, conic a b c, effective opacity, colours, one row per (tile, Gaussian) entry."""
    tiles_x = (width + TILE - 1) // TILE
    D = colors.shape[1]
    zero, one, half = np.float32(0), np.float32(1), np.float32(0.5)
    # workspace: transmittance, light behind (dotted with the gradient), last position, dots, weights
    ws = np.empty(5 * PIXELS, np.float32)
    back = np.empty(D * PIXELS, np.float32)
    for t in range(first, starts.shape[0] - 1, step):
        ox, oy = (t % tiles_x) * TILE, (t // tiles_x) * TILE
        nx, ny = min(TILE, width - ox), min(TILE, height - oy)
        for p in range(D * PIXELS):
            back[p] = zero
        for p in range(PIXELS):
            ws[p] = one
            ws[PIXELS + p] = zero
            ws[2 * PIXELS + p] = -one
        final = -1
        for y in range(ny):
            for x in range(nx):
                p = y * TILE + x
                ws[p] = trans[oy + y, ox + x]
                ws[PIXELS + p] = d_trans[oy + y, ox + x] * ws[p]
                ws[2 * PIXELS + p] = np.float32(last[oy + y, ox + x])
                final = max(final, last[oy + y, ox + x])
                for c in range(D):
                    back[c * PIXELS + p] = d_image[oy + y, ox + x, c]
        for k in range(starts[t + 1] - 1, starts[t] - 1, -1):
            for c in range(6 + D):
                grads[k, c] = zero
            if k - starts[t] > final:
                continue
            i = ids[k]
            position = np.float32(k - starts[t])
            u, v = flat[i, 0] - np.float32(ox) - half, flat[i, 1] - np.float32(oy) - half
            ca, cb, cc = flat[i, 3], flat[i, 4], flat[i, 5]
            o = opacities[i] * flat[i, 6]
            y0, y1 = max(int(math.ceil(v - flat[i, 7])), 0), min(int(math.floor(v + flat[i, 7])) + 1, ny)
            g_o = zero
            g_xx = zero
            g_xy = zero
            g_yy = zero
            g_x = zero
            g_y = zero
            for y in range(y0, y1):
                dy = np.float32(y) - v
                base = np.uint64(y) * ROW
                for x in range(ROW):
                    ws[P3 + base + x] = zero
                for c in range(D):
                    value = colors[i, c]
                    row = np.uint64(c) * P1 + base
                    for x in range(ROW):
                        ws[P3 + base + x] += value * back[row + x]
                r_0 = zero
                r_x = zero
                r_xx = zero
                for x in range(ROW):
                    dx = np.float32(x) - u
                    sigma = half * (ca * dx * dx + cc * dy * dy) + cb * dx * dy
                    sigma = sigma if sigma > zero else zero
                    vis = _exp_neg(-sigma)
                    raw = o * vis
                    alpha = raw if raw < ALPHA_MAX else ALPHA_MAX
                    alpha = alpha if alpha >= ALPHA_MIN else zero
                    alpha = alpha if position <= ws[P2 + base + x] else zero
                    keep = one / (one - alpha)
                    before = ws[base + x] * keep
                    dot = ws[P3 + base + x]
                    behind = ws[P1 + base + x]
                    d_alpha = before * dot - behind * keep
                    weight = alpha * before
                    ws[P1 + base + x] = behind + weight * dot
                    ws[base + x] = before
                    ws[P4 + base + x] = weight
                    d_alpha = d_alpha if alpha > zero else zero
                    d_alpha = d_alpha if raw <= ALPHA_MAX else zero
                    gain = vis * d_alpha
                    r_0 += gain
                    r_x += gain * dx
                    r_xx += gain * dx * dx
                for c in range(D):
                    total = zero
                    row = np.uint64(c) * P1 + base
                    for x in range(ROW):
                        total += ws[P4 + base + x] * back[row + x]
                    grads[k, 6 + c] += total
                g_o += r_0
                g_x += r_x
                g_y += r_0 * dy
                g_xx += r_xx
                g_xy += r_x * dy
                g_yy += r_0 * dy * dy
            # d sigma = -o vis d alpha, and sigma is quadratic in (dx, dy)
            grads[k, 0] = o * (ca * g_x + cb * g_y)
            grads[k, 1] = o * (cc * g_y + cb * g_x)
            grads[k, 2] = -half * o * g_xx
            grads[k, 3] = -o * g_xy
            grads[k, 4] = -half * o * g_yy
            grads[k, 5] = g_o
