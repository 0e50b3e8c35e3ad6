"""Gaussians on the fitted face model's eyes, lids and lips, and on what is in its mouth.

A tetrahedron's edge is as long as an eye is high, so vertices of the mesh alone cannot draw an
iris or close a lid. Where the deformation starts from the face model, its surface is there for it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stkit import face_models
from stkit.geometry import nearest, random_on_faces, vertex_normals
from stkit.heads.model_motion import ModelMotion, moving_vertices

UP = torch.tensor([0.0, 1.0, 0.0])
# all of these are the kit's, chosen by eye
RIM = 0.1  # decimetres: skin as near as this to a landmark of lids or lips is theirs
FRONT = 0.5  # least z of normals of an eyeball's front; what lies further round is never seen
DEEP = 0.05  # canonical decimetres: what is further back in the mouth stays dark
AROUND = 0.12  # decimetres above and below the line between the lips: the inside that a mouth shows
LID_SKIN = 0.06  # decimetres from a rim: where a lid's skin is in the picture while the eye is open
REPLACED = 0.15  # decimetres: mesh vertices as near as this to lids, eyes or lips give way


@dataclass(frozen=True)
class Region:
    """A part of the face: how many of the points it gets, and its colour before training where the
    mesh, seen from outside, cannot tell it.
    """

    share: float
    colour: tuple[float, float, float] | None = None


REGIONS = {
    "eyes": Region(0.22),
    "lids": Region(0.24),
    "lips": Region(0.24),
    "mouth": Region(0.1, (0.25, 0.1, 0.1)),
    "teeth": Region(0.12, (0.75, 0.7, 0.65)),
    "tongue": Region(0.08, (0.5, 0.25, 0.25)),
}
OUTSIDE = ("eyes", "lids", "lips")


@dataclass(frozen=True)
class FacePoints:
    """Points (N, 3) on the neutral face, their outward normals (N, 3), the vertex of the model's
    motion that each one follows (N,), and colours (N, 3), NaN where the mesh tells them: at `asked`
    (N, 3).
    """

    points: Tensor
    asked: Tensor
    normals: Tensor
    carriers: Tensor
    colours: Tensor


def face_points(motion: ModelMotion, count: int, generator: torch.Generator) -> FacePoints:
    """About `count` random points, spread over the `REGIONS` by their shares and evenly in each."""
    verts, faces, normals = moving_surface(motion)
    parts = []
    for name, region in REGIONS.items():
        chosen = faces[region_vertices(name, verts, normals)[faces].all(1)]
        drawn = random_on_faces(verts, chosen, round(region.share * count), generator)
        points, *others = _points(verts, normals, *drawn, region.colour)
        asked = beyond_lashes(points, verts) if name == "lids" else points
        parts.append((points, asked, *others))
    joined = (torch.cat(x).to(motion.verts.device) for x in zip(*parts))
    return FacePoints(*joined)


def beyond_lashes(points: Tensor, verts: Tensor) -> Tensor:
    """Where to look for the colour of points (N, 3) of the lids: `LID_SKIN` away from the rim.

    Most of a lid is folded away while the eye is open, and in its place the picture shows lashes
    and the eye: a lid that closes would be as dark. verts (A, 3): the moving vertices.
    """
    model, number = face_models.builtin(), moving_vertices()[1]
    eyes = verts[number[model.landmarks[36:48]]].unflatten(0, (2, 6))
    rim, distance = eyes.flatten(0, 1), torch.cdist(points, eyes.flatten(0, 1))
    near, at = distance.min(1)
    middle = eyes.mean(1)[at // 6]
    outwards = torch.nn.functional.normalize((rim[at] - middle)[:, 1:2].sign() * UP, dim=1)
    return points + (LID_SKIN - near).clamp_min(0)[:, None] * outwards


def region_vertices(name: str, verts: Tensor, normals: Tensor) -> Tensor:
    """Which of the moving vertices (A, 3) belong to one of the `REGIONS` (A,)."""
    model = face_models.builtin()
    ids, number = moving_vertices()
    if name == "eyes":
        return model.part("eye_l", "eye_r")[ids] & (normals[:, 2] > FRONT)
    if name in ("lids", "lips"):
        lines = model.landmarks[36:48] if name == "lids" else model.landmarks[48:68]
        near = nearest(verts, verts[number[lines]])[0][:, 0] < RIM
        return model.part("skin")[ids] & near
    parts = {"teeth": ("teeth_upper", "teeth_lower")}.get(name, (name,))
    inside = model.part(*parts)[ids] & (verts[:, 2] > DEEP)
    if name != "mouth":
        return inside
    seam = verts[number[model.landmarks[60:68]], 1].mean()
    return inside & ((verts[:, 1] - seam).abs() < AROUND)


def replaced(points: Tensor, motion: ModelMotion) -> Tensor:
    """Which points (N, 3) of a mesh lie on the lids, eyes or lips, where face points take their
    place (N,).
    """
    verts, _, normals = moving_surface(motion)
    chosen = torch.zeros(len(verts), dtype=torch.bool)
    for name in OUTSIDE:
        chosen |= region_vertices(name, verts, normals)
    distance, i = nearest(points, motion.verts, tree=motion.tree)
    return chosen.to(points.device)[i[:, 0]] & (distance[:, 0] < REPLACED)


def moving_surface(motion: ModelMotion) -> tuple[Tensor, Tensor, Tensor]:
    """The moving vertices (A, 3), their triangles (F, 3) and unit normals (A, 3)."""
    verts, faces = motion.verts.cpu(), moving_vertices()[1][face_models.builtin().faces]
    faces = faces[(faces >= 0).all(1)]
    return verts, faces, vertex_normals(verts, faces)


def _points(
    verts: Tensor,
    normals: Tensor,
    corners: Tensor,
    weights: Tensor,
    colour: tuple[float, float, float] | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points, normals, carriers and colours of one region, as `FacePoints` has them."""
    points, up = ((x[corners] * weights[..., None]).sum(1) for x in (verts, normals))
    carriers = corners.gather(1, weights.argmax(1, keepdim=True))[:, 0]
    colours = torch.tensor(colour or (torch.nan,) * 3).expand(len(corners), 3)
    return points, torch.nn.functional.normalize(up, dim=1), carriers, colours
