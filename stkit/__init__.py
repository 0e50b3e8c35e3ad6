"""stkit: a notebook kit that rebuilds StyleTalker, from a monocular video to an edited, animated
Gaussian head.
"""

import os

# torch and numba share two cores here: a spinning OpenMP pool makes a 5 ms step take 150 ms.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.3.0.dev0"
