"""Cut-offs, tile size and numba's options that the Gaussian kernels share.

The cut-offs are gsplat's. numba's cache on disk does not notice a changed constant here: delete
render/__pycache__ after changing one.
"""

import numpy as np

ALPHA_MIN = 1 / 255  # a Gaussian below this alpha does not reach the pixel
ALPHA_MAX = 0.999  # no Gaussian hides more than this of what lies behind it
T_STOP = 1e-4  # a pixel is closed before its transmittance would fall to this
FRUSTUM_MARGIN = 0.15  # of the picture: the Jacobian is clamped this far outside it
MIN_ALPHA_FOR_DEPTH = 1e-10  # expected depth divides by alpha, but by no less than this
TILE = 16  # pixels: side of the square tiles that keep lists of Gaussians

# the same numbers as the kernels' float32
ALPHA_MIN_32 = np.float32(ALPHA_MIN)
ALPHA_MAX_32 = np.float32(ALPHA_MAX)
T_STOP_32 = np.float32(T_STOP)
FRUSTUM_MARGIN_32 = np.float32(FRUSTUM_MARGIN)

JIT = {
    "nogil": True,
    "cache": True,
    "fastmath": True,
    "boundscheck": False,
    "error_model": "numpy",
}
