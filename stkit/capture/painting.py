"""The look of a fitted head: one albedo per vertex, gathered from a clip's pictures, and
second-order light.
"""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from stkit.cameras import Camera
from stkit.geometry import vertex_normals
from stkit.render import render_mesh

# all of these are the kit's, chosen by eye
LEAST_FACING = 0.25  # cosine from which a vertex's colour in a picture is trusted
SURFACE_DEPTH = 0.05  # decimetres behind the rendered surface at which a vertex is still on it
# vertices that no picture shows are grey 0.5, and a little of that grey is in all others
PRIOR_WEIGHT = 1e-3
PRIOR_COLOUR = 5e-4  # the grey, times its weight


def gather_albedo(
    worlds: list[Tensor], images: list[Tensor], faces: Tensor, camera: Camera
) -> Tensor:
    """Mean colour (V, 3) that each vertex shows in the pictures, weighted by how squarely it faces
    the camera.

    worlds: the vertices (V, 3) in the world of each picture (S, S, 3) of `camera`, floats in [0,
    1].
    """
    count = len(worlds[0])
    total = torch.full((count, 3), PRIOR_COLOUR)
    weight = torch.full((count, 1), PRIOR_WEIGHT)
    for world, image in zip(worlds, images):
        view = normalize(camera.centre() - world, dim=1)
        facing = (vertex_normals(world, faces) * view).sum(1)
        at = (camera.project(world) / camera.width * 2 - 1)[None, None]
        visible = _on_the_surface(world, faces, camera, at) & (facing > LEAST_FACING)
        w = (visible * facing)[:, None]
        colour = grid_sample(image.permute(2, 0, 1)[None], at, align_corners=False)[0, :, 0].T
        total += w * colour
        weight += w
    return total / weight


def _on_the_surface(world: Tensor, faces: Tensor, camera: Camera, at: Tensor) -> Tensor:
    """Which vertices (V,) nothing hides; `at` (1, 1, V, 2): where they are in the picture, in [-1,
    1].
    """
    colourless = torch.zeros(len(world), 1)
    depth = render_mesh(world, faces, colourless, camera, antialias=False).depth
    sampled = grid_sample(depth[None, None], at, mode="nearest", align_corners=False)
    front = sampled[0, 0, 0]
    behind = (camera.to_camera(world)[:, 2] - front).abs()
    return (front > 0) & (behind < SURFACE_DEPTH)
