"""What a mesh renderer returns."""

from typing import NamedTuple

from torch import Tensor


class MeshImage(NamedTuple):
    """A picture of a mesh.

    `image` (H, W, D) over the background, `mask` (H, W, 1) in [0, 1], `face_id` (H, W), the visible
    face or -1, its barycentrics `bary` (H, W, 3) and `depth` (H, W) in world units, 0 where empty.
    Gradients reach vertices and values through `image` and `mask`.
    """

    image: Tensor
    mask: Tensor
    face_id: Tensor
    bary: Tensor
    depth: Tensor
