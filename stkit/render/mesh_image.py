"""What a mesh renderer returns."""

from typing import NamedTuple

from torch import Tensor


class MeshImage(NamedTuple):
    """image (H, W, D) over the background, mask (H, W, 1) in [0, 1], face_id (H, W; -1 empty), bary (H, W, 3), depth (H, W)."""

    image: Tensor
    mask: Tensor
    face_id: Tensor
    bary: Tensor
    depth: Tensor
