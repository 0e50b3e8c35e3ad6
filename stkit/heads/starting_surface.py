"""The surface that the SDF starts from: what one sees of the fitted head, points with normals."""

import torch
from torch import Tensor

from stkit.cameras import far_camera
from stkit.face_models import BuiltinHead
from stkit.face_models.makehuman.hair_shell import outermost
from stkit.geometry import evenly_spread, nearest, vertex_normals
from stkit.render import render_mesh

SPACING, MOST_CUTS = 0.07, 6  # decimetres between points; into how many parts an edge is cut
EYE_FRONT = 0.6  # least z of the normals of an eyeball's front
DIRECTIONS, SIZE, WIDTH = 32, 384, 6.5  # views all around, their pixels, and decimetres they show
NEIGHBOURS = 40  # points over which normals are averaged
FACING = 0.1  # least cosine between a normal and the view from which a point is seen
BEHIND = 0.03  # decimetres behind the nearest surface up to which a point is seen
MIDDLE = torch.tensor([0.0, -0.8, -0.4])  # canonical decimetres: what the views turn about


def outer_surface(model: BuiltinHead, verts: Tensor) -> Tensor:
    """Points and outward normals (P, 6) of what one sees of the built-in head (V, 3).

    Skin, hair shell, and the fronts of the eyes; not what lies behind lids and lips.
    """
    normals = vertex_normals(verts, model.faces)
    keep = outermost(model, verts, normals)
    keep |= model.part("eye_l", "eye_r") & (normals[:, 2] > EYE_FRONT)
    faces = model.faces[keep[model.faces].all(1)]
    points = _filled(torch.cat([verts, normals], 1), faces)
    return _smoothed(points[_seen(points, verts, faces)].float())


def _smoothed(points: Tensor) -> Tensor:
    """Points with the mean normals of their neighbours (P, 6): in creases, as between lids and
    eyeballs, single normals point anywhere, and the SDF that they sign would have holes.
    """
    near = nearest(points[:, :3], points[:, :3], k=NEIGHBOURS).indices
    normals = torch.nn.functional.normalize(points[near, 3:].mean(1), dim=1)
    return torch.cat([points[:, :3], normals], 1)


def _seen(points: Tensor, verts: Tensor, faces: Tensor) -> Tensor:
    """Which points with normals (P, 6) on a mesh somebody sees from outside, facing them (P,)."""
    at, normals = points.split(3, 1)
    out = torch.zeros(len(points), dtype=torch.bool)
    for towards in evenly_spread(DIRECTIONS):
        camera = far_camera(towards, MIDDLE, SIZE, WIDTH)
        depth = render_mesh(verts, faces, verts[:, :1], camera, antialias=False).depth
        x, y = camera.project(at).long().clamp(0, SIZE - 1).unbind(1)
        in_front = camera.to_camera(at)[:, 2] < depth[y, x] + BEHIND
        out |= in_front & (normals @ towards > FACING)
    return out


def _filled(points: Tensor, faces: Tensor) -> Tensor:
    """Points and unit normals (P, 6) all over triangles (F, 3), about `SPACING` apart.

    points (V, 6): vertices and their normals. Triangles are cut into n^2 equal ones, whose middles
    are taken.
    """
    corners = points[faces]
    longest = (corners[..., :3] - corners[..., :3].roll(-1, 1)).norm(dim=2).amax(1)
    cuts = (longest / SPACING).ceil().clamp(1, MOST_CUTS).long()
    out = []
    for n in range(1, MOST_CUTS + 1):
        shares = _middles(n)
        out.append(torch.einsum("sc,fcd->fsd", shares, corners[cuts == n]).reshape(-1, 6))
    filled = torch.cat(out)
    return torch.cat([filled[:, :3], torch.nn.functional.normalize(filled[:, 3:], dim=1)], 1)


def _middles(n: int) -> Tensor:
    """Shares (n^2, 3) of the corners in the middles of the n^2 parts of a triangle."""
    upright = [(i, j) for i in range(n) for j in range(n - i)]
    turned = [(i, j) for i in range(n - 1) for j in range(n - 1 - i)]
    rows = [((i + 1 / 3) / n, (j + 1 / 3) / n) for i, j in upright]
    rows += [((i + 2 / 3) / n, (j + 2 / 3) / n) for i, j in turned]
    return torch.tensor([(a, b, 1 - a - b) for a, b in rows])
