"""Numba kernels that composite each tile front to back (the paper's Eq. 1), and their gradients.

One thread owns a tile, so every sum has one order and results are the same bits for any number of
threads. A tile is kept as 4 x 4 blocks of 4 x 4 pixels. A block is one run of 16 numbers, which
LLVM turns into vector code, and small enough that a Gaussian touches few. Sets of blocks are bit
masks: walking through the bits of one costs the processor a single wrong guess, nested loops cost
several.
"""

import math

import numpy as np
from numba import njit

from stkit.render.gaussians_constants import ALPHA_MAX_32, ALPHA_MIN_32, JIT, T_STOP_32, TILE
from stkit.render.lanes import add_product, add_scaled, as_float, lowest_bit, run_sum

BLOCK = 4  # pixels: side of a block
SIDE = TILE // BLOCK  # blocks: side of a tile
BLOCK_ROW = np.uint32(0x1111)  # times a row of four bits: that row of blocks, four times
CHECK_EVERY = 16  # entries of a list between two tests which blocks are still open
# unsigned indices spare numba's test for negative ones, which would keep LLVM from vector code
LANES = np.uint64(BLOCK * BLOCK)
L2, L3, L4, L5 = (np.uint64(k) * LANES for k in range(2, 6))
LANE_X = (np.arange(BLOCK * BLOCK) % BLOCK).astype(np.float32)
LANE_Y = (np.arange(BLOCK * BLOCK) // BLOCK).astype(np.float32)
LOG2E = np.float32(1.4426950408889634)


@njit(inline="always", **JIT)
def _exp2(y):
    """2^min(y, 0), relative error 2e-7.

    2^n comes from the exponent bits, 2^f from the polynomial of least error for |f| <= 0.5.
    """
    y = y if y < np.float32(0) else np.float32(0)
    y = y if y > np.float32(-126) else np.float32(-126)
    n = np.int32(y - np.float32(0.5))
    f = y - np.float32(n)
    p = np.float32(1.32647272e-3)
    p = p * f + np.float32(9.67151264e-3)
    p = p * f + np.float32(5.55073374e-2)
    p = p * f + np.float32(2.40222421e-1)
    p = p * f + np.float32(6.93146978e-1)
    p = p * f + np.float32(1)
    return p * as_float(np.int32((n + np.int32(127)) << np.int32(23)))


@njit(inline="always", **JIT)
def _bits(centre, reach, shift):
    """Blocks that [centre - reach, centre + reach] (pixels) touches, as bits `shift` apart.

    Blocks are counted along one axis of a tile.
    """
    first = max(int(math.ceil(centre - reach)), 0) // BLOCK
    end = max(min(int(math.floor(centre + reach)), TILE - 1) // BLOCK + 1, first)
    return (np.uint32(1) << np.uint32(end * shift)) - (np.uint32(1) << np.uint32(first * shift))


@njit(inline="always", **JIT)
def _in_tile(flat, opacities, i, ox, oy):
    """Gaussian i as a tile with its corner at (ox, oy) needs it.

    Returns its centre u, v in pixels from that corner; ea, eb, ec and o with
    alpha = o 2^(ea dx^2 + eb dx dy + ec dy^2); and a mask of the blocks that the ellipse's box
    touches, bit 4 y + x.
    """
    half = np.float32(0.5)
    u, v = flat[i, 0] - np.float32(ox) - half, flat[i, 1] - np.float32(oy) - half
    ea, eb, ec = -half * LOG2E * flat[i, 2], -LOG2E * flat[i, 3], -half * LOG2E * flat[i, 4]
    touched = (BLOCK_ROW & _bits(v, flat[i, 7], SIDE)) * _bits(u, flat[i, 6], 1)
    return u, v, ea, eb, ec, opacities[i] * flat[i, 5], touched


@njit(**JIT)
def render_tiles(  # noqa: C901
    first, step, starts, ids, flat, opacities, colors, width, height, image, trans, last
):
    """Composite front to back the tiles first, first + step, ...

    Reads the lists of `gaussians_binning` (starts, ids), flat (N, 8) of the projection, opacities
    (N,) and colors (N, D). Writes image (H, W, D) without background, trans (H, W), the light that
    is left over, and last (H, W), the position in the tile's list of the last Gaussian that counts.
    """
    tiles_x = (width + TILE - 1) // TILE
    D = colors.shape[1]
    zero, one = np.float32(0), np.float32(1)
    # a block's runs: transmittance (negative once a pixel is closed), last list position, weights,
    # then the channels
    run = np.uint64(3 + D) * LANES
    ws = np.empty(SIDE * SIDE * run, np.float32)
    for t in range(first, starts.shape[0] - 1, step):
        ox, oy = (t % tiles_x) * TILE, (t // tiles_x) * TILE
        ws[:] = zero
        for b in range(SIDE * SIDE):
            base = np.uint64(b) * run
            for p in range(BLOCK * BLOCK):
                inside = (
                    ox + (b % SIDE) * BLOCK + p % BLOCK < width
                    and oy + (b // SIDE) * BLOCK + p // BLOCK < height
                )
                ws[base + np.uint64(p)] = one if inside else -one
                ws[base + LANES + np.uint64(p)] = -one
        live = np.uint32(0xFFFF)
        for k in range(starts[t], starts[t + 1]):
            if (k - starts[t]) % CHECK_EVERY == CHECK_EVERY - 1:
                live = np.uint32(0)
                for b in range(SIDE * SIDE):
                    base, most = np.uint64(b) * run, -one
                    for p in range(LANES):
                        most = ws[base + p] if ws[base + p] > most else most
                    live |= np.uint32(most > zero) << np.uint32(b)
                if live == 0:
                    break
            i = ids[k]
            position = np.float32(k - starts[t])
            u, v, ea, eb, ec, o, touched = _in_tile(flat, opacities, i, ox, oy)
            mask = touched & live
            while mask:
                b = lowest_bit(mask)
                mask &= mask - np.uint32(1)
                base = np.uint64(b) * run
                dx0, dy0 = np.float32((b % SIDE) * BLOCK) - u, np.float32((b // SIDE) * BLOCK) - v
                for p in range(LANES):
                    dx, dy = dx0 + LANE_X[p], dy0 + LANE_Y[p]
                    alpha = o * _exp2(dx * (ea * dx + eb * dy) + ec * dy * dy)
                    alpha = alpha if alpha < ALPHA_MAX_32 else ALPHA_MAX_32
                    alpha = alpha if alpha >= ALPHA_MIN_32 else zero
                    before = ws[base + p]
                    last_before = ws[base + LANES + p]
                    after = before * (one - alpha)
                    weight = alpha * before if after > T_STOP_32 else zero
                    ws[base + L2 + p] = weight
                    ws[base + p] = after if after > T_STOP_32 else -abs(before)
                    ws[base + LANES + p] = position if weight > zero else last_before
                for c in range(D):
                    add_scaled(ws, base + np.uint64(3 + c) * LANES, ws, base + L2, colors[i, c])
        for y in range(min(TILE, height - oy)):
            for x in range(min(TILE, width - ox)):
                p = np.uint64((y // BLOCK) * SIDE + x // BLOCK) * run + np.uint64(
                    (y % BLOCK) * BLOCK + x % BLOCK
                )
                trans[oy + y, ox + x] = abs(ws[p])
                last[oy + y, ox + x] = np.int32(ws[p + LANES])
                for c in range(D):
                    image[oy + y, ox + x, c] = ws[p + np.uint64(3 + c) * LANES]


@njit(**JIT)
def render_tiles_backward(  # noqa: C901
    first,
    step,
    starts,
    ids,
    rows,
    flat,
    opacities,
    colors,
    width,
    height,
    trans,
    last,
    d_image,
    d_trans,
    grads,
):
    """Gradients of `render_tiles`, each list walked from its far end.

    Reads what that kernel read and wrote, rows of `gaussians_binning.fill_tiles`, and the gradients
    d_image (H, W, D) and d_trans (H, W). Writes grads (entries, 6 + D), one row per entry, grouped
    by Gaussian: u, v, conic a b c, effective opacity, colours.
    """
    tiles_x = (width + TILE - 1) // TILE
    D = colors.shape[1]
    zero, one, half = np.float32(0), np.float32(1), np.float32(0.5)
    # a block's runs: transmittance, light behind (dotted with the gradient), last position,
    # weights, then the image's gradient
    run = np.uint64(4 + D) * LANES
    ws = np.empty(SIDE * SIDE * run, np.float32)
    sums = np.empty(np.uint64(6 + D) * LANES, np.float32)
    dots = np.empty(L2, np.float32)
    final = np.empty(SIDE * SIDE, np.int32)
    for t in range(first, starts.shape[0] - 1, step):
        ox, oy = (t % tiles_x) * TILE, (t // tiles_x) * TILE
        ws[:] = zero
        final[:] = -1
        for b in range(SIDE * SIDE):
            base = np.uint64(b) * run
            for p in range(LANES):
                ws[base + p] = one
                ws[base + L2 + p] = -one
        for y in range(min(TILE, height - oy)):
            for x in range(min(TILE, width - ox)):
                b = (y // BLOCK) * SIDE + x // BLOCK
                p = np.uint64(b) * run + np.uint64((y % BLOCK) * BLOCK + x % BLOCK)
                ws[p] = trans[oy + y, ox + x]
                ws[p + LANES] = d_trans[oy + y, ox + x] * ws[p]
                ws[p + L2] = np.float32(last[oy + y, ox + x])
                final[b] = max(final[b], last[oy + y, ox + x])
                for c in range(D):
                    ws[p + np.uint64(4 + c) * LANES] = d_image[oy + y, ox + x, c]
        live = np.uint32(0)
        for k in range(starts[t + 1] - 1, starts[t] - 1, -1):
            if (starts[t + 1] - 1 - k) % CHECK_EVERY == 0:
                live = np.uint32(0)
                for b in range(SIDE * SIDE):
                    live |= np.uint32(k - starts[t] - (CHECK_EVERY - 1) <= final[b]) << np.uint32(b)
            row, i = rows[k], ids[k]
            position = np.float32(k - starts[t])
            u, v, ea, eb, ec, o, touched = _in_tile(flat, opacities, i, ox, oy)
            mask = touched & live
            if mask == 0:
                for c in range(6 + D):
                    grads[row, c] = zero
                continue
            sums[:] = zero
            while mask:
                b = lowest_bit(mask)
                mask &= mask - np.uint32(1)
                base = np.uint64(b) * run
                dots[:] = zero
                for c in range(D):
                    add_scaled(
                        dots,
                        np.uint64(c & 1) * LANES,
                        ws,
                        base + np.uint64(4 + c) * LANES,
                        colors[i, c],
                    )
                dx0, dy0 = np.float32((b % SIDE) * BLOCK) - u, np.float32((b // SIDE) * BLOCK) - v
                for p in range(LANES):
                    dx, dy = dx0 + LANE_X[p], dy0 + LANE_Y[p]
                    vis = _exp2(dx * (ea * dx + eb * dy) + ec * dy * dy)
                    raw = o * vis
                    alpha = raw if raw < ALPHA_MAX_32 else ALPHA_MAX_32
                    alpha = alpha if alpha >= ALPHA_MIN_32 else zero
                    alpha = alpha if position <= ws[base + L2 + p] else zero
                    keep = one / (one - alpha)
                    before = ws[base + p] * keep
                    dot = dots[p] + dots[LANES + p]
                    behind = ws[base + LANES + p]
                    d_alpha = before * dot - behind * keep
                    weight = alpha * before
                    ws[base + LANES + p] = behind + weight * dot
                    ws[base + p] = before
                    ws[base + L3 + p] = weight
                    d_alpha = d_alpha if alpha > zero else zero
                    d_alpha = d_alpha if raw <= ALPHA_MAX_32 else zero
                    gain = vis * d_alpha
                    sums[p] += gain
                    sums[LANES + p] += gain * dx
                    sums[L2 + p] += gain * dy
                    sums[L3 + p] += gain * dx * dx
                    sums[L4 + p] += gain * dx * dy
                    sums[L5 + p] += gain * dy * dy
                for c in range(D):
                    add_product(
                        sums,
                        np.uint64(6 + c) * LANES,
                        ws,
                        base + L3,
                        base + np.uint64(4 + c) * LANES,
                    )
            g_x, g_y = run_sum(sums, LANES), run_sum(sums, L2)
            # d sigma = -o vis d alpha, and sigma is quadratic in (dx, dy)
            ca, cb, cc = flat[i, 2], flat[i, 3], flat[i, 4]
            grads[row, 0] = o * (ca * g_x + cb * g_y)
            grads[row, 1] = o * (cc * g_y + cb * g_x)
            grads[row, 2] = -half * o * run_sum(sums, L3)
            grads[row, 3] = -o * run_sum(sums, L4)
            grads[row, 4] = -half * o * run_sum(sums, L5)
            grads[row, 5] = run_sum(sums, np.uint64(0))
            for c in range(D):
                grads[row, 6 + c] = run_sum(sums, np.uint64(6 + c) * LANES)
