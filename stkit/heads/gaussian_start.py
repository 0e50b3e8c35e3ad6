"""Where the Gaussians of a head start: on the mesh's vertices, on the face and in the mouth
(lineage.md 1.6).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn

from stkit.geometry import nearest, quat_from_z, random_on_faces, vertex_normals
from stkit.heads.face_points import FacePoints, face_points, replaced
from stkit.heads.gaussian import GaussianHead, GaussianSettings
from stkit.heads.mesh import MeshHead
from stkit.heads.networks import MLP, ColorNet
from stkit.space import skin_weight

FEATURE_SPREAD = 0.3  # standard deviation of the features at the start
OVERLAP = 0.8  # a Gaussian's width against the distance to its neighbours
SIZES = (0.005, 0.2)  # decimetres: the least and the largest distance that counts
SURFACE_OPACITY = 0.7  # least opacity of Gaussians on the surface
MOUTH_BOX = 0.8  # of the mouth's extent, where the points inside of it start
MOUTH = slice(48, 66)  # of the 66 landmarks
SMALL = 1e-3  # standard deviation of last layers that begin as small corrections


@dataclass(frozen=True)
class _Start:
    """Where Gaussians begin: points (N, 3), features (N, feature), colours (N, 3), normals (N, 3),
    opacities (N,).
    """

    points: Tensor
    features: Tensor
    colours: Tensor
    normals: Tensor
    opacities: Tensor

    def joined(self, other: "_Start") -> "_Start":
        """These Gaussians, and others after them."""
        return _Start(
            *(torch.cat([getattr(x, f.name) for x in (self, other)]) for f in fields(self))
        )


@torch.no_grad()
def from_mesh(
    mesh: MeshHead,
    settings: GaussianSettings,
    colours: Callable[[Tensor], Tensor],
    generator: torch.Generator,
) -> GaussianHead:
    """A Gaussian on every vertex of the neutral mesh, and those of the face and the mouth (see
    `GaussianSettings`).

    colours(points (N, 3)) -> (N, 3) starts the first three features; the others come from the
    geometry net, each brought to mean 0 and one spread. Upstream passes features through atanh and
    meets infinities there.
    """
    motion = mesh.deformation.model_motion
    surface = _on_surface(mesh, settings, colours, generator)
    if motion is None:
        start, carriers = surface.joined(_in_mouth(mesh, settings, colours, generator)), None
        settings = replace(settings, face_points=0)
    else:
        face = face_points(motion, settings.face_points, generator)
        kept = ~replaced(surface.points, motion)
        surface = _Start(*(getattr(surface, f.name)[kept] for f in fields(surface)))
        start = surface.joined(_on_face(face, settings, colours))
        carriers = torch.cat([motion.carriers(surface.points), face.carriers])
        settings = replace(settings, face_points=len(face.points))
    head = GaussianHead(settings, len(start.points)).to(start.points.device)
    head.landmarks.copy_(mesh.landmarks)
    head.xyz.copy_(start.points)
    head.feature.copy_(start.features)
    head.feature[:, :3] = start.colours.clamp(0.02, 0.98).logit()
    if carriers is not None:
        head.carriers.copy_(carriers)
    distance, _ = nearest(start.points, start.points, k=4)
    size = distance[:, 1:].square().mean(1).sqrt().clamp(*SIZES)
    head.log_scales.copy_((OVERLAP * size).log()[:, None].expand(-1, 3))
    head.quats[:, 0] = 1.0
    flat = start.normals.norm(dim=1) > 0
    if settings.flat < 1:
        head.quats[flat] = quat_from_z(start.normals[flat])
        head.log_scales[flat, 2] += math.log(settings.flat)
    head.opacity_logits.copy_(start.opacities.logit())
    head.follow_logits.copy_(skin_weight(start.points)[:, 0].clamp(0.01, 0.99).logit())
    if settings.direct_color:
        start_small(head.color)
    head.deformation.load_state_dict(mesh.deformation.state_dict())
    head.refresh()
    return head


def _on_surface(
    mesh: MeshHead,
    settings: GaussianSettings,
    colours: Callable[[Tensor], Tensor],
    generator: torch.Generator,
) -> _Start:
    """On the mesh's vertices and, where these are few, all over its faces."""
    surface, faces, features = mesh.extract()
    verts, features = fill_surface(surface, faces, features, settings.surface_points, generator)
    deviation = features.std(0).clamp_min(1e-4)
    features = FEATURE_SPREAD * (features - features.mean(0)) / deviation
    normals = vertex_normals(surface, faces)[nearest(verts, surface)[1][:, 0]]
    opacities = verts.new_full((len(verts),), max(settings.opacity, SURFACE_OPACITY))
    return _Start(verts, features, colours(verts), normals, opacities)


def _in_mouth(
    mesh: MeshHead,
    settings: GaussianSettings,
    colours: Callable[[Tensor], Tensor],
    generator: torch.Generator,
) -> _Start:
    """Balls around the lips, which lie in no direction."""
    points = mouth_points(mesh.landmarks, settings.mouth_points, generator)
    features = points.new_zeros(len(points), settings.feature)
    opacities = points.new_full((len(points),), settings.opacity)
    return _Start(points, features, colours(points), torch.zeros_like(points), opacities)


def _on_face(
    face: FacePoints, settings: GaussianSettings, colours: Callable[[Tensor], Tensor]
) -> _Start:
    """On the face model's eyes, lids and lips, and in its mouth."""
    known = torch.where(face.colours.isnan(), colours(face.asked), face.colours)
    features = face.points.new_zeros(len(face.points), settings.feature)
    opacities = face.points.new_full((len(face.points),), max(settings.opacity, SURFACE_OPACITY))
    return _Start(face.points, features, known, face.normals, opacities)


def start_small(net: ColorNet) -> None:
    """Let a colour net begin as a small correction of the features' own colours."""
    for part in (net.expression, net.pose):
        last = last_layer(part)
        nn.init.normal_(last.weight, std=SMALL)
        nn.init.zeros_(last.bias)


def last_layer(net: MLP) -> nn.Linear:
    """The layer that gives a net's output."""
    layer = net.layers[-1]
    assert isinstance(layer, nn.Linear)
    return layer


def fill_surface(
    verts: Tensor, faces: Tensor, features: Tensor, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Vertices (V, 3) and features (V, F), with random points of the faces up to `count` of
    them.
    """
    missing = count - len(verts)
    if missing <= 0:
        return verts, features
    corners, weights = random_on_faces(verts, faces, missing, generator)
    points, values = ((x[corners] * weights[..., None]).sum(1) for x in (verts, features))
    return torch.cat([verts, points]), torch.cat([features, values])


def mouth_points(landmarks: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Points (count, 3) in a box of 0.8 times the mouth's extent, at and behind the lips."""
    mouth = landmarks[MOUTH].detach()
    centre = torch.cat([mouth[:, :2].mean(0), mouth[:, 2:].min(0).values])
    half = MOUTH_BOX * (mouth - centre).abs().max(0).values
    return centre + (2 * torch.rand(count, 3, generator=generator).to(centre.device) - 1) * half
