"""A head whose shape changes: points and landmarks move as the fitted face's vertices do."""

import copy
from dataclasses import replace

import torch
from torch import Tensor

from stkit import face_models
from stkit.capture.capture import Capture
from stkit.face_models.landmarks import KEPT_66
from stkit.face_models.makehuman import makehuman
from stkit.face_models.makehuman.shape_change import ShapeChange, displacement, nose_vertices
from stkit.geometry import (
    axis_angle_to_quat,
    nearest,
    quat_multiply,
    quat_to_rotation,
    so3_exp,
    so3_log,
)
from stkit.heads.gaussian import GaussianHead

THICK_HAIR = 0.1  # decimetres over the skin
NEIGHBOURS = 4
CLOSE = 0.03  # decimetres: within this, all neighbours count nearly alike
STRETCH_NEIGHBOURS = 16
STIFFNESS = 0.02  # decimetres: between neighbours nearer than this, nothing is stretched
STRETCHES = (0.3, 3.0)  # least and most
LOWER_LIDS, UPPER_LIP = [40, 41, 46, 47], [50, 51, 52]  # of the 66 landmarks
LID = 0.06  # decimetres from lids and lips: what is shaded as they are
CREASE = (0.04, 0.12)  # decimetres around a nose that are shaded by it, wholly and a little
RING = (0.02, 0.2)  # decimetres from a region: what surrounds it


class Carrier:
    """Points (N, 3) of a head, in canonical space, that move as the fitted face's vertices do."""

    def __init__(self, points: Tensor, capture: Capture):
        distance, self.rows = nearest(points, capture.hull_verts(), k=NEIGHBOURS)
        share = 1 / (distance + CLOSE)
        self.shares = (share / share.sum(1, keepdim=True))[..., None]

    def carried(self, moved: Tensor) -> Tensor:
        """How far the points move (N, 3) where the vertices move by `moved` (V, 3)."""
        return (self.shares * moved[self.rows]).sum(1)


def hull_displacement(change: ShapeChange, capture: Capture) -> Tensor:
    """How far a change moves the built-in head's vertices (V, 3), its hair's too, as fitted.

    Hair moves with the skin beneath it, but thick hair does not follow ears.
    """
    parent = face_models.builtin().shell_parent
    verts, shell = capture.hull_verts().split([len(makehuman().mean), len(parent)])
    moved = displacement(change, verts)
    calm = {name: x for name, x in change.targets.items() if not name.startswith("ear-")}
    without_ears = displacement(replace(change, targets=calm), verts)
    thick = (shell - verts[parent]).norm(dim=1, keepdim=True) > THICK_HAIR
    return torch.cat([moved, torch.where(thick, without_ears[parent], moved[parent])])


def reshaped(
    head: GaussianHead, capture: Capture, change: ShapeChange
) -> tuple[GaussianHead, Capture]:
    """A head and its capture with another shape; what they were stays as it is. Both may have
    been reshaped before.

    Every Gaussian moves as the nearest vertices of the fitted face do, and is turned and stretched
    as the surface is there. The deformation is still evaluated at the old place, so the expression
    moves each point as before. The capture's landmarks and hull move along: the weights of Eq. 8
    follow them.
    """
    moved = hull_displacement(change, capture)
    head = copy.deepcopy(head)
    device, at = head.xyz.device, head.places.cpu()
    maps = local_maps(at, capture.hull_verts(), moved).to(device)
    landmarks = moved[face_models.builtin().landmarks[KEPT_66]]
    _carry(head, Carrier(at, capture).carried(moved).to(device), maps, landmarks.to(device))
    turn_and_stretch(head, maps)
    if change.no_nose:
        fill_in(head, change.no_nose * near_nose(at, capture).to(device))
    return head, _reshaped_capture(capture, landmarks, moved)


