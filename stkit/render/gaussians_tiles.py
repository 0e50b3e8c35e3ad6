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
P1, P2, P3, P4, P5, P6, P7 = (np.uint64(k * PIXELS) for k in range(1, 8))
S2, S3, S4, S5 = (np.uint64(k * TILE) for k in range(2, 6))


@intrinsic
def _as_float(typingctx, value):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@intrinsic
def _as_bits(typingctx, value):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.uint32(types.float32), codegen


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
def depth_order(counts, flat):
    """Visible Gaussians from near to far: a stable radix sort of their depths' bits (positive floats sort like integers)."""
    n = 0
    order = np.empty(flat.shape[0], np.int32)
    for i in range(flat.shape[0]):
        if counts[i + 1] > counts[i]:
            order[n] = i
            n += 1
    order = order[:n]
    keys = np.empty(n, np.uint32)
    for k in range(n):
        keys[k] = _as_bits(flat[order[k], 2])
    other, other_keys = np.empty(n, np.int32), np.empty(n, np.uint32)
    first = np.empty(2049, np.int64)
    for shift in (0, 11, 22):
        first[:] = 0
        for k in range(n):
            first[((keys[k] >> shift) & 2047) + 1] += 1
        for d in range(2048):
            first[d + 1] += first[d]
        for k in range(n):
            d = (keys[k] >> shift) & 2047
            other[first[d]] = order[k]
            other_keys[first[d]] = keys[k]
            first[d] += 1
        order, other = other, order
        keys, other_keys = other_keys, keys
    return order


@njit(**JIT)
def fill_tiles(order, box, tiles_x, starts, counts, ids, rows):
    """Depth-ordered lists: ids (entries) per tile; rows (entries): the place of each entry when grouped by Gaussian."""
    cursor = starts[:-1].copy()
    for k in range(order.shape[0]):
        i = order[k]
        at = counts[i]
        for ty in range(box[i, 2], box[i, 3]):
            for tx in range(box[i, 0], box[i, 1]):
                t = ty * tiles_x + tx
                ids[cursor[t]] = i
                rows[cursor[t]] = at
                cursor[t] += 1
                at += 1


