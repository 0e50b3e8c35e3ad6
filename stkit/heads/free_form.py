"""Hair and clothes that move on their own: a free-form deformation (Sederberg and Parry, 1986) of
what lies around the face.

A head, a chest and an expression do not explain a lock that swings or a collar that folds. So each
frame has a coarse lattice of displacements, found from its picture as pose is, and points move with
the nodes around them. The face is left out: there the expression decides. The paper has nothing of
the kind.
"""

import torch
from jaxtyping import Float
from torch import Tensor

NODES = (7, 8, 3)  # across, up, towards the front
LOW, HIGH = (-1.8, -2.4, -1.8), (1.8, 1.8, 1.0)  # canonical decimetres: corners of the lattice
COUNT = NODES[0] * NODES[1] * NODES[2]
STRETCH = 4.0  # how much dearer a difference between neighbours is than a displacement


def _hats(x: Tensor, low: float, high: float, nodes: int) -> Tensor:
    """Linear weights (N, nodes) of equally spaced nodes at x (N,); the outermost hold beyond."""
    at = ((x - low) / (high - low)).clamp(0, 1) * (nodes - 1)
    return (1 - (at[:, None] - torch.arange(nodes, device=x.device)).abs()).clamp_min(0)


def node_weights(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n nodes"]:
    """How much each node of the lattice moves canonical points (N, 3): trilinear, (N, 168)."""
    x, y, z = (_hats(points[:, k], LOW[k], HIGH[k], NODES[k]) for k in range(3))
    return torch.einsum("ni,nj,nk->nijk", x, y, z).flatten(1)


def displacement(
    points: Float[Tensor, "n 3"], share: Float[Tensor, " n"], lattice: Float[Tensor, "nodes 3"]
) -> Float[Tensor, "n 3"]:
    """How far a lattice (168, 3) moves canonical points (N, 3), decimetres: in full where the share
    (N,) of the expression is 0, and not at all on the face, where it is 1.
    """
    return (1 - share)[:, None] * (node_weights(points) @ lattice)


def stretch(lattice: Float[Tensor, "nodes 3"]) -> Tensor:
    """What a lattice (168, 3) costs: squares of its displacements and of the differences between
    neighbours, summed; decimetres squared.
    """
    grid = lattice.view(*NODES, 3)
    bends = sum((grid.diff(dim=k).square().sum() for k in range(3)), grid.new_zeros(()))
    return lattice.square().sum() + STRETCH * bends
