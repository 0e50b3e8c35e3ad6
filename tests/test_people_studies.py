"""The studies of made-up people: sheets, how often their faces are found, and tracking's truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stkit.cameras import orbit_camera
from stkit.face_models.makehuman import makehuman
from stkit.studies import made_up_people
from stkit.studies.made_up_people import EXPRESSIONS, close_up, expressions_sheet
from stkit.studies.side_views import Sides
from stkit.studies.tracking_truth import compare, face_vertices
from stkit.synthetic.subject import named_subject

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_tracking_comes_near_the_truth_of_a_made_up_person(capture):
    """A tiny clip of 24 frames: the face within millimetres, and the jaw opens when it opened."""
    truth = compare(capture, named_subject(capture.source, len(capture)))
    assert truth.face_mm < 4 and 0.8 < truth.depth < 1.2
    assert truth.actions["jawOpen"] > 0.8


def test_a_face_that_is_the_truth_is_no_distance_away(capture):
    subject = named_subject(capture.source, len(capture))

    class Exact:
        def verts(self, identity):
            return 1.1 * subject.person.verts() + 0.3  # another size and place say nothing

    class Tracked:
        identity, beta = capture.identity, subject.performance.beta
        face = staticmethod(Exact)

    truth = compare(Tracked(), subject)
    assert truth.face_mm < 1e-3 and truth.depth == pytest.approx(1, abs=1e-4)
    assert min(truth.actions.values()) > 0.999


def test_the_face_is_skin_in_front():
    head, chosen = makehuman(), face_vertices()
    assert 500 < len(chosen) < 3000 and head.mean[chosen][:, 2].min() > -0.4
    assert head.part("skin")[chosen].all()


def test_expressions_name_actions_that_exist_and_a_sheet_shows_all(monkeypatch):
    names = {name for actions in EXPRESSIONS.values() for name in actions}
    assert names <= set(makehuman().expression_names) and len(EXPRESSIONS) == 16
    monkeypatch.setattr(made_up_people, "TILE", 48)
    picture = expressions_sheet()
    assert picture.shape[1] > 8 * 48 and picture.std() > 20


def test_a_detector_finds_the_faces_of_made_up_people(monkeypatch):
    monkeypatch.setattr(made_up_people, "FRAMES_OF_ONE", 4)
    found, seconds = made_up_people._found_in_one(1)
    assert found >= 3 and seconds > 0


def test_a_close_up_leaves_the_other_camera_alone():
    assert not torch.equal(close_up(64).K, close_up(128).K)
    assert close_up(64).K[0, 0] == pytest.approx(5.0 * 64)


@pytest.fixture
def side(capture):
    """One true side view at a made-up place, and the world grown by a tenth about the camera."""
    centre, points = capture.camera.centre(), capture.landmarks3d[3]
    turned = orbit_camera(capture.camera, 30.0, target=points.mean(0))
    picture = np.full((1, capture.size, capture.size, 3), 128, np.uint8)
    true = Sides(
        picture, torch.tensor([3]), torch.tensor([30.0]), turned.viewmat[None], points[None]
    )
    grown = replace(capture, landmarks3d=centre + 1.1 * (capture.landmarks3d - centre))
    return true, turned, grown


def test_a_side_camera_sees_the_tracked_world_as_the_true_one_sees_the_truth(side):
    true, turned, grown = side
    expected = turned.project(true.landmarks[0])
    found = true.camera(0, grown).project(grown.landmarks3d[3])
    assert torch.allclose(found, expected, atol=1e-2)


def test_side_views_are_scored_by_azimuth(side):
    true, _, grown = side
    size = grown.size
    score = true.score(grown, lambda t, camera: torch.full((size, size, 3), 128 / 255 + 0.1))
    assert score == {"30": pytest.approx(20.0, abs=1e-3)}
