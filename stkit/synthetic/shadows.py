"""Shadows on made-up people: what a far light sees, and how much of the sky each vertex sees."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from stkit.cameras import FAR, Camera, far_camera
from stkit.geometry import evenly_spread
from stkit.render import render_mesh

SHADOW_SIZE = 320  # texels of the shadow map's side
SHADOW_BLUR = 5  # texels
SHADOW_WIDTH = 4.6  # world decimetres that the shadow map shows
LEAST_VARIANCE = 2e-4  # decimetres^2, against a surface's shadow on itself
BIAS = 0.03  # decimetres


@dataclass(frozen=True)
class ShadowMap:
    """Depth as the key light sees it: its mean and the mean of its square (2, S, S)."""

    camera: Camera
    moments: Tensor

    def lit(self, points: Tensor) -> Tensor:
        """How much of the light reaches world points (N, 3), in [0, 1] (N,).

        Source: variance shadow maps (Donnelly & Lauritzen 2006).
        """
        depth = self.camera.to_camera(points)[:, 2] - BIAS
        grid = self.camera.project(points) * 2 / self.camera.width - 1
        found = grid_sample(self.moments[None], grid[None, None], align_corners=False)[0, :, 0]
        variance = (found[1] - found[0].square()).clamp_min(LEAST_VARIANCE)
        behind = (depth - FAR - found[0]).clamp_min(0)
        lit = variance / (variance + behind.square())
        return ((lit - 0.2) / 0.8).clamp(0, 1)  # less light leaks where shadows overlap


def shadow_map(towards: Tensor, verts: Tensor, faces: Tensor, middle: Tensor) -> ShadowMap:
    """What a far light in a unit direction sees of a mesh around a point (3,)."""
    camera = far_camera(towards, middle, SHADOW_SIZE, SHADOW_WIDTH)
    out = render_mesh(verts, faces, verts[:, :1], camera, antialias=False)
    depth = torch.where(out.face_id >= 0, out.depth - FAR, SHADOW_WIDTH)
    moments = torch.stack([depth, depth.square()])
    pad = SHADOW_BLUR // 2
    return ShadowMap(camera, avg_pool2d(moments[None], SHADOW_BLUR, 1, pad)[0])


def openness(verts: Tensor, faces: Tensor, normals: Tensor, directions: int = 48) -> Tensor:
    """How much of the sky vertices (V, 3) see, weighted by the cosine, in [0, 1] (V,)."""
    seen, most = torch.zeros(len(verts)), torch.zeros(len(verts))
    middle = torch.tensor([0.0, -0.3, -0.3])
    for towards in evenly_spread(directions):
        cosine = (normals @ towards).clamp_min(0)
        seen += cosine * shadow_map(towards, verts, faces, middle).lit(verts + 0.02 * normals)
        most += cosine
    return seen / most.clamp_min(1e-6)
