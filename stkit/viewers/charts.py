"""Plotly charts to hover over and turn: w(d), sampled strengths, cameras around the head. Static readers get each as a picture."""

import base64
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.editing.weights import weight
from stkit.heads.mesh import MeshHead
from stkit.io.images import figure, png
from stkit.progress import silent

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
)  # Okabe and Ito: told apart by colour-blind people
LAYOUT = {
    "template": "simple_white",
    "height": 380,
    "width": 640,
    "margin": {"l": 55, "r": 10, "t": 30, "b": 45},
}


def show_live(live: Callable[[], object], still, alt: str) -> None:
    """Display a widget, made by `live()`, with the picture `still` (H, W, 3) for readers without a kernel; alone where nobody looks."""
    from IPython.display import display

    bundle = {} if silent() else live()._repr_mimebundle_()
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    picture = base64.b64encode(png(still)).decode()
    display(
        {**bundle, "image/png": picture, "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )


def weight_chart(alphas: Sequence[float] = (1.0, 2.5, 5.0, 10.0, 20.0), reach: float = 1.5) -> None:
    """w(d) = 2 sigmoid(-alpha d) of Eq. 8, and dashed 1 - w, for several alphas (1/dm), up to `reach` decimetres."""
    d = np.linspace(0, reach, 151)
    lines = {a: weight(torch.from_numpy(d), a).numpy() for a in alphas}

    def live():
        import plotly.graph_objects as go

        chart = go.FigureWidget(layout={**LAYOUT, "hovermode": "x unified"})
        for (a, w), colour in zip(lines.items(), COLOURS):
            chart.add_scatter(x=10 * d, y=w, name=f"w, alpha {a:g}", line={"color": colour})
            chart.add_scatter(
                x=10 * d,
                y=1 - w,
                name=f"1 - w, alpha {a:g}",
                line={"color": colour, "dash": "dash"},
                visible="legendonly",
            )
        chart.update_layout(
            xaxis_title="distance to the nearest landmark, cm", yaxis_title="weight"
        )
        return chart

    def still(fig):
        ax = fig.add_subplot(xlabel="distance to the nearest landmark, cm", ylabel="weight")
        for (a, w), colour in zip(lines.items(), COLOURS):
            ax.plot(10 * d, w, color=colour, label=f"w, alpha {a:g}")
        ax.legend(frameon=False, fontsize=8)

    show_live(
        live,
        figure(still, 6.4, 3.4),
        f"Curves of w against distance for alpha {', '.join(f'{a:g}' for a in alphas)}: all start at 1; the larger alpha, the faster they fall",
    )


def strength_chart(samples: dict[str, Tensor], b_boundary: float = 0.5, bins: int = 40) -> None:
    """Histograms of sampled strengths b, one for each named sampler, with the boundary between weak and strong edits."""
    edges = np.linspace(0, 1, bins + 1)
    counts = {name: np.histogram(b.numpy(), edges)[0] / len(b) for name, b in samples.items()}
    share = {name: float((b >= b_boundary).float().mean()) for name, b in samples.items()}
    titles = [f"{name}: {100 * share[name]:.0f} % strong" for name in counts]
    tints = [COLOURS[1] if x >= b_boundary else COLOURS[0] for x in edges[:-1] + 0.5 / bins]

    def live():
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots

        chart = go.FigureWidget(
            make_subplots(1, len(counts), shared_yaxes=True, subplot_titles=titles)
        )
        for k, (name, count) in enumerate(counts.items(), 1):
            chart.add_bar(
                x=edges[:-1] + 0.5 / bins, y=count, name=name, marker_color=tints, row=1, col=k
            )
            chart.add_vline(x=b_boundary, line={"dash": "dash"}, row=1, col=k)
        chart.update_layout(
            **{**LAYOUT, "width": 220 * len(counts) + 80, "height": 300}, showlegend=False, bargap=0
        )
        chart.update_xaxes(title_text="b")
        return chart

    def still(fig):
        for ax, count, title in zip(
            fig.subplots(1, len(counts), sharey=True, squeeze=False)[0], counts.values(), titles
        ):
            ax.bar(edges[:-1], count, 1 / bins, align="edge", color=tints)
            ax.axvline(b_boundary, color="k", ls="--")
            ax.set_title(title, fontsize=9)
            ax.set_xlabel("b")

    alt = f"Histograms of sampled strengths b, weak ones blue and strong ones orange, parted at {b_boundary:g}: {'; '.join(titles)}"
    show_live(live, figure(still, 2.3 * len(counts), 2.4), alt)


def camera_chart(
    capture: Capture,
    mesh: MeshHead,
    cameras: Sequence[Camera],
    names: Sequence[str],
    length: float = 2.5,
) -> None:
    """The mesh head at the neutral frame with cameras as pyramids, to be turned. Axes in world decimetres, x to the subject's left."""
    m = capture.neutral
    with torch.no_grad():
        posed = mesh.posed(capture.frame_pose(m))
    points, faces = posed.world.numpy(), posed.faces.numpy()
    pyramids = [_pyramid(c, length) for c in (capture.camera, *cameras)]
    names, tints = ["video camera", *names], [COLOURS[1]] + [COLOURS[0]] * len(cameras)

    def live():
        import plotly.graph_objects as go

        x, y, z = points.T
        chart = go.FigureWidget(
            [
                go.Mesh3d(
                    x=x,
                    y=-z,
                    z=y,
                    i=faces[:, 0],
                    j=faces[:, 1],
                    k=faces[:, 2],
                    color="#bbbbbb",
                    hoverinfo="skip",
                )
            ]
        )
        for (apex, corners), name, tint in zip(pyramids, names, tints):
            path = np.array(
                [
                    apex,
                    corners[0],
                    corners[1],
                    apex,
                    corners[2],
                    corners[3],
                    apex,
                    corners[0],
                    corners[3],
                    corners[2],
                    corners[1],
                ]
            )
            chart.add_scatter3d(
                x=path[:, 0],
                y=-path[:, 2],
                z=path[:, 1],
                mode="lines",
                line={"color": tint, "width": 4},
                name=name,
            )
        chart.update_layout(
            **{**LAYOUT, "height": 480},
            scene={
                "aspectmode": "data",
                "xaxis_title": "x",
                "yaxis_title": "-z",
                "zaxis_title": "y",
            },
        )
        return chart

    def still(fig):
        ax = fig.add_subplot(projection="3d", xlabel="x", ylabel="-z", zlabel="y")
        some = points[:: max(1, len(points) // 1500)]
        ax.scatter(some[:, 0], -some[:, 2], some[:, 1], s=1, color="#999999")
        for (apex, corners), name, tint in zip(pyramids, names, tints):
            for k in range(4):
                for a, b in ((apex, corners[k]), (corners[k], corners[(k + 1) % 4])):
                    ax.plot([a[0], b[0]], [-a[2], -b[2]], [a[1], b[1]], color=tint, lw=1)
            ax.text(apex[0], -apex[2], apex[1], name, fontsize=8)
        ax.set_aspect("equal")
        ax.view_init(35, -60)

    alt = f"The head in grey with the video's camera in orange and {len(cameras)} cameras of the views in blue around it: {', '.join(names[1:])}"
    show_live(live, figure(still, 6.4, 4.8), alt)


def _pyramid(camera: Camera, length: float) -> tuple[np.ndarray, np.ndarray]:
    """A camera's centre (3,) and the corners (4, 3) of its picture, `length` decimetres away, in the world."""
    corners = torch.tensor(
        [[0.0, 0], [camera.width, 0], [camera.width, camera.height], [0, camera.height]]
    )
    rays = torch.cat([corners, torch.ones(4, 1)], 1) @ torch.linalg.inv(camera.K).T * length
    R, t = camera.viewmat[:3, :3], camera.viewmat[:3, 3]
    return camera.centre().numpy(), ((rays - t) @ R).numpy()
