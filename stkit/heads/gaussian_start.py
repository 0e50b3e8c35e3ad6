"""Where the Gaussians of a head start: on the mesh's vertices and in the mouth (lineage.md 1.6)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from stkit.geometry import nearest, quat_from_z, vertex_normals
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


@torch.no_grad()
def from_mesh(
    mesh: MeshHead,
    settings: GaussianSettings,
    colours: Callable[[Tensor], Tensor],
    generator: torch.Generator,
) -> GaussianHead:
    """A Gaussian on every vertex of the neutral mesh, and `mouth_points` in the mouth.

    colours(points (N, 3)) -> (N, 3) starts the first three features; the others come from the
    geometry net, each brought to mean 0 and one spread. Upstream passes features through atanh and
    meets infinities there.
    """
    surface, faces, features = mesh.extract()
    verts, features = fill_surface(surface, faces, features, settings.surface_points, generator)
    on_surface = len(verts)
    mouth = mouth_points(mesh.landmarks, settings.mouth_points, generator)
    points = torch.cat([verts, mouth])
    head = GaussianHead(settings, len(points)).to(points.device)
    head.landmarks.copy_(mesh.landmarks)
    head.xyz.copy_(points)
    deviation = features.std(0).clamp_min(1e-4)
    head.feature[:on_surface] = FEATURE_SPREAD * (features - features.mean(0)) / deviation
    head.feature[on_surface:] = 0.0
    head.feature[:, :3] = colours(points).clamp(0.02, 0.98).logit()
    distance, _ = nearest(points, points, k=4)
    size = distance[:, 1:].square().mean(1).sqrt().clamp(*SIZES)
    head.log_scales.copy_((OVERLAP * size).log()[:, None].expand(-1, 3))
    head.quats[:, 0] = 1.0
    if settings.flat < 1:
        normals = vertex_normals(surface, faces)[nearest(verts, surface)[1][:, 0]]
        head.quats[:on_surface] = quat_from_z(normals)
        head.log_scales[:on_surface, 2] += math.log(settings.flat)
    opacity = points.new_full((len(points),), settings.opacity)
    opacity[:on_surface] = max(settings.opacity, SURFACE_OPACITY)
    head.opacity_logits.copy_(opacity.logit())
    head.follow_logits.copy_(skin_weight(points)[:, 0].clamp(0.01, 0.99).logit())
    if settings.direct_color:
        start_small(head.color)
    head.deformation.load_state_dict(mesh.deformation.state_dict())
    head.refresh()
    return head


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
    a, b, c = verts[faces].unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1).cpu()
    pick = torch.multinomial(area, missing, replacement=True, generator=generator)
    face = faces[pick.to(faces.device)]
    weight = torch.rand(missing, 3, 1, generator=generator).to(verts.device).clamp_min(1e-6).log()
    weight = weight / weight.sum(1, keepdim=True)
    points, values = ((x[face] * weight).sum(1) for x in (verts, features))
    return torch.cat([verts, points]), torch.cat([features, values])


def mouth_points(landmarks: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Points (count, 3) in a box of 0.8 times the mouth's extent, at and behind the lips."""
    mouth = landmarks[MOUTH].detach()
    centre = torch.cat([mouth[:, :2].mean(0), mouth[:, 2:].min(0).values])
    half = MOUTH_BOX * (mouth - centre).abs().max(0).values
    return centre + (2 * torch.rand(count, 3, generator=generator).to(centre.device) - 1) * half
