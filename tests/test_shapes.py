"""Changes of shape: from a sentence to vertices, to Gaussians, landmarks and weights."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit.diffusion.editors import get_editor
from stkit.editing.loop import edit_head
from stkit.editing.settings import EditSettings
from stkit.editing.shots import make_shots, shot_landmarks
from stkit.editing.weights import landmark_set, point_weights
from stkit.errors import RequestError
from stkit.face_models.landmarks import KEPT_66
from stkit.face_models.makehuman import makehuman, shape_targets
from stkit.face_models.makehuman.shape_change import (
    ShapeChange,
    changed_traits,
    displacement,
    estimated_traits,
    nose_vertices,
)
from stkit.face_models.makehuman.shape_words import divide, known_shapes, read_shape
from stkit.geometry import so3_exp
from stkit.heads.gaussian import GaussianHead
from stkit.heads.reshaping import local_maps, reshaped
from stkit.runs.shipped import MARA, ShippedRun
from stkit.studies.shape_edits import SENTENCES, Person
from stkit.synthetic.person import random_person

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def mara():
    return Person(MARA)


def test_sentences_of_many_forms_mean_the_same():
    for text in ("a hooked nose", "give him a hawk nose", "HOOKED NOSE, please", "aquiline nose"):
        assert read_shape(text) == read_shape("hooked nose"), text
    both = read_shape("fat, with elf ears")
    assert both == read_shape("fat") + read_shape("pointed ears")
    assert read_shape("a very big nose").targets == (read_shape("big nose") * 1.5).targets
    assert read_shape("remove the nose") == read_shape("without a nose") == ShapeChange(no_nose=1)
    assert read_shape("twenty years younger") == read_shape("20 years younger")
    old = read_shape("as an old man")
    assert old.to["male"] == 1 and old.to["age"] > 0.5


@pytest.mark.parametrize("text", ["", "a nice hat", "big", "elf ears and a purple hat"])
def test_what_names_no_shape_is_refused_with_what_is_known(text):
    with pytest.raises(RequestError, match="hooked nose"):
        read_shape(text)


def test_all_that_is_known_can_be_asked_for_and_has_its_targets():
    names = set(shape_targets().names)
    for text in known_shapes():
        change = read_shape(text.replace("N", "12"))
        for target in change.targets:
            assert target in names or f"l-{target}" in names, text


def test_a_sentence_is_divided_into_prompt_and_shape():
    assert divide("turn her into a clown with elf ears") == ("turn her into a clown", "elf ears")
    assert divide("turn him into a statue") == ("turn him into a statue", "")
    assert divide("big eyes and no nose") == ("", "big eyes, no nose")


@given(st.floats(-2, 2), st.floats(-2, 2))
@settings(max_examples=20, deadline=None)
def test_targets_are_linear_in_their_amount(a, b):
    verts, one = makehuman().mean, read_shape("big eyes")
    both = displacement(one * a + one * b, verts)
    assert torch.allclose(both, (a + b) * displacement(one, verts), atol=1e-5)


def test_traits_are_estimated_and_changed_within_their_range():
    people = [random_person(seed) for seed in range(9000, 9040)]
    found = [estimated_traits(p.verts()) for p in people]
    for name, least in (("age", 0.8), ("male", 0.8), ("weight", 0.6)):
        pairs = [[getattr(p.traits, name), getattr(t, name)] for p, t in zip(people, found)]
        assert torch.corrcoef(torch.tensor(pairs).T)[0, 1] > least, name
    young = changed_traits(ShapeChange(add={"age": -2.0}), people[0].traits)
    assert young.age == 0.0


def test_a_removed_nose_is_flat_and_nothing_else_moves():
    verts = makehuman().mean
    moved = displacement(ShapeChange(no_nose=1.0), verts)
    nose = nose_vertices()
    elsewhere = torch.ones(len(verts), dtype=torch.bool)
    elsewhere[nose] = False
    assert moved[elsewhere].abs().max() == 0
    tip, lips = verts[nose, 2].max(), verts[makehuman().landmarks[51], 2]
    assert (verts + moved)[nose, 2].max() < 0.5 * (tip + lips)


def test_maps_are_those_of_a_linear_motion():
    points = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    linear = so3_exp(torch.tensor([0.1, -0.2, 0.3])) @ torch.diag(torch.tensor([1.2, 0.9, 1.0]))
    maps = local_maps(points[:50], points, points @ linear.T - points)
    assert torch.allclose(maps, linear.expand(50, 3, 3), atol=0.02)


def test_the_head_comes_nearer_to_the_person_in_that_shape(mara):
    for sentence in ("big eyes", "fat", "as an old man"):
        truth = mara.changed(sentence)
        head, capture = reshaped(mara.head, mara.capture, read_shape(sentence))
        true = mara.capture.camera.project(truth.landmarks(mara.t)[KEPT_66])
        before, after = (
            (mara.capture.camera.project(c.landmarks3d[mara.t]) - true).norm(dim=1).mean()
            for c in (mara.capture, capture)
        )
        assert after < 0.75 * before, sentence
        overlap = [mara.scores(h, truth)["outline"] for h in (mara.head, head)]
        assert overlap[1] < 1.05 * overlap[0], sentence
    assert len(SENTENCES) == 9


def test_landmarks_weights_and_expressions_follow(mara):
    change = read_shape("a longer neck, elf ears, big eyes")
    head, capture = reshaped(mara.head, mara.capture, change)
    shot = make_shots(mara.capture, None, [mara.t], 1)[0]
    eyes = slice(36, 48)
    apart = [shot_landmarks(h, shot)[eyes].std(0).sum() for h in (mara.head, head)]
    assert apart[1] > apart[0]
    seen = capture.camera.project(capture.landmarks3d[mara.t])[eyes].std(0).sum()
    assert seen > mara.capture.camera.project(mara.capture.landmarks3d[mara.t])[eyes].std(0).sum()
    w = [point_weights(h, landmark_set(c)) for h, c in ((mara.head, mara.capture), (head, capture))]
    assert not torch.equal(*w) and float((w[0] - w[1]).abs().mean()) < 0.02
    smile = capture.frame_pose(int(capture.beta.abs().sum(1).argmax()))
    shift = [h.shift(smile.beta, smile.pose) for h in (mara.head, head)]
    own = shift[1] - head.moved
    far = head.moved.norm(dim=1) < 1e-3
    assert (own[far] - shift[0][far]).abs().mean() < 5e-4


def test_changes_add_up_and_a_reshaped_head_is_read_back(mara, tmp_path):
    first, capture = reshaped(mara.head, mara.capture, read_shape("elf ears"))
    both, _ = reshaped(first, capture, read_shape("a hooked nose"))
    at_once, _ = reshaped(mara.head, mara.capture, read_shape("elf ears, a hooked nose"))
    assert (both.moved - at_once.moved).norm(dim=1).mean() < 2e-3
    both.save(tmp_path / "head.safetensors", "edited")
    again = GaussianHead.load(tmp_path / "head.safetensors")
    frame = capture.frame_pose(3)
    assert torch.equal(again.gaussians(frame).means.detach(), both.gaussians(frame).means.detach())


def test_an_edit_of_the_shape_alone_takes_no_step_and_a_prompt_goes_on_from_it(mara):
    editor = get_editor("paint")
    train, _ = mara.capture.split()
    views = ShippedRun(MARA).views()
    asked = EditSettings("", shape="elf ears", steps=3, frames=2)
    alone = edit_head(mara.head, mara.capture, views, editor, asked, train)
    assert alone.history == {} and alone.head.moved.abs().max() > 0.1
    both = edit_head(mara.head, mara.capture, views, editor, replace(asked, prompt="clown"), train)
    assert len(both.history["loss"]) == 3 and torch.equal(both.head.moved, alone.head.moved)
    assert not torch.equal(both.head.feature, alone.head.feature)
    with pytest.raises(RequestError, match="no change of shape"):
        EditSettings("clown", shape="a purple hat")
