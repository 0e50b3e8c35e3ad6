"""Do a picture and a caption fit? Two small towers of the kit's own, for made-up people and edits.

They stand where CLIP ViT-L/14 cannot be had, know no other pictures, and are not CLIP.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
SIZE = 96  # pixels
