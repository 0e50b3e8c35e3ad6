"""Cameras as pyramids around the mesh head, to be turned (plotly). Static readers get a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.heads.mesh import MeshHead
from stkit.io.images import figure
from stkit.viewers.interactive import COLOURS, LAYOUT, show_interactive

MAX_POINTS = 1500  # of the head in the static picture, about


@dataclass(frozen=True)
class Pyramid:
    """A camera's centre, `apex` (3,), and the corners (4, 3) of its picture, in the world,
    decimetres.
    """

    name: str
    colour: str
    apex: np.ndarray
    corners: np.ndarray

    def path(self) -> np.ndarray:
        """All edges as one line (11, 3)."""
        a, b, c, d = self.corners
        top = self.apex
        return np.array([top, a, b, top, c, d, top, a, d, c, b])

    def edges(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The ends of each of the eight edges."""
        ends = []
        for k in range(4):
            ends.append((self.apex, self.corners[k]))
            ends.append((self.corners[k], self.corners[(k + 1) % 4]))
        return ends


def camera_chart(
    capture: Capture,
    mesh: MeshHead,
    cameras: Sequence[Camera],
    names: Sequence[str],
    length: float = 2.5,
) -> None:
    """The mesh head at the neutral frame with cameras as pyramids, to be turned. Axes in world
    decimetres, x to the subject's left.

    `names`: one for each of `cameras`; the video's own camera is added. `length` of a pyramid,
    decimetres.
    """
    with torch.no_grad():
        posed = mesh.posed(capture.frame_pose(capture.neutral))
    points, faces = posed.world.numpy(), posed.faces.numpy()
    pyramids = [pyramid(capture.camera, length, "video camera", COLOURS[1])]
    for camera, name in zip(cameras, names):
        pyramids.append(pyramid(camera, length, name, COLOURS[0]))
    alt = (
        f"The head in grey with the video's camera in orange and {len(cameras)} cameras of the "
        f"views in blue around it: {', '.join(names)}"
    )
    poster = figure(lambda fig: _draw(fig, points, pyramids), 6.4, 4.8)
    show_interactive(lambda: _chart(points, faces, pyramids), poster, alt)


def pyramid(camera: Camera, length: float, name: str, colour: str) -> Pyramid:
    """A camera as a pyramid whose picture stands `length` decimetres away."""
    width, height = camera.width, camera.height
    corners = torch.tensor([[0.0, 0], [width, 0], [width, height], [0, height]])
    rays = torch.cat([corners, torch.ones(4, 1)], 1) @ torch.linalg.inv(camera.K).T * length
    R, t = camera.viewmat[:3, :3], camera.viewmat[:3, 3]
    return Pyramid(name, colour, camera.centre().numpy(), ((rays - t) @ R).numpy())


# charts have z upwards and y into the picture: world (x, y, z) is shown at (x, -z, y)


def _chart(points: np.ndarray, faces: np.ndarray, pyramids: list[Pyramid]) -> Any:
    import plotly.graph_objects as go

    x, y, z = points.T
    i, j, k = faces.T
    head = go.Mesh3d(x=x, y=-z, z=y, i=i, j=j, k=k, color="#bbbbbb", hoverinfo="skip")
    chart = go.FigureWidget([head])
    for camera in pyramids:
        x, y, z = camera.path().T
        line = {"color": camera.colour, "width": 4}
        chart.add_scatter3d(x=x, y=-z, z=y, mode="lines", line=line, name=camera.name)
    axes = {"xaxis_title": "x", "yaxis_title": "-z", "zaxis_title": "y"}
    chart.update_layout(**{**LAYOUT, "height": 480}, scene={"aspectmode": "data", **axes})
    return chart


def _draw(fig: Any, points: np.ndarray, pyramids: list[Pyramid]) -> None:
    ax = fig.add_subplot(projection="3d", xlabel="x", ylabel="-z", zlabel="y")
    some = points[:: max(1, len(points) // MAX_POINTS)]
    ax.scatter(some[:, 0], -some[:, 2], some[:, 1], s=1, color="#999999")
    for camera in pyramids:
        for a, b in camera.edges():
            ax.plot([a[0], b[0]], [-a[2], -b[2]], [a[1], b[1]], color=camera.colour, lw=1)
        x, y, z = camera.apex
        ax.text(x, -z, y, camera.name, fontsize=8)
    ax.set_aspect("equal")
    ax.view_init(35, -60)
