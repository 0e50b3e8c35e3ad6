"""Mesh-prior views: the neutral frame's colours on the fitted mesh, the kit's stand-in for V3D.
There is no network in it.

A pixel takes the neutral frame's colour where its surface point was visible there, else that of the
mirrored point, else the colour filled in over the mesh from its neighbours. Trust falls in that
order. All numbers are the kit's, chosen by eye.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.face_models.builtin import BuiltinHead
from stkit.face_models.makehuman.hair_shell import outermost
from stkit.geometry import nearest, vertex_normals
from stkit.heads.mesh import MeshHead, PosedMesh
from stkit.render import render_mesh
from stkit.space import FramePose, to_world
from stkit.views import FRONTAL, Views

DEPTH_TOLERANCE = 0.06  # decimetres behind the front surface at which a point counts as hidden
FACING_FROM, FACING_RANGE = 0.25, 0.35  # cosines between which a surface turns visible
KNOWN = 0.3  # visibility from which on a vertex keeps the colour that was looked up
MATTE_INSET = 5  # pixels; the matte is eroded by half of that
TRUST_MIRRORED, TRUST_FILLED, TRUST_BACKGROUND = 0.6, 0.4, 0.5
NEIGHBOURS = 12  # known points that an unknown one is coloured by
SMOOTHING_NEIGHBOURS, SMOOTHING_ROUNDS = 9, 30
NUDGE = 0.01  # decimetres along a normal, to carry its direction into the world


@dataclass(frozen=True)
class _NeutralFrame:
    """What the neutral frame shows.

    image (H, W, 3), depth (H, W) of the mesh in it (decimetres), matte (H, W, 1) without its
    border, camera, pose.
    """

    image: Tensor
    depth: Tensor
    matte: Tensor
    camera: Camera
    pose: FramePose

    @staticmethod
    def of(capture: Capture, pose: FramePose, mesh: PosedMesh) -> "_NeutralFrame":
        t, camera = capture.neutral, capture.camera
        front = render_mesh(mesh.world, mesh.faces, mesh.world, camera, antialias=False)
        outside = -capture.matte(t).permute(2, 0, 1)
        eroded = -torch.nn.functional.max_pool2d(outside, MATTE_INSET, 1, MATTE_INSET // 2)
        matte = eroded.permute(1, 2, 0)
        return _NeutralFrame(capture.image(t), front.depth, matte, camera, pose)

    def look_up(self, points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
        """Colour (N, 3) and visibility (N, 1) in [0, 1] of world points and normals (N, 3)."""
        at = self.camera.project(points)
        depth = self.camera.to_camera(points)[:, 2]
        front = self._sample(self.depth[..., None], at, "nearest")[:, 0]
        towards = torch.nn.functional.normalize(self.camera.centre() - points, dim=1)
        facing = (normals * towards).sum(1)
        in_front = ((front - depth).abs() < DEPTH_TOLERANCE) & (front > 0)
        turned = ((facing - FACING_FROM) / FACING_RANGE).clamp(0, 1)
        visibility = in_front * turned * self._sample(self.matte, at, "bilinear")[:, 0]
        return self._sample(self.image, at, "bilinear"), visibility[:, None]

    def look_up_mirrored(self, points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
        """As `look_up`, of the mirror images of canonical points (N, 3) with normals (N, 3)."""
        return self.look_up(*mirror_to_world(points, normals, self.pose))

    def _sample(self, picture: Tensor, at: Tensor, mode: str) -> Tensor:
        """Values (N, C) of a picture (H, W, C) at pixels (N, 2)."""
        grid = (at / self.camera.width * 2 - 1)[None, None]
        channels = picture.permute(2, 0, 1)[None]
        values = torch.nn.functional.grid_sample(channels, grid, mode=mode, align_corners=False)
        return values[0, :, 0].T


@dataclass(frozen=True)
class _Surface:
    """The mesh in the neutral frame, (V, 3) each: vertices, normals, and a colour everywhere."""

    world: Tensor
    world_normals: Tensor
    canonical: Tensor
    canonical_normals: Tensor
    colours: Tensor
    faces: Tensor


class MeshPriorViews:
    """Provider of mesh-prior views; see the module."""

    stand_in = "mesh-prior views instead of V3D"

    @torch.no_grad()
    def __call__(
        self,
        capture: Capture,
        head: MeshHead,
        azimuths: tuple[float, ...] = FRONTAL,
        cameras: list[Camera] | None = None,
    ) -> Views:
        """Views over white at azimuths in degrees, positive to the subject's left.

        Any angle can be served.

        `cameras`: one for each azimuth, instead of those that turn about the head.
        """
        pose = capture.frame_pose(capture.neutral)
        mesh = head.posed(pose)
        frame = _NeutralFrame.of(capture, pose, mesh)
        surface = coloured_surface(frame, mesh, in_hair(capture, mesh.neutral))
        cameras = cameras or capture.orbit_cameras(azimuths)
        shots = [_view(frame, surface, camera) for camera in cameras]
        images, alphas, trusts = (torch.stack(parts) for parts in zip(*shots))
        return Views(images, alphas, trusts, cameras, tuple(azimuths), "mesh-prior")


def coloured_surface(frame: _NeutralFrame, mesh: PosedMesh, hair: Tensor) -> _Surface:
    """The mesh with a colour at every vertex: seen, mirrored, or filled in. hair (V,) bool."""
    normals = vertex_normals(mesh.world, mesh.faces)
    canonical_normals = vertex_normals(mesh.deformed, mesh.faces)
    direct, direct_visible = frame.look_up(mesh.world, normals)
    mirrored, mirrored_visible = frame.look_up_mirrored(mesh.deformed, canonical_normals)
    found = torch.where(direct_visible > KNOWN, direct, mirrored)
    known = ((direct_visible > KNOWN) | (mirrored_visible > KNOWN))[:, 0]
    colours = fill_colours(mesh.world, found, known, hair)
    return _Surface(mesh.world, normals, mesh.deformed, canonical_normals, colours, mesh.faces)


def _view(frame: _NeutralFrame, surface: _Surface, camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """Image (H, W, 3) over white, alpha (H, W, 1) and trust (H, W, 1) from a camera."""
    s = surface
    values = [s.world, s.world_normals, s.canonical, s.canonical_normals, s.colours]
    out = render_mesh(s.world, s.faces, torch.cat(values, 1), camera)
    hit = out.face_id >= 0
    pixels = (out.image / out.mask.clamp_min(1e-6))[hit]
    points, normals, canonical, canonical_normals, filled = pixels.split(3, 1)
    normals = torch.nn.functional.normalize(normals, dim=1)
    canonical_normals = torch.nn.functional.normalize(canonical_normals, dim=1)
    direct, direct_weight = frame.look_up(points, normals)
    mirrored, mirrored_weight = frame.look_up_mirrored(canonical, canonical_normals)
    mirrored_weight = mirrored_weight * (1 - direct_weight)
    rest = 1 - direct_weight - mirrored_weight
    colour = torch.ones(*hit.shape, 3)
    mixed = direct_weight * direct + mirrored_weight * mirrored + rest * filled
    colour[hit] = mixed.clamp(0, 1)
    trust = torch.full((*hit.shape, 1), TRUST_BACKGROUND)
    trust[hit] = direct_weight + TRUST_MIRRORED * mirrored_weight + TRUST_FILLED * rest
    return (colour * out.mask + 1 - out.mask).clamp(0, 1), out.mask, trust


def mirror_to_world(points: Tensor, normals: Tensor, frame: FramePose) -> tuple[Tensor, Tensor]:
    """World points and normals of the mirror images of canonical ones, (N, 3) each."""
    flip = torch.tensor([-1.0, 1.0, 1.0])
    at = to_world(points * flip, frame)
    tip = to_world(points * flip + NUDGE * normals * flip, frame)
    return at, torch.nn.functional.normalize(tip - at, dim=1)


def in_hair(capture: Capture, points: Tensor) -> Tensor:
    """Which canonical points (V, 3) lie where the fitted head grows hair (V,) bool."""
    model, verts = cast(BuiltinHead, face_models.builtin()), capture.hull_verts()
    outer = outermost(model, verts, vertex_normals(verts, model.faces))
    hair = model.part("hair")[outer]
    return hair[nearest(points, verts[outer])[1][:, 0]]


def fill_colours(points: Tensor, colours: Tensor, known: Tensor, label: Tensor) -> Tensor:
    """Colours (V, 3) at all points (V, 3).

    Unknown ones take the nearest known ones' of their label, then are smoothed.

    known (V,) bool; label (V,) bool: hair takes its colour from hair, skin from skin.
    """
    out = colours.clone()
    for kind in (label, ~label):
        unknown, source = ~known & kind, known & kind
        if not source.any():
            source = known
        count = min(NEIGHBOURS, int(source.sum()))
        distance, index = nearest(points[unknown], points[source], k=count)
        weight = 1 / (distance + 0.05)
        total = weight.sum(1, keepdim=True)
        out[unknown] = (colours[source][index] * weight[..., None]).sum(1) / total
    _, around = nearest(points, points, k=SMOOTHING_NEIGHBOURS)
    for _ in range(SMOOTHING_ROUNDS):
        out[~known] = out[around[~known]].mean(1)
    return out
