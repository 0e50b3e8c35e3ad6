"""One frame of a made-up person: the surfaces shaded pixel by pixel, strands drawn over them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d, normalize

from stkit.cameras import Camera
from stkit.geometry import vertex_normals
from stkit.render import MeshImage, render_mesh
from stkit.space import HEAD_CENTRE, FramePose, to_world
from stkit.synthetic import eyes, light
from stkit.synthetic.body import CLOTH, Body
from stkit.synthetic.colours import to_srgb
from stkit.synthetic.light import Lit
from stkit.synthetic.shadows import shadow_map
from stkit.synthetic.strands import Drawn, Lamp, draw_strands, hair_fog
from stkit.synthetic.surfaces import EYE_L, EYE_R, Pixels, shade

# parts of the face model
STRANDS = CLOTH + 1  # hair, brows, lashes, beard, and what is made of wire
FINER = 1.5  # surfaces are shaded in so many pixels for each of the picture's
FAR = 1000.0  # decimetres: the depth of empty pixels while drawing
OPAQUE = 0.99  # alpha of strands from which on nothing shines through


@dataclass(frozen=True)
class Picture:
    """A frame without a background: sRGB `image` (H, W, 3) that is already multiplied by the
    `matte` (H, W, 1); `depth` (H, W) in decimetres, 0 where there is nothing; the `part` (H, W) in
    each pixel: a number of the face model's parts, `CLOTH`, `STRANDS`, or -1 where there is none.
    """

    image: Tensor
    matte: Tensor
    depth: Tensor
    part: Tensor


def draw(body: Body, frame: FramePose, camera: Camera) -> Picture:
    """What a square camera sees of a person in a frame."""
    scene = _Scene.of(body, frame)
    fine = camera.resized(round(FINER * camera.width))  # surfaces, against aliasing
    out = render_mesh(scene.world, body.faces, scene.attributes(), fine, antialias=False)
    covered = out.face_id >= 0
    part = torch.where(covered, body.face_part[out.face_id.clamp_min(0)], -1)
    near = torch.where(covered, out.depth, FAR)
    depth = -adaptive_max_pool2d(-near[None, None], camera.width)[0, 0]
    hair = draw_strands(scene.strands, camera, depth, scene.lamp)
    bare = covered & (_resized(hair.alpha, fine.width)[..., 0] < OPAQUE)
    shaded = torch.zeros(*covered.shape, 3)
    shaded[bare] = shade(body, frame, _pixels(scene, out, part, bare, fine))
    surface = _resized(shaded, camera.width)
    mask = _resized(covered[..., None].float(), camera.width)
    linear = hair.image + (1 - hair.alpha) * surface
    matte = hair.alpha + (1 - hair.alpha) * mask
    shown = to_srgb(linear / matte.clamp_min(1e-4)) * matte
    covers = hair.alpha[..., 0] > 0.5
    depth = torch.where(covers, hair.depth, torch.where(depth < FAR, depth, 0))
    return Picture(shown, matte, depth, torch.where(covers, STRANDS, _nearest_part(part, camera)))


@dataclass(frozen=True)
class _Scene:
    """A person in one frame, in the world."""

    body: Body
    frame: FramePose
    world: Tensor
    normals: Tensor
    strands: list[Drawn]
    lamp: Lamp

    @staticmethod
    def of(body: Body, frame: FramePose) -> "_Scene":
        verts = body.canonical(frame.beta)
        canonical_normals = vertex_normals(verts, body.faces)
        world = to_world(verts, frame)
        strands = []
        for s in body.strands:
            points = body.strand_points(s, verts, canonical_normals)
            moved = to_world(points.reshape(-1, 3), frame).reshape(points.shape)
            strands.append(Drawn(moved, s.radius, s.colour, s.kind))
        towards = light.key_direction(body.person.environment)
        middle = to_world(torch.tensor([[0.0, -0.3, -0.3]]), frame)[0]
        shadow = shadow_map(towards, world, body.faces, middle)
        fog = hair_fog(strands, shadow.camera)
        normals = vertex_normals(world, body.faces)
        lamp = Lamp(body.person.environment, shadow, fog, to_world(HEAD_CENTRE, frame)[0])
        return _Scene(body, frame, world, normals, strands, lamp)

    def attributes(self) -> Tensor:
        """What is interpolated to pixels (V, 10): mean place, normal, world place, openness."""
        return torch.cat([self.body.mean, self.normals, self.world, self.body.openness[:, None]], 1)


def _pixels(scene: _Scene, out: MeshImage, part: Tensor, bare: Tensor, camera: Camera) -> Pixels:
    """What the surface is like in the chosen pixels bare (H, W)."""
    values = out.image[bare]
    mean, normal, world, openness = values.split([3, 3, 3, 1], 1)
    lit = scene.lamp.reaches(world)
    rim = torch.ones(bare.shape)
    for eye in (EYE_L, EYE_R):
        rim = rim * eyes.rim_shade(part == eye, camera)
    view = normalize(camera.centre() - world, dim=1)
    lamp = Lit(scene.lamp.env, view, openness, lit)
    return Pixels(mean, normalize(normal, dim=1), part[bare], rim[bare], lamp)


def _resized(picture: Tensor, size: int) -> Tensor:
    """A square picture (H, W, C) at another size, by the mean over areas."""
    return adaptive_avg_pool2d(picture.permute(2, 0, 1)[None], size)[0].permute(1, 2, 0)


def _nearest_part(part: Tensor, camera: Camera) -> Tensor:
    """The part in the middle of each pixel of the camera's."""
    at = ((torch.arange(camera.width) + 0.5) * part.shape[0] / camera.width).long()
    return part[at[:, None], at]
