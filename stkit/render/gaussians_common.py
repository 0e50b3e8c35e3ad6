"""What both kernel modules of the CPU Gaussian rasteriser share: gsplat's cut-offs, the tile size, numba's options.

numba's cache on disk does not notice a changed constant here: delete render/__pycache__ after changing one.
"""

import numpy as np

TILE = 16
ALPHA_MIN = np.float32(1 / 255)
ALPHA_MAX = np.float32(0.999)
T_STOP = np.float32(1e-4)
JIT = dict(nogil=True, cache=True, fastmath=True, boundscheck=False, error_model="numpy")
