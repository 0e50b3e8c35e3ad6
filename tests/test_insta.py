"""Data sets in INSTA's layout: a miniature is read, split as it says, and tracked."""

import json

import numpy as np
import pytest
from conftest import track
from PIL import Image

from stkit.capture.preprocess import PreprocessSettings
from stkit.io.insta import first_test_second, is_insta, pictures, read_insta
from stkit.io.video import VideoError
from stkit.runs.plan import Plan
from stkit.runs.source import Source

FRAMES, TEST = 24, 6


def write(folder, frames: list[np.ndarray], test: int = TEST, ending: str = ".png") -> None:
    """The frames as images/NUMBER.png, and the lists of the training and the test frames."""
    (folder / "images").mkdir(parents=True)
    entries = []
    for k, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / "images" / f"{k:05}.png")
        entries.append({"file_path": f"./images/{k:05}{ending}", "transform_matrix": []})
    first = len(frames) - test
    for part, some in (("train", entries[:first]), ("test", entries[first:])):
        (folder / f"transforms_{part}.json").write_text(json.dumps({"frames": some}))


def greys(count: int = FRAMES) -> list[np.ndarray]:
    return [np.full((16, 20, 4), 10 * k, np.uint8) for k in range(count)]


@pytest.mark.parametrize("ending", ["", ".png"])
def test_a_data_set_is_read_in_order_over_white(tmp_path, ending):
    folder = tmp_path / "nobody"
    write(folder, greys(), ending=ending)
    assert is_insta(folder) and len(pictures(folder)) == FRAMES
    frames, times = read_insta(folder, 12)
    assert frames.shape == (12, 16, 20, 3) and times[0] == 0
    assert times[-1] == pytest.approx((FRAMES - 1) / 25)
    assert frames[0, 0, 0, 0] == 255, "what has no opacity is white"
    assert first_test_second(folder) == (FRAMES - TEST) / 25


def test_a_run_takes_the_data_sets_own_split(tmp_path):
    write(tmp_path / "nobody", greys())
    source = Source.parse(str(tmp_path / "nobody"))
    assert source.kind == "insta" and source.digest()
    assert Plan(source, "quick").held_out == "from:0.72"
    assert Plan(source, "quick", held_out="turn").held_out == "turn"


def test_a_data_set_is_tracked_and_its_test_frames_are_held_out(tmp_path, capture):
    frames = [np.array(Image.fromarray(f).resize((160, 160))) for f in capture.frames]
    write(tmp_path / "somebody", frames)
    split = Plan(Source.parse(str(tmp_path / "somebody")), "quick").held_out
    settings = PreprocessSettings(
        size=128, max_frames=FRAMES, fit_steps=40, refine_steps=0, held_out=split
    )
    found, _ = track(tmp_path / "somebody", settings)
    assert len(found) == FRAMES and found.split()[1] == list(range(FRAMES - TEST, FRAMES))


def test_what_is_wrong_is_named(tmp_path):
    folder = tmp_path / "nobody"
    write(folder, greys())
    listed = folder / "transforms_test.json"
    whole = listed.read_text()
    (folder / "images" / "00003.png").rename(folder / "images" / "00003.gif")
    with pytest.raises(VideoError, match=r"00003\.png: a frame is listed that is not there"):
        read_insta(folder, 12)
    (folder / "images" / "00003.gif").rename(folder / "images" / "00003.png")
    for text in ("[", "{}", '{"frames": [{"path": "x"}]}'):
        listed.write_text(text)
        with pytest.raises(VideoError, match="not a list of frames"):
            first_test_second(folder)
    listed.write_text(json.dumps({"frames": [{"file_path": "images/00003.png"}]}))
    with pytest.raises(VideoError, match="not the last ones"):
        first_test_second(folder)
    listed.write_text(whole)
    (folder / "images" / "00005.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"00005\.png: not an image"):
        read_insta(folder, FRAMES)
