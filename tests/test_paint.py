"""The paint editor: which recipe a sentence means, and what it paints."""

import pytest
import torch
from conftest import seeded

from stkit.diffusion.paint import PaintEditor, find_recipe, instructions
from stkit.diffusion.protocols import PromptError
from stkit.face_models.landmarks import KEPT_66


def test_paint_knows_a_dozen_instructions_in_free_words():
    assert len(instructions()) >= 30
    for words, name in (
        ("Turn him into a clown!", "clown"),
        ("make her a bronze statue", "bronze statue"),
        ("give him red hair", "red hair"),
        ("as a Modigliani painting", "Modigliani painting"),
        ("what would she look like much older?", "old"),
    ):
        assert find_recipe(words)[0] == name
    with pytest.raises(PromptError, match="clown.*InstructPix2Pix"):
        find_recipe("put him on a surfboard")


@pytest.mark.parametrize("name", instructions())
def test_paint_acts_on_the_face_and_grows_with_b(capture, name):
    t = capture.neutral
    image, points = capture.image(t), capture.landmarks[t, KEPT_66, :2]

    def edit(b):
        return PaintEditor().edit(image, name, b, image, seeded(), points)

    change = [float((edit(b) - image).abs().mean()) for b in (0.05, 0.3, 0.62, 0.9)]
    assert change[0] < change[1] < change[2] and change[2] > 8e-4 and change[3] > 0.6 * change[2]
    out = edit(0.62)
    assert out.shape == image.shape and torch.isfinite(out).all()
    assert out.min() >= 0 and out.max() <= 1
    assert float((out[:6, :6] - image[:6, :6]).abs().max()) < 0.02, "the background stays white"


def test_paint_finds_the_face_itself(capture):
    small = capture.image(capture.neutral).permute(2, 0, 1)[None]
    image = torch.nn.functional.interpolate(small, scale_factor=2.0)[0].permute(1, 2, 0)
    out = PaintEditor().edit(image, "clown", 0.62, image, seeded())
    assert float((out - image).abs().max()) > 0.2
    with pytest.raises(ValueError, match="no face"):
        PaintEditor().edit(torch.ones(64, 64, 3), "clown", 0.5, torch.ones(64, 64, 3), seeded())


def test_weak_edits_stay_weak_however_often_they_are_applied(capture):
    t = capture.neutral
    frame, points = capture.image(t), capture.landmarks[t, KEPT_66, :2]

    def edit(image, b):
        return PaintEditor().edit(image, "marble statue", b, frame, seeded(), points)

    once, strong = edit(frame, 0.25), edit(frame, 0.62)
    often = once
    for _ in range(20):
        often = edit(often, 0.25)
    assert (often - frame).abs().mean() < 1.2 * (once - frame).abs().mean()
    assert (once - frame).abs().mean() < 0.1 * (strong - frame).abs().mean()
    assert (edit(strong, 0.25) - strong).abs().mean() < 0.02, "and do not take back a strong one"


def test_polished_metal_has_highlights_that_marble_lacks(capture):
    t = capture.neutral
    frame, points = capture.image(t), capture.landmarks[t, KEPT_66, :2]
    face = capture.matte(t)[..., 0] > 0.9

    def brightest(name):
        out = PaintEditor().edit(frame, name, 0.9, frame, seeded(), points)[face].mean(-1)
        return float(out.quantile(0.995) - out.median())

    assert brightest("silver statue") > brightest("marble statue") + 0.1
