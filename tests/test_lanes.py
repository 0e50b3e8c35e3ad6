"""The vector operations of stkit.render.lanes against numpy."""

import numpy as np
import pytest
from numba import njit

from stkit.render import lanes


@njit
def _operations(a, b, factor, mask):
    lanes.add_scaled(a, np.uint64(3), b, np.uint64(17), factor)
    lanes.add_product(a, np.uint64(30), b, np.uint64(1), np.uint64(20))
    return (
        lanes.run_sum(b, np.uint64(5)),
        lanes.lowest_bit(mask),
        lanes.as_float(np.int32(0x40490FDB)),
        lanes.as_bits(np.float32(1.0)),
    )


@pytest.mark.parametrize("bit", [0, 5, 31])
def test_runs_of_sixteen(bit):
    a, b = np.random.default_rng(bit).standard_normal((2, 64)).astype(np.float32)
    want = a.copy()
    want[3:19] += np.float32(0.7) * b[17:33]
    want[30:46] += b[1:17] * b[20:36]
    total, lowest, pi, one = _operations(
        a, b, np.float32(0.7), np.uint32((0xF0F0F0F1 << bit) & 0xFFFFFFFF)
    )
    np.testing.assert_allclose(a, want, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(total, b[5:21].sum(), rtol=1e-5, atol=1e-5)
    assert lowest == bit and np.float32(pi) == np.float32(np.pi) and one == 0x3F800000
