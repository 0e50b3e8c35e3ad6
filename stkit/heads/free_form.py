"""Hair and clothes that move on their own: a free-form deformation (Sederberg and Parry, 1986) of
what lies around the face.

A head, a chest and an expression do not explain a lock that swings or a collar that folds. So each
frame has a coarse lattice of displacements, found from its picture as pose is, and points move with
the nodes around them. The face is left out: there the expression decides. The paper has nothing of
the kind.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

NODES = (7, 8, 3)  # across, up, towards the front
LOW, HIGH = (-1.8, -2.4, -1.8), (1.8, 1.8, 1.0)  # canonical decimetres: corners of the lattice
COUNT = NODES[0] * NODES[1] * NODES[2]
STRETCH = 4.0  # how much dearer a difference between neighbours is than a displacement


def displacement(
    points: Float[Tensor, "n 3"], share: Float[Tensor, " n"], lattice: Float[Tensor, "nodes 3"]
) -> Float[Tensor, "n 3"]:
    """How far a lattice (168, 3) moves canonical points (N, 3), decimetres: trilinearly between its
    nodes, beyond them as at its edge; in full where the share (N,) of the expression is 0, and not
    at all on the face, where it is 1.
    """
    low, high = points.new_tensor(LOW), points.new_tensor(HIGH)
    at = 2 * (points - low) / (high - low) - 1  # grid_sample's units: -1 to 1, its last axis first
    volume = lattice.view(*NODES, 3).permute(3, 0, 1, 2)[None]
    places = at.flip(1)[None, None, None]
    moves = grid_sample(volume, places, padding_mode="border", align_corners=True)
    return (1 - share)[:, None] * moves[0, :, 0, 0].mT


def stretch(lattice: Float[Tensor, "nodes 3"]) -> Tensor:
    """What a lattice (168, 3) costs: squares of its displacements and of the differences between
    neighbours, summed; decimetres squared.
    """
    grid = lattice.view(*NODES, 3)
    bends = sum((grid.diff(dim=k).square().sum() for k in range(3)), grid.new_zeros(()))
    return lattice.square().sum() + STRETCH * bends
