"""One page with a head in a real browser: pictures as by the Python renderer, controls."""

import numpy as np
import pytest
import torch
from browser import as_float

from stkit.editing.weights import weight
from stkit.metrics.pictures import psnr
from stkit.viewers.browser_twin import browser_gaussians

pytest_plugins = ["viewer_fixtures"]
pytestmark = pytest.mark.usefixtures("one_torch_thread")
CONTROLS = {
    "Play",
    "frame",
    "wipe",
    "jaw",
    "yaw",
    "show",
    "alpha (1/dm)",
    "b",
    "boundary",
    "Reset",
}
FOCUSED = """() => document.activeElement.getAttribute('aria-label')
    || document.activeElement.textContent"""


def test_webgl_equals_the_python_renderer(opened, packet):
    plain = {"overlay": "none", "sliders": {}, "pose": [0, 0, 0]}
    for yaw, pitch, frame in ((0, 0, 0), (0.6, 0.1, 5), (-0.5, -0.2, 9)):
        opened.turn(yaw, pitch)
        for look, wipe in ((0, 1.0), (1, 0.0)):
            drawn = as_float(opened.shot(frame=frame, wipe=wipe, **plain))
            truth = browser_gaussians(packet, frame, look).render(opened.camera())[0].clamp(0, 1)
            assert psnr(drawn, truth) > 40, (yaw, look, psnr(drawn, truth))


def test_weights_in_the_browser_are_eq_8(opened, packet):
    opened.turn(0.3, 0)
    codes = torch.from_numpy(packet.arrays["distance"].astype(np.float32))
    d = codes * packet.header["distanceStep"]
    camera, g = opened.camera(), browser_gaussians(packet, 0, 0)
    pictures = []
    for alpha, b in ((5.0, 0.8), (12.0, 0.8), (5.0, 0.2)):
        shot = opened.shot(frame=0, wipe=1.0, overlay="raw", alpha=alpha, b=b, boundary=0.5)
        drawn = shot[..., 0] / 255
        w = weight(d, alpha) if b >= 0.5 else 1 - weight(d, alpha)
        truth = g.splat(w[:, None], camera)[..., 0].numpy()
        assert np.abs(drawn - truth).max() < 0.02
        pictures.append(drawn)
    assert np.abs(pictures[0] - pictures[1]).max() > 0.2
    assert np.abs(pictures[0] - pictures[2]).max() > 0.5
    opened.shot(overlay="none", b=0.8)


def test_a_slider_moves_the_mouth_and_not_the_hair(opened, tracked):
    opened.turn(0, 0)
    before = opened.shot(frame=0, wipe=1.0, sliders={}, overlay="none").astype(float)
    opened.page.get_by_label("jaw", exact=True).fill("1")
    after = opened.shot().astype(float)
    change = np.abs(after - before).max(-1)
    far = opened.shot(overlay="raw", alpha=5.0, b=0.8)[..., 0] < 0.1 * 255
    opened.shot(overlay="none")
    x, y = tracked.camera.project(tracked.landmarks3d[0])[58:].mean(0).tolist()
    rows, columns = np.indices(change.shape)
    near = np.hypot(rows - y, columns - x) < 0.08 * len(change)
    bright = before[near].mean()
    assert change[near].mean() > 0.05 * bright and change[near].max() > 0.3 * bright
    assert (change[far] > 6).mean() < 0.005, (
        "hair, clothes, background; the chin passes over a little of the neck"
    )
    opened.page.get_by_role("button", name="Reset").click()
    assert np.abs(opened.shot(frame=0).astype(float) - before).max() <= 1


def test_head_pose_sliders_turn_as_the_library_does(opened, packet):
    """Positive pitch lowers the nose, positive yaw turns it to the subject's left, as in Python."""
    opened.turn(0, 0)
    pose, sliders = [20, 12, -8], {"jaw": 0.5}
    drawn = as_float(opened.shot(frame=0, wipe=1.0, pose=pose, sliders=sliders))
    truth = browser_gaussians(packet, 0, 0, sliders, pose).render(opened.camera())[0].clamp(0, 1)
    assert psnr(drawn, truth) > 40
    opened.shot(pose=[0, 0, 0], sliders={})


def test_it_plays_and_wipes(opened):
    first = opened.shot(frame=0, wipe=1.0).astype(float)
    opened.page.get_by_role("button", name="Play").click()
    opened.page.wait_for_function("() => document.querySelector('.stkit').stkit.state.frame >= 2")
    opened.page.get_by_role("button", name="Pause").click()
    assert np.abs(opened.shot().astype(float) - first).max() > 10
    half = opened.shot(frame=0, wipe=0.5)
    other = opened.shot(frame=0, wipe=0.0)
    cut = half.shape[1] // 2
    assert np.array_equal(half[:, :cut], first[:, :cut])
    assert np.array_equal(half[:, cut:], other[:, cut:])


def test_the_keyboard_reaches_everything(opened):
    keyboard = opened.page.keyboard
    opened.page.locator("canvas").focus()
    keyboard.press("Home")
    unturned = opened.shot(frame=0)
    keyboard.press("ArrowRight")
    keyboard.press("+")
    assert (
        opened.run("return s.stage.view.yaw;") > 0 and opened.run("return s.stage.view.zoom;") > 0
    )
    assert not np.array_equal(opened.shot(), unturned)
    keyboard.press("Home")
    names = set()
    for _ in range(opened.page.locator(".stkit button, .stkit input, .stkit select").count()):
        keyboard.press("Tab")
        names.add(opened.page.evaluate(FOCUSED))
    assert not CONTROLS - names


def test_dragging_turns_and_moves(opened):
    opened.page.locator("canvas").hover()
    mouse = opened.page.mouse
    for key in (None, "Shift"):
        opened.run("s.stage.reset();")
        opened.page.locator("canvas").hover()
        if key:
            opened.page.keyboard.down(key)
        mouse.down()
        box = opened.page.locator("canvas").bounding_box()
        mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.55 * box["height"])
        mouse.up()
        if key:
            opened.page.keyboard.up(key)
        view = opened.run("const v = s.stage.view; return [v.yaw, v.pitch, v.x, v.y];")
        turned, moved = view[:2], view[2:]
        assert (min(turned) > 0) == (key is None) and (min(moved) > 0) == (key == "Shift")
    opened.run("s.stage.reset();")


def test_nothing_complains_and_nothing_is_requested(opened):
    assert opened.complaints == [] and opened.requests == []
