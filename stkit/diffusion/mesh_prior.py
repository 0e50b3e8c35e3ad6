"""Mesh-prior views: the neutral frame's colours on the fitted mesh, the kit's stand-in for V3D."""

import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.geometry import nearest, vertex_normals
from stkit.heads.mesh import MeshHead
from stkit.render import render_mesh
from stkit.space import to_world
from stkit.views import FRONTAL, Views


@torch.no_grad()
def mesh_prior_views(
    capture: Capture,
    head: MeshHead,
    azimuths: tuple[float, ...] = FRONTAL,
    cameras: list[Camera] | None = None,
) -> Views:
    """The neutral frame's colours carried by the fitted mesh to other azimuths; a stand-in for V3D, with no network in it.

    `cameras`: one for each azimuth, instead of those that turn about the head.

    A pixel takes the neutral frame's colour where its surface point was visible there, else that of the mirrored point,
    else the colour spread over the mesh from its neighbours. `trust` falls in that order.
    """
    t = capture.neutral
    frame, camera = capture.image(t), capture.camera
    place = capture.frame_pose(t)
    mesh = head.posed(place)
    verts, moved, world, faces = mesh.neutral, mesh.deformed, mesh.world, mesh.faces
    front = render_mesh(world, faces, world, camera, antialias=False)
    inner = -torch.nn.functional.max_pool2d(-capture.matte(t).permute(2, 0, 1), 5, 1, 2).permute(
        1, 2, 0
    )

    def look_up(points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
        """Colour (N, 3) and visibility (N, 1) of world points in the neutral frame."""
        uv, depth = camera.project(points), camera.to_camera(points)[:, 2]
        grid = (uv / camera.width * 2 - 1)[None, None]
        sample = lambda x, mode: (
            torch.nn.functional.grid_sample(
                x.permute(2, 0, 1)[None], grid, mode=mode, align_corners=False
            )[0, :, 0].T
        )
        seen = sample(front.depth[..., None], "nearest")[:, 0]
        facing = (normals * torch.nn.functional.normalize(camera.centre() - points, dim=1)).sum(1)
        visible = ((seen - depth).abs() < 0.06) & (seen > 0)
        weight = visible * ((facing - 0.25) / 0.35).clamp(0, 1) * sample(inner, "bilinear")[:, 0]
        return sample(frame, "bilinear"), weight[:, None]

    normals = vertex_normals(world, faces)
    twin = world_mirror(place)
    direct, w1 = look_up(world, normals)
    mirrored, w2 = look_up(*twin(moved, vertex_normals(moved, faces)))
    known = torch.where(w1 > 0.3, direct, mirrored)
    filled = spread(world, known, ((w1 > 0.3) | (w2 > 0.3))[:, 0], hairy(capture, verts))
    images, alphas, trusts = [], [], []
    cameras = cameras or capture.orbit_cameras(azimuths)
    for view in cameras:
        values = torch.cat([world, normals, moved, vertex_normals(moved, faces), filled], 1)
        out = render_mesh(world, faces, values, view)
        hit = out.face_id >= 0
        p, n, c, cn, fill = (out.image / out.mask.clamp_min(1e-6))[hit].split(3, 1)
        n = torch.nn.functional.normalize(n, dim=1)
        a, wa = look_up(p, n)
        b, wb = look_up(*twin(c, torch.nn.functional.normalize(cn, dim=1)))
        wb = wb * (1 - wa)
        rest = 1 - wa - wb
        colour, trust = torch.ones(*hit.shape, 3), torch.zeros(*hit.shape, 1)
        colour[hit] = (wa * a + wb * b + rest * fill).clamp(0, 1)
        trust[hit] = wa + 0.6 * wb + 0.4 * rest
        images.append((colour * out.mask + 1 - out.mask).clamp(0, 1))
        alphas.append(out.mask)
        trusts.append(torch.where(hit[..., None], trust, 0.5 * torch.ones_like(trust)))
    return Views(
        torch.stack(images),
        torch.stack(alphas),
        torch.stack(trusts),
        cameras,
        tuple(azimuths),
        "mesh-prior",
    )


def world_mirror(place: dict[str, Tensor]):
    """A function taking canonical points and normals to the world place of their mirror image."""

    def mirror(points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
        flip = torch.tensor([-1.0, 1.0, 1.0])
        at = to_world(points * flip, place)
        tip = to_world(points * flip + 0.01 * normals * flip, place)
        return at, torch.nn.functional.normalize(tip - at, dim=1)

    return mirror


def hairy(capture: Capture, points: Tensor) -> Tensor:
    """Which canonical points (V, 3) lie where the fitted head grows hair (V,) bool."""
    from stkit import face_models

    model = face_models.get("builtin")
    verts = capture.hull_verts()
    outer = model.part("skin", "hair", "ear_l", "ear_r")
    label = torch.from_numpy(model.surface.hair > 0.3)[outer]
    return label[nearest(points, verts[outer])[1][:, 0]]


def spread(
    points: Tensor, colours: Tensor, known: Tensor, label: Tensor, rounds: int = 30
) -> Tensor:
    """Colours (V, 3) everywhere: unknown points take the mean of the nearest known ones of their label, then are smoothed."""
    out = colours.clone()
    for kind in (label, ~label):
        ask, source = ~known & kind, known & kind
        if not source.any():
            source = known
        d, i = nearest(points[ask], points[source], k=min(12, int(source.sum())))
        w = 1 / (d + 0.05)
        out[ask] = (colours[source][i] * w[..., None]).sum(1) / w.sum(1, keepdim=True)
    _, around = nearest(points, points, k=9)
    for _ in range(rounds):
        out[~known] = out[around[~known]].mean(1)
    return out
