"""An avatar that speaks, in a real browser: the sound is the clock of its frames."""

import pytest
import torch
from browser import OpenedPage

from stkit.runs.shipped import MARA, ShippedRun
from stkit.viewers.page import save_avatar
from stkit.voice.sound import RATE, sound_url

pytest_plugins = ["viewer_fixtures"]
pytestmark = pytest.mark.usefixtures("one_torch_thread")
FRAMES = 50
NOW = "return [s.state.frame, s.state.playing];"


@pytest.fixture
def spoken(browser, tmp_path):
    """Two seconds of a tone, with the run that ships doing what it did in its clip."""
    run = ShippedRun(MARA)
    sound = 0.1 * torch.sin(torch.arange(2 * RATE) * 0.1)
    place = tmp_path / "speaks.html"
    save_avatar(
        run.gaussian_head(), run.capture(), place, frames=FRAMES, fps=25, sound=sound_url(sound)
    )
    opened = OpenedPage(browser, place)
    yield opened
    opened.close()


def test_it_waits_plays_with_its_sound_and_can_be_scrubbed(spoken):
    assert spoken.run(NOW) == [0, False]
    button = spoken.page.get_by_role("button", name="Play")
    button.click()
    spoken.page.wait_for_function("() => document.querySelector('.stkit').stkit.state.frame > 3")
    spoken.page.get_by_role("button", name="Pause").click()
    frame, playing = spoken.run(NOW)
    assert 3 < frame < FRAMES
    assert not playing
    spoken.page.wait_for_timeout(200)
    assert spoken.run(NOW)[0] - frame <= 1, "a paused sound shows no new frame"
    scrubber = spoken.page.get_by_label("frame")
    scrubber.fill("40")
    assert spoken.run(NOW) == [40, False]
    button.click()
    spoken.page.wait_for_function("() => !document.querySelector('.stkit').stkit.state.playing")
    assert spoken.run(NOW)[0] >= 40, "it goes on from where it was scrubbed to, to its end"
    assert spoken.complaints == []
    assert spoken.requests == []
