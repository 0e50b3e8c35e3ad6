"""What is detected in a clip: whose face, in which square, and what is shown meanwhile."""

import os
import subprocess
import sys

import numpy as np
import pytest

from stkit.capture.crops import square_crop
from stkit.capture.detect import _ranges, detect, follow_face
from stkit.synthetic.subject import film, make_subject

MATTES_WITH_A_BAR = """
import numpy as np
from stkit.capture.mattes import mattes_of
from stkit.progress import bar
mattes_of(np.zeros((3, 64, 64, 3), np.uint8), bar)
"""


def face(x, size, y=0.0):
    """A face (4, 2) of that size in pixels, its middle at x, y."""
    corners = np.array([[-1.0, -1.0], [1, -1], [-1, 1], [1, 1]])
    return np.array([x, y]) + corners * size / 2


def test_progress_bars_are_seen_and_the_models_log_is_not():
    environment = {
        k: v for k, v in os.environ.items() if k not in ("STKIT_QUIET", "PYTEST_CURRENT_TEST")
    }
    command = [sys.executable, "-c", MATTES_WITH_A_BAR]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "mattes" in done.stderr and "3/3" in done.stderr
    assert "feedback_manager" not in done.stderr and "XNNPACK" not in done.stderr


def test_the_face_that_is_largest_at_first_is_followed_while_another_is_larger_later():
    frames = [[face(10, 30), face(100, 40)], [face(14, 60), face(98, 38)], [], [face(97, 38)]]
    followed, crowded = follow_face(frames)
    assert [None if f is None else f.mean(0)[0] for f in followed] == [100, 98, None, 97]
    assert crowded == [0, 1]


def test_a_small_face_in_the_background_is_no_rival():
    assert follow_face([[face(10, 40), face(90, 12)]])[1] == []


def test_one_of_three_people_is_followed(capsys):
    people = [make_subject(seed, 8, seconds=1.0) for seed in (10, 1, 7)]
    shots = [np.concatenate([film(p, 160, t).numpy() for p in people], 1) for t in range(8)]
    found = detect((np.stack(shots) * 255).round().astype(np.uint8), 96, "three.mp4")
    nose = found.points[:, 1]
    assert np.linalg.norm(np.diff(nose, axis=0), axis=1).max() < 24
    assert "three.mp4: a second face from frame 0" in capsys.readouterr().out


def test_the_crop_holds_the_face_and_stays_in_the_picture():
    track = np.random.default_rng(0).uniform([100, 50], [180, 150], (5, 478, 2))
    x0, y0, side = square_crop(track, 300, 500)
    assert x0 >= 0 and x0 + side <= 500 and x0 < 100
    assert y0 >= 0 and y0 + side <= 300


@pytest.mark.parametrize(
    ("indices", "text"), [([3, 4, 5, 9], "3-5, 9"), ([2], "2"), ([0, 2, 3], "0, 2-3")]
)
def test_frame_numbers_are_shown_as_ranges(indices, text):
    assert _ranges(indices) == text
