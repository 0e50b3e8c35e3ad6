"""Numba kernels that sort Gaussians, near ones first, into lists: one for each tile of pixels."""

import numpy as np
from numba import njit

from stkit.render.gaussians_constants import JIT
from stkit.render.lanes import as_bits

RADIX_BITS = 11  # three passes sort the 32 bits of a float32
RADIX = 1 << RADIX_BITS


@njit(**JIT)
def count_tiles(box, tiles_x, starts, counts):
    """Count the (tile, Gaussian) entries and return their number.

    Reads box (N, 4) of tiles from `gaussians_projection.project`. Writes starts (tiles + 1), where
    each tile's list begins, and counts (N + 1), where each Gaussian's entries begin.
    """
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
def depth_order(counts, depths):
    """Indices (visible,) of the visible Gaussians from near to far.

    A stable radix sort of the bits of their depths (N,): positive floats sort like integers.
    """
    n = 0
    order = np.empty(depths.shape[0], np.int32)
    for i in range(depths.shape[0]):
        if counts[i + 1] > counts[i]:
            order[n] = i
            n += 1
    order = order[:n]
    keys = np.empty(n, np.uint32)
    for k in range(n):
        keys[k] = as_bits(depths[order[k]])
    other, other_keys = np.empty(n, np.int32), np.empty(n, np.uint32)
    first = np.empty(RADIX + 1, np.int64)
    for shift in (0, RADIX_BITS, 2 * RADIX_BITS):
        first[:] = 0
        for k in range(n):
            first[((keys[k] >> shift) & (RADIX - 1)) + 1] += 1
        for d in range(RADIX):
            first[d + 1] += first[d]
        for k in range(n):
            d = (keys[k] >> shift) & (RADIX - 1)
            other[first[d]] = order[k]
            other_keys[first[d]] = keys[k]
            first[d] += 1
        order, other = other, order
        keys, other_keys = other_keys, keys
    return order


@njit(**JIT)
def fill_tiles(order, box, tiles_x, starts, counts, ids, rows):
    """Write the tiles' lists, near Gaussians first.

    ids (entries): the Gaussian of each entry; rows (entries): its place when entries are grouped by
    Gaussian instead. Reads `depth_order`'s order and what `count_tiles` wrote.
    """
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
