"""Mattes where the segmentation hesitates."""

import numpy as np
import pytest

from stkit.capture.mattes import filled_in

RADIUS = 4


@pytest.fixture
def hesitant():
    """A dark person before light blue, and a matte with a wide grey area in the person and one thin
    grey edge.
    """
    rng = np.random.default_rng(0)
    person = np.zeros((96, 96), bool)
    person[20:, 24:72] = True
    colours = np.where(person[..., None], (60, 50, 45), (150, 160, 210))
    picture = (colours + rng.normal(0, 4, colours.shape)).clip(0, 255).astype(np.uint8)
    matte = person.astype(float)
    matte[20:45, 40:70] = 0.3
    matte[20:, 22:26] = 0.5
    return picture, matte, person


def test_a_wide_grey_area_gets_what_has_the_persons_colours(hesitant):
    picture, matte, person = hesitant
    out = filled_in(picture, matte, RADIUS)
    assert out[25:40, 45:65].mean() > 0.95 and out[~person].mean() < 0.05
    assert (out >= matte - 1e-6).all(), "nothing is taken away"


def test_a_thin_edge_stays_as_it_is(hesitant):
    picture, matte, person = hesitant
    thin = np.where(np.arange(96)[None] > 30, person, matte)
    assert np.array_equal(filled_in(picture, thin, RADIUS), thin)
