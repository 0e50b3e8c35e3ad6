"""Viewers in a notebook (anywidget): the picture without a kernel is a PNG poster, so no widget state needs to be kept."""

import base64
from pathlib import Path

import anywidget
import numpy as np
import torch
import traitlets
from torch import Tensor

from stkit.cameras import Camera, orbit_camera
from stkit.capture.capture import Capture
from stkit.editing.weights import landmark_set
from stkit.geometry import nearest, vertex_normals
from stkit.heads.gaussian import GaussianHead
from stkit.heads.mesh import MeshHead
from stkit.io.images import jpeg, png, sheet, u8
from stkit.render import render_mesh
from stkit.render.gaussians import Gaussians
from stkit.space import to_world
from stkit.viewers.pack import (
    Packet,
    browser_gaussians,
    camera_from,
    camera_header,
    pack_gaussians,
    pack_head,
    square,
)

SCRIPT = Path(__file__).parent / "static" / "viewer.js"


class Viewer(anywidget.AnyWidget):
    """What all viewers share: packed data, the synced camera and control values, the poster.

    `state` holds frame, playing, wipe, overlay ('none' or 'weights'), alpha, b, boundary, sliders and pose (yaw, pitch, roll in
    degrees); set it from Python with `set(frame=3, alpha=8)`.
    """

    _esm = SCRIPT
    header = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    camera = traitlets.Dict().tag(sync=True)

    def __init__(self, packet: Packet, **state):
        self.packet = packet
        data = packet.bytes()
        super().__init__(
            header=packet.header, data=data, state=state, camera=packet.header.get("camera") or {}
        )

    def set(self, **values) -> None:
        """Change control values, as a person at the controls would."""
        self.state = {**self.state, **values}

    def view(self, size: int | None = None) -> Camera:
        """The camera as it was last turned in the browser, optionally for another picture size."""
        camera = camera_from(self.camera)
        return camera.resized(size) if size else camera

    def poster(self) -> np.ndarray:
        """The picture (H, W, 3) uint8 for readers without a kernel, made by the Python renderer."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        if data is None:
            return data
        return {**data, "image/png": base64.b64encode(png(self.poster())).decode()}, {
            **metadata,
            "image/png": {"alt": self.packet.header["alt"]},
        }


class SplatViewer(Viewer):
    """Gaussians to turn, play and weigh. Give a head and its capture (and an edited twin), or Gaussians as `rasterize` takes them.

    SplatViewer(head, capture, edited=None, motion=None, frames=50) or SplatViewer(gaussians, camera=camera, distance=None, edited=None).
    Sliders and playback run in the browser on a linear basis (see `pack.pack_head`), which `render` draws in Python.
    """

    def __init__(
        self,
        what: GaussianHead | Gaussians,
        capture: Capture | None = None,
        edited=None,
        camera: Camera | None = None,
        distance: Tensor | None = None,
        alt: str = "",
        caption: str = "",
        state: dict | None = None,
        **options,
    ):
        alt = alt or "A head of 3D Gaussians that can be turned."
        if isinstance(what, GaussianHead):
            if capture is None:
                raise ValueError(
                    "SplatViewer(head, capture): a head needs the capture that says how it stands and moves"
                )
            packet = pack_head(what, capture, edited, alt=alt, caption=caption, **options)
        else:
            if camera is None:
                raise ValueError(
                    "SplatViewer(gaussians, camera=...): still Gaussians need a camera to start from"
                )
            packet = pack_gaussians(what, camera, distance, edited, alt)
        super().__init__(packet, **(state or {}))

    def render(self, size: int | None = None, look: int = 0) -> Tensor:
        """This view (H, W, 3) by the Python renderer, from the Gaussians the browser has: current frame, sliders and head pose."""
        s = self.state
        with torch.no_grad():
            g = browser_gaussians(
                self.packet, int(s.get("frame", 0)), look, s.get("sliders"), s.get("pose")
            )
            return g.render(self.view(size))[0].clamp(0, 1)

    def poster(self) -> np.ndarray:
        """The first frame; with two looks, the left half of one and the right half of the other."""
        looks = len(self.packet.header["looks"])
        first = self.render(look=0)
        last = self.render(look=1) if looks > 1 else first
        cut = round(self.state.get("wipe", 0.5) * first.shape[1]) if looks > 1 else 0
        return u8(torch.cat([first[:, :cut], last[:, cut:]], 1))


class MeshViewer(Viewer):
    """A triangle mesh with colours, normals, weight map and landmarks (hover names them).

    verts (V, 3) and landmarks (K, 3) in the camera's world, decimetres; distance (V,) to the nearest landmark (for w), canonical dm.
    `unlit` marks vertices shown without shading, such as those of a slice through the SDF.
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
        **state,
    ):
        grey = torch.full_like(verts, 0.75) if colours is None else colours
        marks = torch.zeros(0, 3) if landmarks is None else landmarks
        lit = torch.ones(len(verts)) if unlit is None else 1.0 - unlit.float()
        colour = torch.cat([grey.clamp(0, 1), lit[:, None]], 1)
        self.mesh = (verts, faces, grey, lit, camera)
        square(camera)
        header = {
            "kind": "mesh",
            "camera": camera_header(camera),
            "pivot": (verts.mean(0) if pivot is None else pivot).tolist(),
            "alt": alt,
            "caption": caption,
            "weights": distance is not None,
            "names": names or [str(k) for k in range(len(marks))],
        }
        arrays = {
            "verts": verts.numpy().astype(np.float32),
            "faces": faces.numpy().astype(np.uint32),
            "colours": (255 * colour).round().numpy().astype(np.uint8),
            "landmarks": marks.numpy().astype(np.float32),
            "distance": (torch.zeros(len(verts)) if distance is None else distance)
            .numpy()
            .astype(np.float32),
        }
        super().__init__(Packet(header, arrays), **state)

    def poster(self) -> np.ndarray:
        """The mesh in its colours, lit from the camera as in the browser."""
        verts, faces, colours, lit, _ = self.mesh
        camera = self.view()
        facing = (vertex_normals(verts, faces) @ camera.viewmat[:3, :3].T)[:, 2:].abs()
        shade = torch.where(lit[:, None] > 0.5, 0.35 + 0.65 * facing, torch.ones_like(facing))
        return u8(
            render_mesh(verts, faces, colours * shade, camera, background=1.0).image.clamp(0, 1)
        )


