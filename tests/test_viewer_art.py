"""Art styles in a real browser: the picture is Python's, and the controls change it."""

import pytest
import torch
from browser import OpenedPage, as_float

from stkit.art.gallery import gallery
from stkit.art.styled_head import Drawing, StylableHead
from stkit.driving.motion import own_motion
from stkit.metrics.pictures import psnr
from stkit.runs.shipped import MARA, ShippedRun
from stkit.viewers.art_packing import ArtLook
from stkit.viewers.page import save_avatar

pytest_plugins = ["viewer_fixtures"]
pytestmark = pytest.mark.usefixtures("one_torch_thread")
SIZE = 128
LOOKS = {"soft-3d": 30.0, "night": 22.0, "cartoon": 20.0}  # dB, at least, against Python's picture


@pytest.fixture(scope="module")
def mara():
    run = ShippedRun(MARA)
    return StylableHead(run.gaussian_head(), run.capture())


@pytest.fixture(scope="module")
def styled(browser, mara, tmp_path_factory):
    place = tmp_path_factory.mktemp("art") / "styled.html"
    styles = tuple(gallery()[name] for name in LOOKS)
    look = ArtLook(mara, styles, Drawing(styles[0], 1.0, 1.0))
    save_avatar(mara.head, mara.capture, place, frames=2, art=look)
    opened = OpenedPage(browser, place)
    opened.page.set_default_timeout(120_000)  # WebGL in software draws five pictures at once
    opened.page.get_by_role("button", name="Pause").click()  # the page plays by itself
    opened.run(f"s.stage.header.size = {SIZE};")
    yield opened
    opened.close()


def test_the_browser_draws_what_python_draws(styled, mara):
    capture = mara.capture
    camera = capture.camera.resized(SIZE)
    frame = own_motion(capture).frame(0, capture.frame_pose(capture.neutral))
    for name, least in LOOKS.items():
        drawn = styled.shot(frame=0, style=name, degree=1.0, transfer=1.0)
        truth = mara.draw(camera, frame, Drawing(gallery()[name], 1.0, 1.0))
        assert psnr(as_float(drawn), truth) > least, name
    assert styled.complaints == []


def test_menu_and_sliders_change_the_picture(styled):
    styled.shot(style="", frame=0)
    page = styled.page
    page.get_by_label("style", exact=True).select_option("cartoon")
    assert styled.run("return s.state.style;") == "cartoon"
    pictures = []
    for value in ("0", "0.5", "1"):
        page.get_by_label("degree d_s").fill(value)
        pictures.append(as_float(styled.shot()))
    apart = [float((p - pictures[0]).abs().mean()) for p in pictures]
    assert 0 < apart[1] < apart[2]
    page.get_by_label("colour", exact=True).fill("0")
    assert torch.abs(as_float(styled.shot()) - pictures[2]).mean() > 0.02
