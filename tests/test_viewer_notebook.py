"""Viewers, explorers, charts and live curves of notebooks, without a front end."""

import asyncio
import base64

import IPython.display
import nbformat
import numpy as np
import pytest
import torch
from browser import as_float, decode_picture
from nbclient import NotebookClient

from stkit.cameras import orbit_camera
from stkit.driving.motion import own_motion, play
from stkit.metrics.pictures import psnr
from stkit.viewers import (
    SplatViewer,
    camera_chart,
    explore,
    explorer,
    interactive,
    live_bar,
    scrub,
    signals,
    strength_chart,
    weight_chart,
)
from stkit.viewers.camera_pyramids import pyramid
from stkit.viewers.live import LiveBar
from stkit.viewers.packet import camera_header

pytest_plugins = ["viewer_fixtures"]
pytestmark = pytest.mark.usefixtures("one_torch_thread")
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def displayed(monkeypatch):
    """What is displayed while a test runs: (data, options) each."""
    outputs = []
    monkeypatch.setattr(IPython.display, "display", lambda data, **k: outputs.append((data, k)))
    return outputs


def test_a_viewer_carries_a_poster_for_readers_without_a_kernel(gaussians, tracked):
    viewer = SplatViewer(gaussians, tracked, frames=6)
    data, metadata = viewer._repr_mimebundle_()
    assert WIDGET in data and metadata["image/png"]["alt"]
    poster = decode_picture(base64.b64decode(data["image/png"]))
    truth = play(gaussians, tracked, own_motion(tracked).subset([0]))[0]
    assert psnr(as_float(poster), as_float(truth)) > 35


def test_the_turned_camera_reaches_python(gaussians, tracked):
    viewer = SplatViewer(gaussians, tracked, frames=6)
    before = viewer.render(64)
    turned = orbit_camera(tracked.camera, 30.0)
    viewer.camera = camera_header(turned)
    assert torch.allclose(viewer.view().viewmat, turned.viewmat) and viewer.view(64).width == 64
    assert not torch.allclose(viewer.render(64), before)
    viewer.set(frame=3, alpha=8.0)
    assert viewer.state["frame"] == 3 and viewer.state["alpha"] == 8.0


def test_explore_shows_its_start_and_follows(displayed, monkeypatch):
    calls = []

    def picture(alpha: float, landmarks: str, draft: bool = False):
        calls.append((alpha, landmarks, draft))
        return np.full((8, 8, 3), alpha / 20)

    controls = {"alpha": (0.0, 20.0, 5.0), "landmarks": ["66", "dense"]}
    explore(picture, "A grey square.", **controls)
    assert calls == [(5.0, "66", False)]
    monkeypatch.setattr(explorer, "silent", lambda: False)
    explore(picture, "A grey square.", "caption", **controls)
    bundle = displayed[-1][0]
    assert "image/png" in bundle and bundle["text/plain"] == "A grey square."
    with pytest.raises(ValueError, match="outside"):
        explore(picture, "x", alpha=(0.0, 1.0, 5.0))
    with pytest.raises(ValueError, match="neither"):
        explore(picture, "x", alpha=3)


def test_values_are_a_line_of_papermill_parameters():
    line = explorer.parameter_line({"alpha": 5.0, "prompt": "a b"})
    assert line == "-p alpha 5.0 -p prompt 'a b'"


def test_moving_a_slider_makes_a_draft_then_the_full_picture():
    calls = []

    def picture(alpha: float, draft: bool = False):
        calls.append((alpha, draft))
        return np.full((8, 8, 3), alpha / 20)

    async def drag():
        slider = explorer.control("alpha", (0.0, 20.0, 5.0))
        box = explorer.Explorer(picture, {"alpha": slider}).box(b"")
        for value in (6.0, 7.0, 8.0):
            slider.value = value
        await asyncio.sleep(explorer.SETTLE + 0.2)
        return box

    asyncio.run(drag())
    assert calls == [(6.0, True), (7.0, True), (8.0, True), (8.0, False)]


def test_scrubber_moves_picture_and_cursor_together(tracked, displayed):
    curves = signals.curves(tracked)
    assert len(curves["beta"]) == 6 and set(curves["degrees"]) == {"yaw", "pitch", "roll"}
    assert len(curves["degrees"]["yaw"]) == len(tracked)
    box = signals._box(tracked, 0)
    (picture, slider), chart = box.children[0].children, box.children[1]
    before = picture.value
    slider.value = 7
    assert picture.value != before and {s.x0 for s in chart.layout.shapes} == {7}
    assert len(chart.data) == 9
    scrub(tracked)
    (data, _), *_ = displayed
    assert set(data) == {"image/png", "text/plain"}, "silent runs show the poster alone"


LIVE = """
import time
from stkit.viewers import live_bar
bar = live_bar(range(40), "training", total=40)
for k in bar:
    time.sleep(0.05)
    bar.set_postfix(loss=f"{1 / (k + 1):.4f}")
"""


def test_losses_are_drawn_while_a_cell_trains_and_stay_as_a_picture():
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(LIVE.strip())],
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
    )
    NotebookClient(book, timeout=120).execute()
    (chart,) = [o for o in book.cells[0].outputs if o.output_type == "display_data"]
    assert {"image/png", WIDGET} <= set(chart.data)
    alt = chart.metadata["image/png"]["alt"]
    assert alt == "Loss of 'training' against the step: from 1 to 0.025 in 39 steps"


def test_a_live_bar_hands_items_on_and_keeps_losses():
    bar = live_bar([3, 1, 2], "sorting", initial=10)
    assert isinstance(bar, LiveBar)
    for item in bar:
        bar.set_postfix(loss=f"{item}")
    assert bar.curve.losses == [3.0, 1.0, 2.0] and bar.curve.steps == [10, 11, 12]


def test_charts_have_a_picture_alone_where_nobody_looks(mesh, displayed, monkeypatch):
    head, tracked, _ = mesh
    strengths = {"truncate": torch.rand(200), "narrow": torch.rand(200)}
    cameras = [orbit_camera(tracked.camera, angle) for angle in (-20.0, 20.0)]

    def show_all() -> None:
        weight_chart((2.0, 5.0))
        strength_chart(strengths, 0.3)
        camera_chart(tracked, head, cameras, ["-20 deg", "+20 deg"])

    show_all()
    assert len(displayed) == 3
    for data, options in displayed:
        assert set(data) == {"image/png", "text/plain"}
        assert len(options["metadata"]["image/png"]["alt"]) > 40
    monkeypatch.setattr(interactive, "silent", lambda: False)
    show_all()
    assert all(WIDGET in data for data, _ in displayed[3:])


def test_cameras_of_the_chart_look_at_the_head(tracked):
    middle = tracked.landmarks3d[tracked.neutral].mean(0).numpy()
    for angle in (0.0, 40.0):
        shown = pyramid(orbit_camera(tracked.camera, angle), 2.0, "camera", "#000000")
        picture = np.linalg.norm(shown.corners.mean(0) - middle)
        assert picture < np.linalg.norm(shown.apex - middle)
