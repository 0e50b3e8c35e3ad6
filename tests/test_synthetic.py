"""Made-up people: from a seed, and from the words that name one."""

import pytest
import torch

from stkit.cameras import front_camera
from stkit.synthetic.subject import DEMO_SEED, film, make_subject, named_subject, synthetic_seed


def test_subjects_repeat_by_seed_and_differ_between_seeds():
    first, again, other = make_subject(3, 6), make_subject(3, 6), make_subject(4, 6)
    assert torch.equal(film(first, 64, 2), film(again, 64, 2))
    assert not torch.equal(film(first, 64, 2), film(other, 64, 2))
    assert first.performance.beta.shape == (6, 64)
    assert torch.isfinite(first.performance.pose).all()


@pytest.mark.parametrize(
    ("text", "seed"),
    [
        ("synthetic", DEMO_SEED),
        ("synthetic:7", 7),
        ("synthetic:0", 0),
        ("synthetic_me.mp4", None),
        ("synthetic-old", None),
        ("synthetics:3", None),
        ("film.mp4", None),
        ("", None),
    ],
)
def test_only_synthetic_and_a_seed_name_a_subject(text, seed):
    assert synthetic_seed(text) == seed


@pytest.mark.parametrize("text", ["synthetic:abc", "synthetic:", "synthetic:1.5"])
def test_a_seed_is_a_whole_number(text):
    with pytest.raises(ValueError, match="whole number"):
        synthetic_seed(text)


def test_named_subjects_are_those_of_their_seed():
    subject = named_subject("synthetic", 5)
    assert subject.seed == DEMO_SEED
    assert subject.performance.times.tolist() == pytest.approx([0, 1.5, 3, 4.5, 6], abs=0.02)
    assert named_subject("synthetic:3", 5).seed == 3
    with pytest.raises(ValueError, match="names no synthetic subject"):
        named_subject("synthetic_me.mp4", 5)


def test_a_subject_without_a_frame_needs_expression_and_pose():
    subject = make_subject(3, 4)
    with pytest.raises(ValueError, match="both beta and pose"):
        subject.render(None, front_camera(32))
