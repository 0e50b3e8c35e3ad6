"""The kit's own V3D: SVD's diffusers classes, small, trained on 18 views of made-up people."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
SIZE = 64  # pixels
GUIDANCE = 1.5  # more burns the colours of a model this small; V3D takes 3.5
