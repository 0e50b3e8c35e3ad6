"""Novel views of the neutral frame. V3D is the paper's provider; mesh-prior views are the kit's stand-in, same interface.

The six frontal cameras are V3D's frames {1, 2, 3, 15, 16, 17}: +-20, +-40, +-60 degrees (lineage.md 7, reading 18).
"""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from ..cameras import Camera, orbit_camera
from ..capture import Capture, head_centre, head_transform, to_world
from ..geometry import nearest, vertex_normals
from ..mesh_head import MeshHead
from ..render import render_mesh

FRONTAL = (20.0, 40.0, 60.0, -60.0, -40.0, -20.0)
ORBIT = tuple(20.0 * k for k in range(1, 18))
STAND_INS = ("mesh-prior", "tiny-orbit")


@dataclass(frozen=True)
class Views:
    """images (V, H, W, 3) over white, alphas (V, H, W, 1), trust (V, H, W, 1) in [0, 1], cameras, azimuths, and who made them."""

    images: Tensor
    alphas: Tensor
    trust: Tensor
    cameras: list[Camera]
    azimuths: tuple[float, ...]
    source: str

    def to(self, device: torch.device | str) -> "Views":
        """The views with their tensors on another device."""
        tensors = {n: getattr(self, n).to(device) for n in ("images", "alphas", "trust")}
        return replace(self, cameras=[c.to(device) for c in self.cameras], **tensors)


class ViewProvider(Protocol):
    """Makes views of a capture's neutral frame at the given azimuths (degrees; positive to the subject's left)."""

    def __call__(self, capture: Capture, head: MeshHead, azimuths: tuple[float, ...] = FRONTAL) -> Views: ...


def get_views(name: str = "mesh-prior") -> ViewProvider:
    """'mesh-prior' or 'tiny-orbit' (stand-ins), or V3D by the folder or id of a Stable Video Diffusion pipeline."""
    if name == "mesh-prior":
        return mesh_prior_views
    from .v3d import V3DViews

    if name == "tiny-orbit":
        import diffusers
        import transformers

        from .orbit import GUIDANCE, SIZE, WEIGHTS

        for library in (diffusers, transformers):
            library.utils.logging.disable_progress_bar()  # it loads in a second
        return V3DViews(
            str(WEIGHTS), size=SIZE, guidance=GUIDANCE, source=f"tiny orbit (stand-in for V3D: {SIZE} px, trained on made-up heads)"
        )
    return V3DViews(name)


def orbit_cameras(capture: Capture, azimuths: tuple[float, ...]) -> list[Camera]:
    """Cameras around the middle of the head at the neutral frame."""
    centre = head_centre(capture, capture.neutral)
    return [orbit_camera(capture.camera, a, target=centre) for a in azimuths]


@torch.no_grad()
def mesh_prior_views(capture: Capture, head: MeshHead, azimuths: tuple[float, ...] = FRONTAL, cameras: list[Camera] | None = None) -> Views:
    """The neutral frame's colours carried by the fitted mesh to other azimuths; a stand-in for V3D, with no network in it.

    `cameras`: one for each azimuth, instead of those that turn about the head.

    A pixel takes the neutral frame's colour where its surface point was visible there, else that of the mirrored point,
    else the colour spread over the mesh from its neighbours. `trust` falls in that order.
    """
    t = capture.neutral
    frame, camera = capture.image(t), capture.camera
    verts, faces, _ = head.extract()
    moved = verts + head.deformation(verts, head.share(verts), capture.beta[t], capture.pose[t])
    place = head_transform(capture, t)
    world = to_world(moved, **place)
    front = render_mesh(world, faces, world, camera, antialias=False)
    inner = -torch.nn.functional.max_pool2d(-capture.matte(t).permute(2, 0, 1), 5, 1, 2).permute(1, 2, 0)

    def look_up(points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
        """Colour (N, 3) and visibility (N, 1) of world points in the neutral frame."""
        uv, depth = camera.project(points), camera.to_camera(points)[:, 2]
        grid = (uv / camera.width * 2 - 1)[None, None]
        sample = lambda x, mode: torch.nn.functional.grid_sample(x.permute(2, 0, 1)[None], grid, mode=mode, align_corners=False)[0, :, 0].T
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
    cameras = cameras or orbit_cameras(capture, azimuths)
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
    return Views(torch.stack(images), torch.stack(alphas), torch.stack(trusts), cameras, tuple(azimuths), "mesh-prior")


def world_mirror(place: dict[str, Tensor]):
    """A function taking canonical points and normals to the world place of their mirror image."""

    def mirror(points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
        flip = torch.tensor([-1.0, 1.0, 1.0])
        at = to_world(points * flip, **place)
        tip = to_world(points * flip + 0.01 * normals * flip, **place)
        return at, torch.nn.functional.normalize(tip - at, dim=1)

    return mirror


def hairy(capture: Capture, points: Tensor) -> Tensor:
    """Which canonical points (V, 3) lie where the fitted head grows hair (V,) bool."""
    from .. import face_models

    model = face_models.get("builtin")
    verts = capture.hull_verts()
    outer = model.part("skin", "hair", "ear_l", "ear_r")
    label = torch.from_numpy(model.surface.hair > 0.3)[outer]
    return label[nearest(points, verts[outer])[1][:, 0]]


def spread(points: Tensor, colours: Tensor, known: Tensor, label: Tensor, rounds: int = 30) -> Tensor:
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
