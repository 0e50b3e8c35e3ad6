"""Colour correction: a camera's colours under a matrix that its calibration found."""

import numpy as np

from stkit.errors import RequestError

SRGB_LEVELS = np.arange(256) / 255.0  # of an 8-bit picture


def correct_colours(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) uint8 under a colour matrix (3, n), applied in linear light.

    The n terms are those of Cheung et al. 2004, as in the library colour-science, which NeRSemble's
    own tool uses: 3 (RGB), 5 (RGB, RGB product, 1), 7, 8, 10 or 11 (with squares and products of
    pairs). Raises ValueError for another shape.
    """
    linear = _linear(SRGB_LEVELS).astype(np.float32)[image].reshape(-1, 3)
    terms = _terms(linear, matrix.shape[-1])
    if terms is None or matrix.shape != (3, matrix.shape[-1]):
        raise RequestError(
            f"a colour matrix of shape {matrix.shape}; 3 x 3, 5, 7, 8, 10 or 11 are read"
        )
    corrected = np.clip(np.stack(terms, 1) @ matrix.T.astype(np.float32), 0, 1)
    return (_srgb(corrected).reshape(image.shape) * 255).round().astype(np.uint8)


def _terms(linear: np.ndarray, count: int) -> list[np.ndarray] | None:
    """The `count` terms (N,) of linear colours (N, 3) that a matrix weighs; None if unknown."""
    r, g, b = linear.T
    one, product = np.ones_like(r), r * g * b
    pairs = [r * g, r * b, g * b]
    squares = [r * r, g * g, b * b]
    return {
        3: [r, g, b],
        5: [r, g, b, product, one],
        7: [r, g, b, *pairs, one],
        8: [r, g, b, *pairs, product, one],
        10: [r, g, b, *pairs, *squares, one],
        11: [r, g, b, *pairs, *squares, product, one],
    }.get(count)


def _linear(srgb: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values, both in [0, 1] (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _srgb(linear: np.ndarray) -> np.ndarray:
    """Values in sRGB of linear light, both in [0, 1] (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
