"""A film against its truth: sharpness, landmarks, time."""

import cv2
import numpy as np
import pytest

from stkit.cli import main
from stkit.io.tensors import read_json
from stkit.io.video import write_video
from stkit.metrics.sharpness import cpbd, edge_widths
from stkit.studies.film_scores import following_scores, landmark_scores
from stkit.synthetic.subject import film, make_subject


def stripes(sigma: float) -> np.ndarray:
    x = np.zeros((128, 128, 3), np.uint8)
    x[:, (np.arange(128) // 16) % 2 == 1] = 220
    return cv2.GaussianBlur(x, (0, 0), sigma) if sigma else x


def test_sharp_edges_score_one_and_blur_lowers_the_score():
    scores = [cpbd(stripes(sigma)) for sigma in (0, 0.4, 1, 2)]
    assert scores[0] == 1.0 and scores[-1] == 0.0
    assert all(a >= b for a, b in zip(scores, scores[1:]))
    assert np.isnan(cpbd(np.full((128, 128, 3), 90, np.uint8)))


def test_widths_are_the_lengths_of_ways_up_or_down():
    row = np.array([[5, 5, 6, 8, 9, 9, 4, 4]], np.float32)
    assert edge_widths(row)[0].tolist() == [0, 3, 3, 3, 3, 1, 1, 0]


def talking(frames: int = 80, seed: int = 0) -> np.ndarray:
    """Landmarks (F, 68, 2) of a face whose mouth and lids move."""
    rng = np.random.default_rng(seed)
    face = np.tile(100 * rng.random((68, 2)), (frames, 1, 1))
    opening = np.abs(np.convolve(rng.normal(size=frames + 4), np.ones(5) / 5, "valid"))
    face[:, 62, 1] = face[:, 66, 1] - 20 * opening
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        face[:, upper, 1] = face[:, lower, 1] - 5 * np.abs(np.sin(np.arange(frames) / 7))
    return face


@pytest.mark.parametrize("late", [-5, 0, 3])
def test_a_late_film_is_known_by_its_mouth(late):
    truth = talking()
    found = np.roll(truth, late, axis=0)
    seen = np.ones(len(truth), bool)
    scores = following_scores(found, truth, seen)
    assert scores["lag"] == late
    assert (scores["mouth"] > 0.999) == (late == 0)


def test_distances_are_in_pixels():
    truth = talking()
    found = truth.copy()
    found[:, 48:68, 0] += 3.0
    found[:, :48, 1] += 1.0
    scores = landmark_scores(found, truth)
    assert scores["M-LMD"] == pytest.approx(3) and scores["LipLMD x"] == pytest.approx(3)
    assert scores["LipLMD y"] == pytest.approx(0)
    assert scores["F-LMD"] == pytest.approx((20 * 3 + 48) / 68)


def test_the_command_compares_two_films(tmp_path, capsys):
    subject = make_subject(63, 12)
    truth = np.stack([(255 * film(subject, 128, t)).byte().numpy() for t in range(12)])
    soft = np.stack([cv2.GaussianBlur(x, (0, 0), 1.5) for x in truth])
    for name, frames in (("truth", truth), ("film", soft), ("short", truth[:6])):
        write_video(tmp_path / f"{name}.mp4", frames, 12.0)
    films = [str(tmp_path / f"{name}.mp4") for name in ("film", "truth")]
    assert main(["evaluate", *films, "--write", str(tmp_path / "scores.json")]) == 0
    scores = read_json(tmp_path / "scores.json")
    assert scores["frames"] == 12 and 20 < scores["PSNR"] < 45
    assert scores["CPBD"] < scores["CPBD of the truth"] and scores["F-LMD"] < 2
    assert "LipLMD x" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "short.mp4"), films[1]]) == 2
    assert "6 frames" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "none.mp4"), films[1]]) == 2
