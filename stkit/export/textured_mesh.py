"""A mesh head as other programs want it: flat texture coordinates, one picture of its colours, and
one shape for each of ARKit's actions.

xatlas cuts the surface and lays it flat. A texel takes its colour from renderings of the Gaussian
head, which is sharper than the mesh's own colours, from cameras that see its place on the surface;
places that none sees keep the mesh's own.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import xatlas
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from stkit.cameras import Camera, orbit_camera
from stkit.capture import Capture
from stkit.driving.arkit import arkit_names
from stkit.errors import RequestError
from stkit.export.rig import with_actions
from stkit.geometry import vertex_normals
from stkit.heads.gaussian import GaussianHead
from stkit.heads.mesh import MeshHead
from stkit.render import MeshImage, render_mesh
from stkit.space import FramePose, to_world

TEXTURE = 1024  # pixels
YAWS = (-75, -40, 0, 40, 75)  # degrees, of the cameras that give colours
RENDERED = 1024  # pixels of their pictures
HIDDEN = 0.04  # decimetres behind the surface in a picture from which on a place is not seen
SOLID = 0.97  # alpha from which on a picture's colour is the head's
OWN = 1e-3  # weight of the mesh's own colours
SHARPNESS = 4.0  # how strongly the camera that sees a place best outweighs the others


@dataclass(frozen=True)
class TexturedMesh:
    """Vertices (V, 3) of the neutral face in canonical decimetres, faces (F, 3), uv (V, 2) with v
    upwards, texture (H, W, 3) in [0, 1], and what each action adds to the vertices (K, V, 3).
    """

    verts: Tensor
    faces: Tensor
    uv: Tensor
    texture: Tensor
    names: tuple[str, ...]
    actions: Tensor


@torch.no_grad()
def textured_mesh(
    mesh: MeshHead, head: GaussianHead, capture: Capture, size: int = TEXTURE
) -> TexturedMesh:
    """The mesh of the neutral frame with the colours of a Gaussian head, edited or not.

    Raises RequestError where its expressions are not ARKit's.
    """
    if capture.seat is not None:
        raise RequestError("a mesh with ARKit's actions needs the built-in face model's tracking")
    neutral = replace(capture.frame_pose(capture.neutral), lattice=None)
    verts, faces, features = mesh.extract()
    share = mesh.share(verts)

    def shift(beta: Tensor) -> Tensor:
        return mesh.deformation(verts, share, beta, neutral.pose)

    names, at_rest = arkit_names(), shift(neutral.beta)
    moves = torch.stack(
        [shift(with_actions(neutral.beta, one)) - at_rest for one in torch.eye(len(names))]
    )
    origin, cut_faces, uv = xatlas.parametrize(verts.numpy(), faces.numpy().astype(np.uint32))
    rows = torch.from_numpy(origin.astype(np.int64))
    flat = _Flat(torch.from_numpy(uv), torch.from_numpy(cut_faces.astype(np.int64)), size)
    world = to_world(verts + at_rest, neutral)
    own = mesh.color(features, share, neutral.beta, neutral.pose)
    places, normals, colors = flat.texels(
        world[rows], vertex_normals(world, faces)[rows], own[rows]
    )
    weight = torch.full((len(places), 1), OWN)
    total = weight * colors
    for camera in _cameras(capture):
        seen = _Seen.of(world, faces, head, neutral, camera)
        share_of_camera, found = seen.at(places, normals)
        weight, total = weight + share_of_camera, total + share_of_camera * found
    upwards = torch.stack([flat.uv[:, 0], 1 - flat.uv[:, 1]], 1)
    placed = (verts + at_rest)[rows]
    texture = flat.picture(total / weight)
    return TexturedMesh(placed, flat.faces, upwards, texture, names, moves[:, rows])


def _cameras(capture: Capture) -> list[Camera]:
    """Cameras around the neutral frame, in the pictures' full sharpness."""
    camera, centre = capture.camera.resized(RENDERED), capture.head_centre(capture.neutral)
    return [orbit_camera(camera, yaw, 0.0, centre) for yaw in YAWS]


@dataclass(frozen=True)
class _Seen:
    """What a camera sees of the head: colours (H, W, 3), how solid it is (H, W, 1), and the mesh's
    depth (H, W).
    """

    camera: Camera
    image: Tensor
    alpha: Tensor
    depth: Tensor

    @staticmethod
    def of(
        world: Tensor, faces: Tensor, head: GaussianHead, frame: FramePose, camera: Camera
    ) -> "_Seen":
        image, alpha = head.render(camera, frame)
        depth = render_mesh(world, faces, world, camera, antialias=False).depth
        return _Seen(camera, image.clamp(0, 1), alpha, depth)

    def at(self, places: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
        """How well the camera sees places (P, 3) with normals (P, 3): weights (P, 1); and their
        colours (P, 3).
        """
        pixels = self.camera.project(places)
        size = torch.tensor([self.camera.width, self.camera.height])
        where = (2 * pixels / size - 1)[None, None]
        maps = [self.image, self.alpha, self.depth[..., None]]
        stacked = torch.cat(maps, 2).permute(2, 0, 1)[None]
        found = grid_sample(stacked, where, align_corners=False)[0, :, 0].T
        towards = normalize(self.camera.centre() - places, dim=1)
        facing = (normals * towards).sum(1, keepdim=True).clamp_min(0)
        depth = self.camera.to_camera(places)[:, 2:]
        solid = found[:, 3:4] > SOLID  # elsewhere the white behind shines through
        seen = ((depth - found[:, 4:]).abs() < HIDDEN) & solid
        return facing**SHARPNESS * seen, found[:, :3]


@dataclass(frozen=True)
class _Flat:
    """A surface laid flat: uv (V, 2) in [0, 1], v downwards as pictures have it; faces (F, 3); a
    picture of it is `size` pixels wide.
    """

    uv: Tensor
    faces: Tensor
    size: int

    def texels(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Values (V, 3) of vertices at the P texels that show the surface, (P, 3) each."""
        drawn = self._drawn(torch.cat(values, 1))
        return drawn.image[drawn.face_id >= 0].split(3, 1)

    def picture(self, colors: Tensor) -> Tensor:
        """Colours (P, 3) of the texels as a picture (size, size, 3). Beyond the cuts colours go on,
        so that no seam shows the background.
        """
        covered = self._drawn(torch.zeros(len(self.uv), 1)).face_id >= 0
        texture = torch.zeros(self.size, self.size, 3)
        texture[covered] = colors
        nearest = distance_transform_edt(
            ~covered.numpy(), return_distances=False, return_indices=True
        )
        row, column = torch.from_numpy(nearest.astype(np.int64))
        return texture[row, column]

    def _drawn(self, values: Tensor) -> MeshImage:
        flat = torch.cat([self.uv, torch.ones(len(self.uv), 1)], 1)
        K = torch.diag(torch.tensor([self.size, self.size, 1.0]))
        camera = Camera(torch.eye(4), K, self.size, self.size)
        return render_mesh(flat, self.faces, values, camera, antialias=False)