def mesh_viewer(head: MeshHead, capture: Capture, slice_sdf: bool = False, **state) -> MeshViewer:
    """The mesh head at the capture's neutral frame, with its colours, w and the 66 landmarks.

    With `slice_sdf` the subject's left half is cut away and the signed distance field shows on the cut (see `sdf_slice`).
    """
    from stkit.face_models.landmarks import KEPT_66, region_name

    m = capture.neutral
    with torch.no_grad():
        frame = capture.frame_pose(m)
        mesh = head.posed(frame)
        colours = head.color(mesh.features, mesh.share, frame.beta, frame.pose)
        verts, moved, faces = mesh.neutral, mesh.deformed, mesh.faces
        marks = landmark_set(capture)
    camera, unlit, alt = capture.camera, None, "The mesh head with 66 landmarks; it can be turned."
    if slice_sdf:
        plane, plane_faces, plane_colours = sdf_slice(head)
        faces = torch.cat([faces[verts[faces][:, :, 0].mean(1) < 0], plane_faces + len(verts)])
        unlit = torch.cat([torch.zeros(len(verts)), torch.ones(len(plane))])
        verts, moved, colours = (
            torch.cat([verts, plane]),
            torch.cat([moved, plane]),
            torch.cat([colours, plane_colours]),
        )
        camera = orbit_camera(camera, 50.0, 10.0, capture.head_centre(m))
        alt = "Half of the mesh head, cut from crown to chest; on the cut the signed distance, blue inside and orange outside; it can be turned."
    return MeshViewer(
        to_world(moved, frame),
        faces,
        camera,
        colours,
        nearest(verts, marks)[0][:, 0],
        to_world(marks, frame),
        [region_name(k) for k in KEPT_66],
        unlit,
        pivot=capture.head_centre(m),
        alt=alt,
        **state,
    )


