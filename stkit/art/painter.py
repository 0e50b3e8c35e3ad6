"""A made-up person painted in an art style: the truth that styled heads are measured against.

The same drawing as `shading.restyle`, from the person's true surface instead of Gaussians.
"""

from dataclasses import replace

import torch
from torch import Tensor

from stkit.art.art_style import REGIONS, ArtStyle
from stkit.art.gbuffer import GBuffer
from stkit.art.ink import blurred
from stkit.art.proportions import shape_weights
from stkit.art.regions import picture_regions
from stkit.art.shading import region_colours, restyle
from stkit.cameras import Camera, front_camera
from stkit.face_models.landmarks import KEPT_66
from stkit.space import canonical_points
from stkit.synthetic.body import CLOTH
from stkit.synthetic.picture import STRANDS, Picture
from stkit.synthetic.subject import Subject

NORMAL_BLUR = 0.03  # decimetres: strands of hair have no normals, their mass has


def true_layers(subject: Subject, t: int, camera: Camera) -> GBuffer:
    """The G-buffer of frame t of a made-up person."""
    picture = subject.picture(t, camera)
    frame = subject.performance.frame_pose(t)
    points = _points(picture, camera)
    place = canonical_points(points.reshape(-1, 3), frame.pose, frame.scale).reshape(points.shape)
    seen = picture.depth > 0
    pixel = float(picture.depth[seen].median()) / float(camera.K[0, 0])
    normal = _normals(points, camera, seen, NORMAL_BLUR / pixel)
    image = picture.image + (1 - picture.matte)
    regions = _regions(picture, image, camera.project(subject.landmarks(t))[KEPT_66])
    place = torch.where(seen[..., None], place, 0)
    return GBuffer(image.clamp(0, 1), picture.matte, normal, place, regions, pixel)


def _points(picture: Picture, camera: Camera) -> Tensor:
    """Where each pixel's surface is in the world (H, W, 3), decimetres."""
    size = torch.arange(camera.width) + 0.5
    y, x = torch.meshgrid(size, size, indexing="ij")
    K = camera.K
    rays = torch.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], torch.ones_like(x)], -1)
    in_camera = rays * picture.depth[..., None]
    rotation, place = camera.viewmat[:3, :3], camera.viewmat[:3, 3]
    return (in_camera - place) @ rotation


def _normals(points: Tensor, camera: Camera, seen: Tensor, sigma: float) -> Tensor:
    """Unit normals (H, W, 3) towards the camera, of blurred points (H, W, 3)."""
    mask = seen[..., None].float()
    smooth = blurred(points * mask, sigma) / blurred(mask, sigma).clamp_min(1e-3)
    across = torch.gradient(smooth, dim=1)[0]
    down = torch.gradient(smooth, dim=0)[0]
    normal = torch.nn.functional.normalize(torch.linalg.cross(down, across), dim=-1)
    away = (normal * (points - camera.centre())).sum(-1, keepdim=True) > 0
    return torch.where(away, -normal, normal) * mask


def _regions(picture: Picture, image: Tensor, landmarks: Tensor) -> Tensor:
    """Shares (H, W, 6): features by landmarks, hair and clothes as they were drawn."""
    shares = dict(zip(REGIONS, picture_regions(image.clamp(0, 1), landmarks).unbind(-1)))
    features = shares["eyes"] + shares["lips"] + shares["brows"]
    left = (picture.matte[..., 0] - features).clamp_min(0)
    hair, cloth = (blurred((picture.part == k)[..., None].float(), 0.7) for k in (STRANDS, CLOTH))
    shares["hair"], shares["clothes"] = left * hair[..., 0], left * cloth[..., 0]
    shares["skin"] = (left - shares["hair"] - shares["clothes"]).clamp_min(0)
    return torch.stack([shares[name] for name in REGIONS], -1)


def paint(
    subject: Subject,
    style: ArtStyle,
    size: int = 256,
    degree: float = 1.0,
    t: int = 0,
    color_transfer: float = 1.0,
    camera: Camera | None = None,
) -> Tensor:
    """The painted picture (S, S, 3) of frame t over white, seen from the front or by a camera."""
    weights = shape_weights({name: degree * x for name, x in style.proportions.items()})
    person = subject.person
    shown = replace(subject, person=person.reshaped(**weights)) if weights else subject
    layers = true_layers(shown, t, camera or front_camera(size))
    return restyle(layers, style, region_colours(layers), degree, color_transfer)
