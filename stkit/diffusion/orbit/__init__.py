"""The kit's own V3D: SVD's diffusers classes, small, trained here to turn a picture of a made-up person into the 18 views around it."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
SIZE = 64  # pixels
GUIDANCE = 1.5  # more burns the colours of a model this small; V3D takes 3.5
