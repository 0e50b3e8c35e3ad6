"""The viewer of triangle meshes: colours, normals, weights and landmarks."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera, orbit_camera
from stkit.capture.capture import Capture
from stkit.editing.weights import landmark_set
from stkit.face_models.landmarks import KEPT_66, region_name
from stkit.geometry import nearest, vertex_normals
from stkit.heads.mesh import MeshHead
from stkit.io.images import u8
from stkit.render import render_mesh
from stkit.space import to_world
from stkit.viewers.packet import Packet, camera_header, require_square
from stkit.viewers.sdf_slice import sdf_slice
from stkit.viewers.viewer import Viewer

GREY = 0.75
AMBIENT, DIFFUSE = 0.35, 0.65  # as in src/mesh_shaders.js
SLICE_AZIMUTH, SLICE_ELEVATION = 50.0, 10.0  # degrees: the cut and the face are both seen
HEAD_ALT = "The mesh head with 66 landmarks; it can be turned."
SLICE_ALT = (
    "Half of the mesh head, cut from crown to chest; on the cut the signed distance, "
    "blue inside and orange outside; it can be turned."
)


class MeshViewer(Viewer):
    """A triangle mesh with colours, normals, weight map and landmarks (hover names them).

    verts (V, 3) and landmarks (K, 3) in the camera's world, decimetres; distance (V,) to the
    nearest landmark (for w), canonical dm. `unlit` (V,) marks vertices shown without shading, such
    as those of a slice through the SDF.
    """

    def __init__(
        self,
        verts: Tensor,
        faces: Tensor,
        camera: Camera,
        colours: Tensor | None = None,
        distance: Tensor | None = None,
        landmarks: Tensor | None = None,
        names: list[str] | None = None,
        unlit: Tensor | None = None,
        pivot: Tensor | None = None,
        alt: str = "A triangle mesh that can be turned.",
        caption: str = "",
        **state: Any,
    ):
        require_square(camera)
        self.verts = verts
        self.faces = faces
        self.colours = torch.full_like(verts, GREY) if colours is None else colours
        self.lit = torch.ones(len(verts)) if unlit is None else 1.0 - unlit.float()
        marks = torch.zeros(0, 3) if landmarks is None else landmarks
        header = {
            "kind": "mesh",
            "camera": camera_header(camera),
            "pivot": (verts.mean(0) if pivot is None else pivot).tolist(),
            "alt": alt,
            "caption": caption,
            "weights": distance is not None,
            "names": names or [str(k) for k in range(len(marks))],
        }
        rgb_lit = torch.cat([self.colours.clamp(0, 1), self.lit[:, None]], 1)
        distances = torch.zeros(len(verts)) if distance is None else distance
        arrays: dict[str, np.ndarray] = {
            "verts": verts.numpy().astype(np.float32),
            "faces": faces.numpy().astype(np.uint32),
            "colours": (255 * rgb_lit).round().numpy().astype(np.uint8),
            "landmarks": marks.numpy().astype(np.float32),
            "distance": distances.numpy().astype(np.float32),
        }
        super().__init__(Packet(header, arrays), **state)

    def poster(self) -> np.ndarray:
        """The mesh in its colours, lit from the camera as in the browser."""
        camera = self.view()
        facing = (vertex_normals(self.verts, self.faces) @ camera.viewmat[:3, :3].T)[:, 2:].abs()
        lit = AMBIENT + DIFFUSE * facing
        shade = torch.where(self.lit[:, None] > 0.5, lit, torch.ones_like(facing))
        shown = render_mesh(self.verts, self.faces, self.colours * shade, camera, background=1.0)
        return u8(shown.image.clamp(0, 1))


def mesh_viewer(
    head: MeshHead, capture: Capture, slice_sdf: bool = False, **state: Any
) -> MeshViewer:
    """The mesh head at the capture's neutral frame, with its colours, w and the 66 landmarks.

    With `slice_sdf` the subject's left half is cut away and the signed distance field shows on the
    cut (see `sdf_slice`).
    """
    m = capture.neutral
    with torch.no_grad():
        frame = capture.frame_pose(m)
        mesh = head.posed(frame)
        colours = head.color(mesh.features, mesh.share, frame.beta, frame.pose)
        marks = landmark_set(capture)
    verts, moved, faces = mesh.neutral, mesh.deformed, mesh.faces
    camera, unlit, alt = capture.camera, None, HEAD_ALT
    centre = capture.head_centre(m)
    if slice_sdf:
        plane, plane_faces, plane_colours = sdf_slice(head)
        right_half = verts[faces][:, :, 0].mean(1) < 0
        faces = torch.cat([faces[right_half], plane_faces + len(verts)])
        unlit = torch.cat([torch.zeros(len(verts)), torch.ones(len(plane))])
        verts = torch.cat([verts, plane])
        moved = torch.cat([moved, plane])
        colours = torch.cat([colours, plane_colours])
        camera = orbit_camera(camera, SLICE_AZIMUTH, SLICE_ELEVATION, centre)
        alt = SLICE_ALT
    return MeshViewer(
        to_world(moved, frame),
        faces,
        camera,
        colours,
        distance=nearest(verts, marks)[0][:, 0],
        landmarks=to_world(marks, frame),
        names=[region_name(k) for k in KEPT_66],
        unlit=unlit,
        pivot=centre,
        alt=alt,
        **state,
    )
