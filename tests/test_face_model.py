import pytest
import torch

from stkit import face_models
from stkit.face_models.landmarks import KEPT_66, MEDIAPIPE_68, mouth_opening


@pytest.fixture(scope="module")
def head():
    return face_models.get("builtin")


def test_shapes_and_landmark_counts(head):
    V = len(head.mean)
    assert head.identity.shape == (80, V, 3) and head.expression.shape == (64, V, 3)
    assert head.landmarks.shape == (68,) and len(KEPT_66) == 66 and len(set(MEDIAPIPE_68)) == 68
    assert len(head.dense) > 400 and int(head.faces.max()) < V
    assert 48 not in KEPT_66 and 54 not in KEPT_66


def test_proportions_of_an_adult_in_decimetres(head):
    skin = head.mean[head.part("skin")]
    face = head.mean[head.landmarks]
    width = face[16, 0] - face[0, 0]
    assert 1.2 < width < 1.7
    assert 2.1 < skin[:, 1].max() - face[8, 1] < 2.6  # chin to crown
    assert (
        0.5 < face[42:48, 0].mean() - face[36:42, 0].mean() < 0.75
    )  # distance between the eyes' middles
    assert face[30, 2] > face[27, 2] + 0.1  # the nose points forward


def test_landmarks_lie_in_their_order(head):
    p = head.mean[head.landmarks]
    assert p[36, 0] < 0 < p[45, 0], "36 is the subject's right eye"
    assert (p[17:27, 0].diff() > 0).all() and (p[27:31, 1].diff() < 0).all()
    assert p[62, 1] >= p[66, 1] and p[51, 1] > p[57, 1]
    mirrored = p[[45, 39, 54, 35]] * torch.tensor([-1.0, 1, 1])
    assert (mirrored - p[[36, 42, 48, 31]]).norm(dim=1).max() < 0.04


def move(head, name, amount):
    beta = torch.zeros(64)
    beta[head.expression_names.index(name)] = amount
    return head.verts(torch.zeros(80), beta)[head.landmarks]


def test_named_expressions_do_what_they_say(head):
    rest = head.mean[head.landmarks]
    assert mouth_opening(move(head, "jaw_open", 2.0)) > mouth_opening(rest) + 0.2
    closed = move(head, "blink_left", 3.0)
    assert (closed[43, 1] - closed[47, 1]) < 0.35 * (rest[43, 1] - rest[47, 1])
    assert (closed[37] - rest[37]).norm() < 1e-3, "the right eye stays open"
    smile = move(head, "smile_left", 2.0)
    assert smile[54, 0] > rest[54, 0] + 0.03 and smile[54, 1] > rest[54, 1] + 0.03
    assert move(head, "brow_outer_up_right", 2.0)[18, 1] > rest[18, 1] + 0.03


def test_fine_directions_are_orthogonal_to_the_named(head):
    E = torch.nn.functional.normalize(
        head.expression[:, head.part("skin")].flatten(1).double(), dim=1
    )
    fine = torch.tensor([n.startswith("regional") for n in head.expression_names])
    product = E @ E.T
    assert (product[fine][:, fine] - torch.eye(int(fine.sum()))).abs().max() < 1e-4
    assert product[fine][:, ~fine].abs().max() < 1e-4


def test_upper_teeth_and_eyes_do_not_move_with_the_jaw(head):
    beta = torch.zeros(64)
    beta[head.expression_names.index("jaw_open")] = 2.0
    change = (head.verts(torch.zeros(80), beta) - head.mean).norm(dim=1)
    assert change[head.part("teeth_upper", "eye_l", "eye_r")].max() == 0
    assert change[head.part("teeth_lower")].min() > 0.05


def test_an_unknown_model_is_named():
    with pytest.raises(ValueError, match="builtin"):
        face_models.get("basel")


def test_a_damaged_cached_head_is_named_deleted_and_made_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("STKIT_CACHE", str(tmp_path))
    whole = face_models.BuiltinHead.load()
    (cached,) = tmp_path.glob("builtin_head-*.safetensors")
    size = cached.stat().st_size
    cached.write_bytes(cached.read_bytes()[: size // 2])
    again = face_models.BuiltinHead.load()
    assert str(cached) in capsys.readouterr().out
    assert cached.stat().st_size == size and list(tmp_path.iterdir()) == [cached]
    assert torch.equal(again.mean, whole.mean) and torch.equal(again.expression, whole.expression)


def test_the_builtin_head_is_loaded_once():
    assert face_models.get() is face_models.builtin() is face_models.get("builtin")