def _carry(head: GaussianHead, moved: Tensor, maps: Tensor, landmarks: Tensor) -> None:
    """Add a change to those that the head has had."""
    if len(head.moved):
        moved, maps = head.moved + moved, maps @ head.maps
        landmarks = head.moved_landmarks + landmarks
    head.moved, head.maps, head.moved_landmarks = moved, maps, landmarks


def _reshaped_capture(capture: Capture, landmarks: Tensor, moved: Tensor) -> Capture:
    rotation = capture.scale * so3_exp(capture.pose[:, :3])
    there = landmarks.to(capture.device) @ rotation.transpose(1, 2)
    hull = capture.hull_verts() + moved
    return replace(capture, landmarks3d=capture.landmarks3d + there, hull=hull.to(capture.device))


def local_maps(points: Tensor, verts: Tensor, moved: Tensor) -> Tensor:
    """The linear maps (N, 3, 3) that take the vertices (V, 3) around each point (N, 3) to where
    they move by `moved` (V, 3): least squares, held towards the identity.
    """
    rows = nearest(points, verts, k=STRETCH_NEIGHBOURS)[1]
    before, after = verts[rows], (verts + moved)[rows]
    before, after = before - before.mean(1, keepdim=True), after - after.mean(1, keepdim=True)
    hold = STIFFNESS**2 * STRETCH_NEIGHBOURS * torch.eye(3)
    left = torch.einsum("nka,nkb->nab", after, before) + hold
    return left @ torch.linalg.inv(torch.einsum("nka,nkb->nab", before, before) + hold)


@torch.no_grad()
def turn_and_stretch(head: GaussianHead, maps: Tensor) -> None:
    """Turn each Gaussian by the rotation in its map (N, 3, 3), and stretch its axes by what the map
    does to them.
    """
    axes = quat_to_rotation(head.quats)
    head.log_scales.add_((maps @ axes).norm(dim=1).clamp(*STRETCHES).log())
    u, _, v = torch.linalg.svd(maps)
    sign = torch.linalg.det(u @ v).sign()
    u = torch.cat([u[..., :2], u[..., 2:] * sign[:, None, None]], -1)
    head.quats.copy_(quat_multiply(axis_angle_to_quat(so3_log(u @ v)), head.quats))


def near_nose(points: Tensor, capture: Capture) -> Tensor:
    """1 at points (N, 3) on the fitted nose, falling to 0 beyond its creases (N,)."""
    distance = nearest(points, capture.hull_verts()[nose_vertices()])[0][:, 0]
    return 1 - ((distance - CREASE[0]) / (CREASE[1] - CREASE[0])).clamp(0, 1)


@torch.no_grad()
def fill_in(head: GaussianHead, share: Tensor) -> None:
    """Give Gaussians the look of the cheeks beside them, by the share (N,) from 0 to 1: where a
    nose was, its shadow and its nostrils go too.

    Cheeks are what surrounds the region below the eyes and above the lips; the nearer, the more
    they count.
    """
    inside = torch.nonzero(share > 0)[:, 0]
    at, outside = head.places.cpu(), torch.nonzero(share == 0)[:, 0].cpu()
    distance = nearest(at[outside], at[inside.cpu()])[0][:, 0]
    height, (below, above) = at[outside, 1], _cheek_heights(head)
    near = (distance > RING[0]) & (distance < RING[1])
    ring = outside[near & (height < below) & (height > above)]
    weight = 1 / (torch.cdist(at[inside.cpu()], at[ring]).square() + CLOSE**2)
    weight = (weight / weight.sum(1, keepdim=True)).to(share.device)
    part = share[inside][:, None]
    look = weight @ head.feature[ring.to(share.device)]
    head.feature[inside] = (1 - part) * head.feature[inside] + part * look


def _cheek_heights(head: GaussianHead) -> tuple[float, float]:
    """Heights (decimetres) of the lower lids and of the upper lip, which cheeks lie between."""
    landmarks = head.landmarks[:, 1]
    return float(landmarks[LOWER_LIDS].min()) - LID, float(landmarks[UPPER_LIP].max()) + LID