@njit(**JIT)
def render_tiles(first, step, starts, ids, flat, opacities, colors, width, height, image, trans, last):
    """Composite front to back. image (H, W, D) without background, trans (H, W) left over, last (H, W) list positions.

    Each tile row is one fixed run of 16 pixels in one workspace, which LLVM turns into vector code. The first three
    channels are added in that run; further ones in runs over the ellipse's rows.
    """
    tiles_x = (width + TILE - 1) // TILE
    D = colors.shape[1]
    zero, one, half = np.float32(0), np.float32(1), np.float32(0.5)
    # workspace: transmittance (a closed pixel's is negative), last list position, weights, then the channels
    ws = np.empty((3 + max(D, 3)) * PIXELS, np.float32)
    for t in range(first, starts.shape[0] - 1, step):
        ox, oy = (t % tiles_x) * TILE, (t // tiles_x) * TILE
        nx, ny = min(TILE, width - ox), min(TILE, height - oy)
        ws[:] = zero
        for p in range(PIXELS):
            ws[p] = one
            ws[PIXELS + p] = -one
        for k in range(starts[t], starts[t + 1]):
            i = ids[k]
            position = np.float32(k - starts[t])
            if (k - starts[t]) % 32 == 31:
                live = zero
                for p in range(PIXELS):
                    live = ws[p] if ws[p] > live else live
                if live <= zero:
                    break
            u, v = flat[i, 0] - np.float32(ox) - half, flat[i, 1] - np.float32(oy) - half
            ca, cb, cc = flat[i, 3], flat[i, 4], flat[i, 5]
            o = opacities[i] * flat[i, 6]
            red = colors[i, 0] if D > 0 else zero
            green = colors[i, 1] if D > 1 else zero
            blue = colors[i, 2] if D > 2 else zero
            y0, y1 = max(int(math.ceil(v - flat[i, 7])), 0), min(int(math.floor(v + flat[i, 7])) + 1, ny)
            for y in range(y0, y1):
                dy = np.float32(y) - v
                base = np.uint64(y) * ROW
                for x in range(ROW):
                    dx = np.float32(x) - u
                    sigma = half * (ca * dx * dx + cc * dy * dy) + cb * dx * dy
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
                    ws[P3 + base + x] += weight * red
                    ws[P4 + base + x] += weight * green
                    ws[P5 + base + x] += weight * blue
            low, high = np.uint64(y0) * ROW, np.uint64(max(y0, y1)) * ROW
            for c in range(3, D):
                value = colors[i, c]
                channel = P3 + np.uint64(c) * P1
                for p in range(low, high):
                    ws[channel + p] += ws[P2 + p] * value
        for y in range(ny):
            for x in range(nx):
                p = y * TILE + x
                trans[oy + y, ox + x] = abs(ws[p])
                last[oy + y, ox + x] = np.int32(ws[PIXELS + p])
                for c in range(D):
                    image[oy + y, ox + x, c] = ws[(3 + c) * PIXELS + p]


@njit(**JIT)
def render_tiles_backward(first, step, starts, ids, rows, flat, opacities, colors, width, height, trans, last, d_image, d_trans, grads):
    """grads (entries, 6 + D): u, v, conic a b c, effective opacity, colours, one row per (tile, Gaussian) entry, grouped by Gaussian."""
    tiles_x = (width + TILE - 1) // TILE
    D = colors.shape[1]
    zero, one, half = np.float32(0), np.float32(1), np.float32(0.5)
    # workspace: transmittance, light behind (dotted with the gradient), last position, dots of channels after the third,
    # weights, then the image's gradient; column sums over the ellipse's rows
    ws = np.empty((5 + max(D, 3)) * PIXELS, np.float32)
    sums = np.empty(6 * TILE, np.float32)
    for t in range(first, starts.shape[0] - 1, step):
        ox, oy = (t % tiles_x) * TILE, (t // tiles_x) * TILE
        nx, ny = min(TILE, width - ox), min(TILE, height - oy)
        ws[:] = zero
        for p in range(PIXELS):
            ws[p] = one
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
                    ws[(5 + c) * PIXELS + p] = d_image[oy + y, ox + x, c]
        for k in range(starts[t + 1] - 1, starts[t] - 1, -1):
            row = rows[k]
            if k - starts[t] > final:
                for c in range(6 + D):
                    grads[row, c] = zero
                continue
            i = ids[k]
            position = np.float32(k - starts[t])
            u, v = flat[i, 0] - np.float32(ox) - half, flat[i, 1] - np.float32(oy) - half
            ca, cb, cc = flat[i, 3], flat[i, 4], flat[i, 5]
            o = opacities[i] * flat[i, 6]
            red = colors[i, 0] if D > 0 else zero
            green = colors[i, 1] if D > 1 else zero
            blue = colors[i, 2] if D > 2 else zero
            y0, y1 = max(int(math.ceil(v - flat[i, 7])), 0), min(int(math.floor(v + flat[i, 7])) + 1, ny)
            low, high = np.uint64(y0) * ROW, np.uint64(max(y0, y1)) * ROW
            if D > 3:
                for p in range(low, high):
                    ws[P3 + p] = zero
                for c in range(3, D):
                    value = colors[i, c]
                    channel = P5 + np.uint64(c) * P1
                    for p in range(low, high):
                        ws[P3 + p] += value * ws[channel + p]
            sums[:] = zero
            for y in range(y0, y1):
                dy = np.float32(y) - v
                base = np.uint64(y) * ROW
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
                    r, g, b = ws[P5 + base + x], ws[P6 + base + x], ws[P7 + base + x]
                    dot = ws[P3 + base + x] + red * r + green * g + blue * b
                    behind = ws[P1 + base + x]
                    d_alpha = before * dot - behind * keep
                    weight = alpha * before
                    ws[P1 + base + x] = behind + weight * dot
                    ws[base + x] = before
                    ws[P4 + base + x] = weight
                    d_alpha = d_alpha if alpha > zero else zero
                    d_alpha = d_alpha if raw <= ALPHA_MAX else zero
                    gain = vis * d_alpha
                    sums[x] += gain
                    sums[ROW + x] += gain * dy
                    sums[S2 + x] += gain * dy * dy
                    sums[S3 + x] += weight * r
                    sums[S4 + x] += weight * g
                    sums[S5 + x] += weight * b
            g_o, g_x, g_y, g_xx, g_xy, g_yy, g_red, g_green, g_blue = zero, zero, zero, zero, zero, zero, zero, zero, zero
            for x in range(ROW):
                dx = np.float32(x) - u
                g_o += sums[x]
                g_x += sums[x] * dx
                g_xx += sums[x] * dx * dx
                g_y += sums[ROW + x]
                g_xy += sums[ROW + x] * dx
                g_yy += sums[S2 + x]
                g_red += sums[S3 + x]
                g_green += sums[S4 + x]
                g_blue += sums[S5 + x]
            # d sigma = -o vis d alpha, and sigma is quadratic in (dx, dy)
            grads[row, 0] = o * (ca * g_x + cb * g_y)
            grads[row, 1] = o * (cc * g_y + cb * g_x)
            grads[row, 2] = -half * o * g_xx
            grads[row, 3] = -o * g_xy
            grads[row, 4] = -half * o * g_yy
            grads[row, 5] = g_o
            if D > 0:
                grads[row, 6] = g_red
            if D > 1:
                grads[row, 7] = g_green
            if D > 2:
                grads[row, 8] = g_blue
            for c in range(3, D):
                total = zero
                channel = P5 + np.uint64(c) * P1
                for p in range(low, high):
                    total += ws[P4 + p] * ws[channel + p]
                grads[row, 6 + c] = total
