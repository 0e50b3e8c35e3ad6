"""What the tracker found, frame by frame: the picture with its landmarks beside beta and pose over
time (plotly), on one slider.
"""

from typing import Any

import numpy as np
import torch

from stkit.capture.capture import Capture
from stkit.geometry import so3_exp, yaw_pitch_roll
from stkit.io.images import figure, marked, png, u8
from stkit.viewers.interactive import COLOURS, show_interactive

SHOWN_EXPRESSIONS = 6  # those with the largest standard deviation
DETECTED_COLOUR = (86, 180, 233)
FITTED_COLOUR = (213, 94, 0)
PICTURE_WIDTH = 320  # CSS pixels


def curves(capture: Capture) -> dict[str, dict[str, list[float]]]:
    """The liveliest expression coefficients (standard deviations) and the head's angles (degrees),
    each a list over the frames.
    """
    names = capture.face().expression_names
    liveliest = capture.beta.std(0, correction=0).argsort(descending=True)[:SHOWN_EXPRESSIONS]
    angles = torch.rad2deg(torch.stack(yaw_pitch_roll(so3_exp(capture.pose[:, :3])), 1))
    return {
        "beta": {names[k]: capture.beta[:, k].tolist() for k in liveliest.tolist()},
        "degrees": {name: angles[:, k].tolist() for k, name in enumerate(("yaw", "pitch", "roll"))},
    }


def scrub(capture: Capture, frame: int | None = None) -> None:
    """Show frames with a slider, detected landmarks blue and fitted ones orange, and the curves
    with a cursor at the frame.
    """
    start = capture.neutral if frame is None else frame
    alt = (
        f"Frame {start} with detected and fitted landmarks, "
        "and curves of expression and head angles over the clip"
    )
    show_interactive(lambda: _box(capture, start), _poster(capture, start), alt)


def _box(capture: Capture, frame: int) -> Any:
    import ipywidgets as w

    chart = _chart(capture, frame)
    picture = w.Image(value=png(_marked(capture, frame)), format="png", width=PICTURE_WIDTH)
    slider = w.IntSlider(
        value=frame,
        max=len(capture) - 1,
        description="frame",
        layout={"width": f"{PICTURE_WIDTH}px"},
    )

    def move(change: dict[str, Any]) -> None:
        picture.value = png(_marked(capture, change["new"]))
        with chart.batch_update():
            for line in chart.layout.shapes:
                line.x0 = line.x1 = change["new"]

    slider.observe(move, "value")
    return w.HBox([w.VBox([picture, slider]), chart])


def _chart(capture: Capture, frame: int) -> Any:
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    chart = go.FigureWidget(make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.08))
    for row, (unit, lines) in enumerate(curves(capture).items(), 1):
        for (name, values), colour in zip(lines.items(), COLOURS):
            line = {"width": 1.3, "color": colour}
            trace = go.Scatter(y=values, name=name, line=line, legendgroup=unit)
            chart.add_trace(trace, row=row, col=1)
        chart.update_yaxes(title_text=unit, row=row, col=1)
    chart.add_vline(x=frame, line={"color": "black", "width": 1}, row="all", col=1)
    margin = {"l": 50, "r": 10, "t": 10, "b": 30}
    chart.update_layout(height=420, width=560, margin=margin, template="simple_white")
    return chart


def _marked(capture: Capture, t: int) -> np.ndarray:
    """Frame t (H, W, 3) with its landmarks."""
    fitted = capture.camera.project(capture.landmarks3d[t])
    return marked(
        torch.from_numpy(capture.frames[t]) / 255,
        (capture.landmarks[t, :, :2], DETECTED_COLOUR),
        (fitted, FITTED_COLOUR),
    )


def _poster(capture: Capture, frame: int) -> np.ndarray:
    def draw(fig: Any) -> None:
        left, right = fig.subplots(1, 2, width_ratios=(1, 1.6))
        left.imshow(u8(_marked(capture, frame)))
        left.set(title=f"frame {frame}")
        left.axis("off")
        for (name, values), colour in zip(curves(capture)["beta"].items(), COLOURS):
            right.plot(values, label=name, color=colour, lw=1)
        right.axvline(frame, color="k", lw=1)
        right.set(xlabel="frame", ylabel="beta")
        right.legend(fontsize=7, frameon=False, ncol=2)

    return figure(draw, 9, 3.4)
