"""Rotations, nearest neighbours and the deterministic random numbers every stage is handed.

Rotations act on column vectors. Quaternions are w, x, y, z. `pose` is (6,): axis-angle (radians),
then translation.
"""

import zlib
from typing import NamedTuple

import torch
from scipy.spatial import cKDTree
from torch import Tensor

SMALL_SQUARED_ANGLE = 1e-6  # radians^2: below, Rodrigues' factors come from their Taylor series
SMALL_ANGLE = 1e-6  # radians: below, sin x / x is taken as 1
LENGTH_MIN = 1e-12  # lengths and sines are divided by as if they were at least this
EXHAUSTIVE_TARGETS = 128  # up to this many targets, comparing all is faster than a tree


class Neighbours(NamedTuple):
    """`distances` (N, k), nearest first, and the targets' `indices` (N, k)."""

    distances: Tensor
    indices: Tensor


def so3_exp(omega: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of axis-angle vectors (..., 3), radians; smooth at 0.

    By Rodrigues' formula.
    """
    theta2 = (omega * omega).sum(-1)[..., None, None]
    small = theta2 < SMALL_SQUARED_ANGLE
    safe = torch.where(small, torch.ones_like(theta2), theta2)
    theta = safe.sqrt()
    a = torch.where(small, 1 - theta2 / 6, theta.sin() / theta)
    b = torch.where(small, 0.5 - theta2 / 24, (1 - theta.cos()) / safe)
    x, y, z = omega.unbind(-1)
    o = torch.zeros_like(x)
    k = torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*omega.shape[:-1], 3, 3)
    return torch.eye(3, dtype=omega.dtype, device=omega.device) + a * k + b * (k @ k)


def so3_log(rotation: Tensor) -> Tensor:
    """Axis-angle (..., 3) of rotation matrices (..., 3, 3), for angles below pi."""
    trace = rotation.diagonal(dim1=-2, dim2=-1).sum(-1)
    skew = torch.stack(
        [
            rotation[..., 2, 1] - rotation[..., 1, 2],
            rotation[..., 0, 2] - rotation[..., 2, 0],
            rotation[..., 1, 0] - rotation[..., 0, 1],
        ],
        -1,
    )
    sin = skew.norm(dim=-1) / 2
    angle = torch.atan2(sin, (trace - 1) / 2)
    ratio = angle / (2 * sin.clamp_min(LENGTH_MIN))
    factor = torch.where(sin > SMALL_ANGLE, ratio, torch.full_like(sin, 0.5))
    return skew * factor[..., None]


def euler_yxz(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """Axis-angle (..., 3) of the head turn Ry(yaw) Rx(pitch) Rz(roll), angles in radians.

    Positive yaw turns the nose towards the subject's left (+x), positive pitch lowers it.
    """
    zero = torch.zeros_like(yaw)
    ry = so3_exp(torch.stack([zero, yaw, zero], -1))
    rx = so3_exp(torch.stack([pitch, zero, zero], -1))
    rz = so3_exp(torch.stack([zero, zero, roll], -1))
    return so3_log(ry @ rx @ rz)


def yaw_pitch_roll(rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The angles (radians) that `euler_yxz` composes, from rotation matrices (..., 3, 3)."""
    yaw = torch.atan2(rotation[..., 0, 2], rotation[..., 2, 2])
    pitch = torch.asin((-rotation[..., 1, 2]).clamp(-1, 1))
    roll = torch.atan2(rotation[..., 1, 0], rotation[..., 1, 1])
    return yaw, pitch, roll


def quat_to_rotation(quats: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4), which are normalised first."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    ]
    return torch.stack(rows, -1).reshape(*quats.shape[:-1], 3, 3)


def quat_multiply(a: Tensor, b: Tensor) -> Tensor:
    """Hamilton product (..., 4): the rotation b followed by a."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


def quat_from_z(normals: Tensor) -> Tensor:
    """Quaternions (N, 4) that turn the z axis into the line of unit normals (N, 3).

    A normal and its opposite give the same quaternion, but for those with z = 0.
    """
    n = torch.where(normals[:, 2:] < 0, -normals, normals)
    half = torch.nn.functional.normalize(n + n.new_tensor([0.0, 0, 1]), dim=1)
    return torch.stack([half[:, 2], -half[:, 1], half[:, 0], torch.zeros_like(half[:, 0])], 1)


def axis_angle_to_quat(omega: Tensor) -> Tensor:
    """Quaternions (..., 4) of axis-angle vectors (..., 3)."""
    theta = omega.norm(dim=-1, keepdim=True)
    half = theta / 2
    ratio = half.sin() / theta.clamp_min(LENGTH_MIN)
    scale = torch.where(theta > SMALL_ANGLE, ratio, torch.full_like(theta, 0.5))
    return torch.cat([half.cos(), omega * scale], -1)


def umeyama(
    a: Tensor, b: Tensor, with_scale: bool = True, weights: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The similarity that brings points a (N, 3) closest to b (N, 3) in least squares.

    Returns R (3, 3), T (3,) and scale () with scale R a + T nearest to b; without `with_scale` the
    scale is 1. `weights` (N, 1) say how much each point counts. Source: Umeyama 1991.
    """
    if weights is None:
        mean_a = a.mean(0)
        mean_b = b.mean(0)
        moved_a, moved_b = a - mean_a, b - mean_b
        squares = moved_a.square()
    else:
        mean_a = (weights * a).sum(0) / weights.sum()
        mean_b = (weights * b).sum(0) / weights.sum()
        moved_a, moved_b = a - mean_a, weights * (b - mean_b)
        squares = weights * moved_a.square()
    U, S, Vt = torch.linalg.svd(moved_b.T @ moved_a)
    mirrored = torch.sign(torch.linalg.det(U @ Vt))  # -1 where the best map is a reflection
    signs = torch.stack([torch.ones_like(mirrored), torch.ones_like(mirrored), mirrored])
    R = (U * signs) @ Vt
    scale = (S * signs).sum() / squares.sum() if with_scale else torch.ones_like(mirrored)
    return R, mean_b - scale * mean_a @ R.T, scale


def nearest(points: Tensor, targets: Tensor, k: int = 1, tree: cKDTree | None = None) -> Neighbours:
    """The k targets (M, 3) nearest to each of the points (N, 3).

    Distances are Euclidean and carry no gradient. Small sets are compared exhaustively, large ones
    with a k-d tree: `tree`, where `search_tree(targets)` was kept.
    """
    if len(targets) <= EXHAUSTIVE_TARGETS:
        return _nearest_of_all(points.detach(), targets.detach(), k)
    found = (tree or search_tree(targets)).query(points.detach().cpu().numpy(), k=k)
    shape = (len(points), k)
    distance = torch.as_tensor(found[0], dtype=points.dtype).reshape(shape)
    index = torch.as_tensor(found[1]).reshape(shape)
    return Neighbours(distance.to(points.device), index.to(points.device))


def _nearest_of_all(points: Tensor, targets: Tensor, k: int) -> Neighbours:
    """`nearest` by comparing every point with every target."""
    # differences, not products: products lose the digits of small distances
    table = torch.cdist(points, targets, compute_mode="donot_use_mm_for_euclid_dist")
    if k == 1:
        return Neighbours(*table.min(1, keepdim=True))
    return Neighbours(*table.topk(k, largest=False))


def search_tree(targets: Tensor) -> cKDTree:
    """A k-d tree of targets (M, 3), to be kept where `nearest` is asked for the same ones often."""
    return cKDTree(targets.detach().cpu().numpy())


def generator(seed: int, *path: int | str) -> torch.Generator:
    """A CPU generator for one purpose.

    The same seed and path give the same numbers, other paths give independent ones.
    """
    mixed = zlib.crc32(repr((seed, *path)).encode())
    return torch.Generator().manual_seed(mixed)


def vertex_normals(verts: Tensor, faces: Tensor) -> Tensor:
    """Unit normals (V, 3) of a mesh's vertices (V, 3); differentiable.

    Each is the mean of the normals of its faces (F, 3), which count by their area.
    """
    a, b, c = verts[faces].unbind(1)
    weighted = torch.linalg.cross(b - a, c - a)  # twice the area long
    per_corner = weighted.repeat_interleave(3, 0)
    total = torch.zeros_like(verts).index_add(0, faces.reshape(-1), per_corner)
    return torch.nn.functional.normalize(total, dim=-1)


def random_on_faces(
    verts: Tensor, faces: Tensor, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Random points spread evenly over triangles (F, 3) of vertices (V, 3): of each one the
    vertices of its triangle (count, 3), and their weights (count, 3).
    """
    a, b, c = verts[faces].unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1).cpu()
    picks = torch.multinomial(area, count, replacement=True, generator=generator)
    weights = torch.rand(count, 3, generator=generator).to(verts.device).clamp_min(1e-6).log()
    return faces[picks.to(faces.device)], weights / weights.sum(1, keepdim=True)


def harmonics(directions: Tensor) -> Tensor:
    """Nine spherical harmonics (N, 9), unnormalised, of unit directions (N, 3)."""
    x, y, z = directions.unbind(-1)
    linear = [torch.ones_like(x), x, y, z]
    quadratic = [x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1]
    return torch.stack(linear + quadratic, -1)


def evenly_spread(count: int) -> Tensor:
    """Unit directions (N, 3) all around, evenly spread: a Fibonacci spiral."""
    k = torch.arange(count) + 0.5
    height = 1 - 2 * k / count
    turn = k * torch.pi * (3 - 5**0.5)
    ring = (1 - height.square()).sqrt()
    return torch.stack([ring * turn.cos(), height, ring * turn.sin()], 1)
