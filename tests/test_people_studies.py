"""The studies of made-up people: sheets, how often their faces are found, and tracking's truth."""

import pytest
import torch

from stkit.face_models.makehuman import makehuman
from stkit.studies import made_up_people
from stkit.studies.made_up_people import EXPRESSIONS, close_up, expressions_sheet
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
