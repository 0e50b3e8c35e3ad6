"""Differentiable renderers: `rasterize` for Gaussians, `render_mesh` for triangle meshes."""

from stkit.render.devices import backends, pick_device
from stkit.render.mesh_image import MeshImage
from stkit.render.meshes import render_mesh
from stkit.render.rasterization import MODES, rasterize

__all__ = ["MODES", "MeshImage", "backends", "pick_device", "rasterize", "render_mesh"]
