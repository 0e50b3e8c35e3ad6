"""The weight map of Eq. 8 and the editing strength b."""

import math

import pytest
import torch
from conftest import seeded

from stkit.editing.strength import HIGH, LOW, SAMPLERS, sample_strength
from stkit.editing.weights import eq8, landmark_set, point_weights, weight, weight_image


def test_weight_at_the_distances_of_the_paper():
    d = torch.tensor([0.0, math.log(3) / 5, 0.5, 1.0])
    assert torch.allclose(weight(d), torch.tensor([1.0, 0.5, 0.1517, 0.0134]), atol=1e-3)
    assert (weight(torch.linspace(0, 2, 50)).diff() < 0).all()


def test_eq8_takes_the_branch_of_b():
    x, w = torch.ones(2, 2, 3), torch.full((2, 2, 1), 0.3)
    assert torch.allclose(eq8(x, w, 0.5), x * 0.3) and torch.allclose(eq8(x, w, 0.49), x * 0.7)
    assert torch.allclose(eq8(x, w, 0.6) + eq8(x, w, 0.1), x)


@pytest.mark.parametrize("name", SAMPLERS)
def test_strengths_stay_in_range(name):
    b = sample_strength(20_000, seeded(), name)
    assert (
        len(b) == 20_000
        and b.min() >= LOW
        and b.max() <= HIGH
        and abs(float(b.mean()) - 0.5) < 0.01
    )


def test_truncated_strengths_have_the_derived_moments():
    b = sample_strength(100_000, seeded())
    assert abs(float(b.std()) - 0.274) < 0.005
    for boundary, share in ((0.3, 0.713), (0.5, 0.5), (0.7, 0.287)):
        assert abs(float((b >= boundary).float().mean()) - share) < 0.01
    clipped = sample_strength(100_000, seeded(), "clip")
    assert abs(float(((clipped == LOW) | (clipped == HIGH)).float().mean()) - 0.63) < 0.01


def test_unknown_names_are_refused(capture):
    with pytest.raises(ValueError, match="truncate"):
        sample_strength(1, seeded(), "normal")
    with pytest.raises(ValueError, match="dense"):
        landmark_set(capture, "68")


def test_weights_are_local_and_detached(gaussians, mesh):
    head, capture = gaussians, mesh[1]
    w = point_weights(head, landmark_set(capture))
    assert not w.requires_grad and w.min() >= 0 and w.max() <= 1
    dense = point_weights(head, landmark_set(capture, "dense"))
    assert (dense >= w - 1e-6).all() and dense.mean() > w.mean()
    image = weight_image(head, w, capture.camera, capture.frame_pose(capture.neutral))
    nose = capture.landmarks[capture.neutral, 30, :2].long()
    assert image[nose[1], nose[0], 0] > 0.5 and image[-4, 6, 0] < 0.2 and image[1, 1, 0] == 0