@torch.no_grad()
def sdf_slice(
    head: MeshHead, points: int = 200, reach: float = 0.4
) -> tuple[Tensor, Tensor, Tensor]:
    """The plane x = 0 of the head's box: vertices (P, 3), faces, colours (P, 3): blue inside, orange outside, a dark line at 0.

    Colour reaches its end at `reach` decimetres from the surface; thin lines stand 0.1 dm apart.
    """
    low, high = head.low, head.high
    y, z = (torch.linspace(float(low[k]), float(high[k]), points) for k in (1, 2))
    Y, Z = torch.meshgrid(y, z, indexing="ij")
    plane = torch.stack([torch.zeros_like(Y), Y, Z], -1).reshape(-1, 3)
    sdf = head.sdf_at(plane)
    t = (sdf / reach).clamp(-1, 1)[:, None]
    ends = torch.where(t < 0, torch.tensor([0.0, 0.27, 0.70]), torch.tensor([0.84, 0.37, 0.0]))
    colours = 1 - t.abs() * (1 - ends)
    step = float((high - low)[1:].max()) / points
    steep = (
        torch.stack(torch.gradient(sdf.reshape(points, points), spacing=(y, z)))
        .norm(dim=0)
        .reshape(-1)
        .clamp_min(0.3)
    )
    tenth = (sdf / 0.1 - (sdf / 0.1).round()).abs() * 0.1
    colours = torch.where((tenth < 0.4 * step * steep)[:, None], 0.8 * colours, colours)
    colours = torch.where(
        (sdf.abs() < 0.9 * step * steep)[:, None], torch.full_like(colours, 0.1), colours
    )
    k = torch.arange(points * points).reshape(points, points)
    a, b, c, d = (
        k[:-1, :-1].reshape(-1),
        k[:-1, 1:].reshape(-1),
        k[1:, :-1].reshape(-1),
        k[1:, 1:].reshape(-1),
    )
    return plane, torch.cat([torch.stack([a, b, c], 1), torch.stack([b, d, c], 1)]), colours


class Compare(Viewer):
    """Before and after with a wipe; lists of pictures (H, W, 3), float in [0, 1] or uint8, add a frame scrubber; `fps` a Play button.

    `beside` names further lists of as many pictures, shown at the left and in step: a driver, its tracked mesh. Pictures that
    play are kept as JPEG, single ones as PNG. ValueError where numbers of pictures do not fit together or `alt` is empty.
    """

    def __init__(
        self,
        before,
        after,
        labels: tuple[str, str] = ("before", "after"),
        frames: list[int] | None = None,
        alt: str = "",
        caption: str = "",
        width: int = 420,
        beside: dict[str, list] | None = None,
        fps: float | None = None,
    ):
        listed = isinstance(before, (list, tuple)) or getattr(before, "ndim", 3) == 4
        rows = {f"beside{k}_": list(v) for k, v in enumerate((beside or {}).values())}
        rows |= {
            "before": list(before) if listed else [before],
            "after": list(after) if listed else [after],
        }
        count = len(rows["before"])
        if not alt.strip():
            raise ValueError("Compare: say in alt what the two pictures show")
        if (
            not count
            or {len(v) for v in rows.values()} != {count}
            or (frames and len(frames) != count)
        ):
            numbers = ", ".join(str(len(v)) for v in rows.values())
            raise ValueError(
                f"Compare: {numbers} pictures and {len(frames or [])} frame numbers do not fit together"
            )
        self.first = sheet([[v[0] for v in rows.values()]], height=u8(rows["before"][0]).shape[0])
        encode = png if fps is None else jpeg
        header = {
            "kind": "compare",
            "looks": list(labels),
            "beside": list(beside or {}),
            "alt": alt,
            "caption": caption,
            "width": width,
            "fps": fps,
            "frames": frames or list(range(count)),
            "type": "image/png" if fps is None else "image/jpeg",
        }
        super().__init__(
            Packet(
                header,
                {
                    f"{name}{k}": np.frombuffer(encode(x), np.uint8)
                    for name, row in rows.items()
                    for k, x in enumerate(row)
                },
            )
        )

    def poster(self) -> np.ndarray:
        """The first frame's pictures, side by side."""
        return self.first
