"""A cut through the signed distance field of a mesh head, as coloured triangles."""

import torch
from torch import Tensor

from stkit.heads.mesh import MeshHead

# the kit's, chosen by eye; blue and orange can be told apart by colour-blind people
INSIDE, OUTSIDE = (0.0, 0.27, 0.70), (0.84, 0.37, 0.0)
LINE_SPACING = 0.1  # decimetres between thin lines of equal distance
LINE_SHADE = 0.8  # of the colour beneath
LINE_WIDTH = 0.4  # grid steps on each side
SURFACE_SHADE = 0.1  # grey of the line at distance 0
SURFACE_WIDTH = 0.9
MIN_SLOPE = 0.3  # lines get no thinner where the field is flat


@torch.no_grad()
def sdf_slice(
    head: MeshHead, points: int = 200, reach: float = 0.4
) -> tuple[Tensor, Tensor, Tensor]:
    """The plane x = 0 of the head's box: vertices (P, 3), faces, colours (P, 3): blue inside,
    orange outside, a dark line at 0.

    Colour reaches its end at `reach` decimetres from the surface; thin lines stand 0.1 dm apart.
    """
    low, high = head.get_buffer("low"), head.get_buffer("high")
    y, z = (torch.linspace(float(low[k]), float(high[k]), points) for k in (1, 2))
    Y, Z = torch.meshgrid(y, z, indexing="ij")
    plane = torch.stack([torch.zeros_like(Y), Y, Z], -1).reshape(-1, 3)
    sdf = head.sdf_at(plane)
    step = float((high - low)[1:].max()) / points
    slope = torch.stack(torch.gradient(sdf.reshape(points, points), spacing=(y, z))).norm(dim=0)
    slope = slope.reshape(-1).clamp_min(MIN_SLOPE)
    return plane, _grid_faces(points), _colours(sdf, reach, step, slope)


def _colours(sdf: Tensor, reach: float, step: float, slope: Tensor) -> Tensor:
    """Colours (P, 3) of signed distances (P,), whose change per decimetre is `slope` (P,), on a
    grid of spacing `step`.
    """
    t = (sdf / reach).clamp(-1, 1)[:, None]
    ends = torch.where(t < 0, torch.tensor(INSIDE), torch.tensor(OUTSIDE))
    colours = 1 - t.abs() * (1 - ends)
    from_line = (sdf / LINE_SPACING - (sdf / LINE_SPACING).round()).abs() * LINE_SPACING
    on_line = (from_line < LINE_WIDTH * step * slope)[:, None]
    colours = torch.where(on_line, LINE_SHADE * colours, colours)
    on_surface = (sdf.abs() < SURFACE_WIDTH * step * slope)[:, None]
    return torch.where(on_surface, torch.full_like(colours, SURFACE_SHADE), colours)


def _grid_faces(points: int) -> Tensor:
    """Two triangles for each cell of a square grid: all first ones, then all second ones."""
    k = torch.arange(points * points).reshape(points, points)
    a, b = k[:-1, :-1].reshape(-1), k[:-1, 1:].reshape(-1)
    c, d = k[1:, :-1].reshape(-1), k[1:, 1:].reshape(-1)
    return torch.cat([torch.stack([a, b, c], 1), torch.stack([b, d, c], 1)])
