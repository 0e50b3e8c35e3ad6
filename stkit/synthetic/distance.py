"""How far points are from a person's surface: a grid, filled once, that hair grows around."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from stkit.geometry import nearest

LOW, HIGH = torch.tensor([-2.2, -3.0, -2.0]), torch.tensor([2.2, 2.0, 1.4])  # decimetres
CELL = 0.07  # decimetres


@dataclass(frozen=True)
class DistanceGrid:
    """Distances outwards and their directions (4, D, H, W) in a box of canonical space."""

    values: Tensor

    def at(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distance (N,), decimetres, negative inside, and the unit direction outwards (N, 3)."""
        grid = 2 * (points - LOW) / (HIGH - LOW) - 1
        found = grid_sample(
            self.values[None], grid[None, None, None], padding_mode="border", align_corners=True
        )[0, :, 0, 0].T
        return found[:, 0], normalize(found[:, 1:], dim=1)


def distance_grid(verts: Tensor, normals: Tensor) -> DistanceGrid:
    """The grid around a surface with these vertices and unit normals (V, 3)."""
    counts = ((HIGH - LOW) / CELL).long() + 1
    axes = [torch.linspace(float(a), float(b), int(n)) for a, b, n in zip(LOW, HIGH, counts)]
    z, y, x = torch.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    points = torch.stack([x, y, z], -1).reshape(-1, 3)
    found = nearest(points, verts, k=4)
    weights = 1 / (found.distances + 0.02) ** 2
    weights = (weights / weights.sum(1, keepdim=True))[..., None]
    base = (weights * verts[found.indices]).sum(1)
    outward = normalize((weights * normals[found.indices]).sum(1), dim=1)
    height = ((points - base) * outward).sum(1)
    far = found.distances[:, 0]
    distance = torch.where(height.abs() > 0.7 * far, torch.sign(height) * far, height)
    values = torch.cat([distance[:, None], outward], 1)
    return DistanceGrid(values.T.reshape(4, *z.shape).contiguous())
