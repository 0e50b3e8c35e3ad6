"""A face model that a person brought carries the whole road: expressions, landmarks, L_def, drivers
and sliders; the hull stays built in.
"""

import numpy as np
import pytest
import torch
from mini_models import columns, parts, write_flame

from stkit import face_models
from stkit.capture.capture import Capture
from stkit.capture.face_fit import with_face_model
from stkit.capture.preprocess import model_landmarks
from stkit.cli import main
from stkit.driving.live_link import write_live_link
from stkit.driving.mm3d import write_3dmm
from stkit.driving.motion import retarget, scripted
from stkit.driving.tracked import read_tracked
from stkit.editing.weights import landmark_set
from stkit.face_models.landmarks import KEPT_66, mouth_opening
from stkit.face_models.seated import Seated, first_seat
from stkit.face_models.transfer import carry_expressions, named_expression
from stkit.geometry import so3_exp
from stkit.heads.fit_mesh import LandmarkTeacher, MeshTraining, warm_up
from stkit.heads.mesh import MeshSettings, new_mesh_head
from stkit.metrics.pictures import nme
from stkit.runs.folders import runs_root
from stkit.runs.page import stand_ins

pytestmark = pytest.mark.usefixtures("one_torch_thread")
BUILTIN = face_models.get()


def write_cropped_basel(folder):
    """A Basel file that ends at the ears, in another frame of reference: tilted 6 degrees, a tenth
    larger, elsewhere.
    """
    import scipy.io

    mean, faces, identity, expression, marks = parts()
    keep = np.zeros(len(mean), bool)
    keep[(BUILTIN.part("skin") & (BUILTIN.mean[:, 2] > -0.2)).numpy()] = True
    keep[marks] = True
    faces = faces[keep[faces].all(1)]
    number = np.cumsum(keep) - 1
    R = so3_exp(torch.tensor([0.1, 0.0, 0.0])).numpy()

    def turn(x):
        return 1.1 * x[..., keep, :] @ R.T

    path = folder / "BFM_model_front.mat"
    data = {
        "meanshape": (turn(mean) + [0.3, -0.2, 4.0]).reshape(1, -1),
        "idBase": columns(turn(identity)),
        "exBase": columns(turn(expression)),
        "tri": number[faces] + 1,
        "keypoints": number[marks][None] + 1,
    }
    scipy.io.savemat(path, data)
    return path


@pytest.fixture(scope="module", params=["flame", "bfm2009"])
def brought(request, capture, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    path = (write_flame if request.param == "flame" else write_cropped_basel)(folder)
    train, _ = capture.split()
    out, losses = with_face_model(capture, f"{request.param}:{path}", train, steps=300)
    assert losses[-1] < 0.2 * losses[0]
    return out


def error(capture, points):
    eye = (capture.landmarks[:, 36, :2] - capture.landmarks[:, 45, :2]).norm(dim=1)
    return float(nme(capture.camera.project(points), capture.landmarks[:, KEPT_66, :2], eye).mean())


def own_mouth(capture):
    """Opening of the mouth (F,) by the capture's face model."""
    face = capture.face()
    return mouth_opening(face.points(face.landmarks, capture.identity, capture.beta))


def alike(a, b):
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def test_its_landmarks_fit_the_clip_at_the_depth_of_the_built_in_heads(brought, capture):
    assert error(brought, brought.landmarks3d) < 0.02
    assert error(brought, model_landmarks(brought)) < 0.05
    assert (brought.landmarks3d - capture.landmarks3d).norm(dim=-1).mean() < 0.03, (
        "3 mm: depth is the built-in head's"
    )
    assert alike(own_mouth(brought), own_mouth(capture)) > 0.95
    assert torch.equal(brought.pose, capture.pose) and brought.beta.shape == capture.beta.shape


def test_held_out_frames_change_neither_identity_nor_seat(capture, tmp_path):
    spec = f"bfm2009:{write_cropped_basel(tmp_path)}"
    train, _ = capture.split()
    n = len(train)
    moved = capture.landmarks.clone()
    moved[n:, :, :2] += 9.0
    from dataclasses import replace

    a, b = (
        with_face_model(c, spec, train, steps=30)[0]
        for c in (capture, replace(capture, landmarks=moved))
    )
    assert (
        torch.equal(a.identity, b.identity)
        and torch.equal(a.seat, b.seat)
        and not torch.equal(a.beta[n:], b.beta[n:])
    )


def test_a_seat_is_the_similarity_it_was_made_with():
    points = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    R = so3_exp(torch.tensor([0.2, -0.4, 0.1]))
    seat = first_seat(points, 0.7 * points @ R.T + torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(
        seat,
        torch.tensor([np.log(0.7), 0.2, -0.4, 0.1, 1.0, 2.0, 3.0], dtype=torch.float32),
        atol=1e-4,
        rtol=1e-4,
    )


def test_a_capture_keeps_its_face_model_on_disk(brought, capture, tmp_path):
    brought.save(tmp_path / "capture.npz")
    back = Capture.load(tmp_path / "capture.npz")
    assert back.face_model == brought.face_model and torch.equal(back.seat, brought.seat)
    torch.testing.assert_close(model_landmarks(back), model_landmarks(brought))
    torch.testing.assert_close(back.hull_verts(), capture.hull_verts())
    torch.testing.assert_close(back.subset([1, 2, 5]).hull_verts(), capture.hull_verts())
    capture.save(tmp_path / "plain.npz")
    assert Capture.load(tmp_path / "plain.npz").face_model == "makehuman"


def test_stage_two_starts_from_the_same_hull_and_learns_the_other_models_motion(brought, capture):
    settings = MeshSettings(width=32, pose_width=24, feature=16, cell=0.25)
    torch.manual_seed(0)
    ours, theirs = new_mesh_head(capture, settings), new_mesh_head(brought, settings)
    torch.testing.assert_close(ours.surface, theirs.surface)
    training = MeshTraining(warm_steps=900, deform_frames=3, surface_points=100)
    train = brought.split()[0]
    teacher = LandmarkTeacher(brought, train, training, torch.Generator().manual_seed(0))
    before = float(teacher.loss(theirs).detach())
    warm_up(theirs, teacher, training)
    assert float(teacher.loss(theirs).detach()) < 0.6 * before
    start, ones = theirs.landmarks, torch.ones(66)
    with torch.no_grad():
        learned = torch.stack(
            [
                start + theirs.deformation(start, ones, brought.beta[t], brought.pose[t])
                for t in train
            ]
        )

    def lips(x):
        return (
            x[:, 50, 1] - x[:, 55, 1]
        )  # outer lips among the 66; the inner ones meet in one place, which a field cannot tear

    face = brought.face()
    true = face.points(face.landmarks[KEPT_66], brought.identity, brought.beta[train])
    assert alike(lips(learned), lips(true)) > 0.9 and lips(learned).std() > 0.5 * lips(true).std()


def test_landmark_sets_and_names_exist_for_it(brought):
    dense = landmark_set(brought, "dense")
    assert (
        len(dense) > 100
        and (dense[66:] - landmark_set(brought, "66").mean(0)).norm(dim=1).max() < 1.5
    )
    assert (
        len(brought.face().expression_names) == 64
        and len(set(brought.face().expression_names)) == 64
    )


def test_heads_of_different_face_models_drive_each_other(brought, capture):
    there = retarget(capture, brought)
    face = brought.face()
    moved = mouth_opening(face.points(face.landmarks, brought.identity, there.beta))
    assert alike(moved, own_mouth(capture)) > 0.95
    back = retarget(brought, capture)
    moved = mouth_opening(BUILTIN.points(BUILTIN.landmarks, capture.identity, back.beta))
    assert alike(moved, own_mouth(capture)) > 0.95
    torch.testing.assert_close(retarget(brought, brought).beta, brought.beta)
    assert scripted(brought, 8).beta.shape == (8, 64)


def test_sliders_and_streams_speak_the_other_models_language(brought, capture, tmp_path):
    face = brought.face()
    beta = torch.stack([torch.zeros(64), named_expression({"jawOpen": 0.7}, face)])
    closed, opened = mouth_opening(
        face.points(face.landmarks, torch.zeros(len(face.identity)), beta)
    )
    assert opened > closed + 0.05
    torch.testing.assert_close(carry_expressions(capture.beta, BUILTIN, BUILTIN), capture.beta)
    write_live_link(brought, tmp_path / "talk.csv")
    back = read_tracked(tmp_path / "talk.csv")
    assert (
        alike(
            mouth_opening(
                BUILTIN.points(BUILTIN.landmarks, torch.zeros(len(BUILTIN.identity)), back.beta)
            ),
            own_mouth(capture),
        )
        > 0.9
    )
    write_3dmm(brought.subset([0, 3, 6, 9, 12]), tmp_path / "folder")
    again = read_tracked(tmp_path / "folder")

    def lips(beta):
        return (lambda x: x[:, 62, 1] - x[:, 66, 1])(
            BUILTIN.points(BUILTIN.landmarks, torch.zeros(len(BUILTIN.identity)), beta)
        )

    assert alike(lips(again.beta), lips(capture.beta[[0, 3, 6, 9, 12]])) > 0.9


def test_expressions_beyond_the_models_own_do_nothing():
    small = BUILTIN.only(BUILTIN.landmarks)
    seated = Seated(small, torch.zeros(7), BUILTIN.landmarks[:0])
    beta = torch.randn(2, 64, generator=torch.Generator().manual_seed(1))
    every = torch.arange(68)
    torch.testing.assert_close(
        seated.points(every, torch.zeros(len(BUILTIN.identity)), beta),
        small.points(every, torch.zeros(len(BUILTIN.identity)), beta),
    )


@pytest.mark.parametrize(
    ("spec", "says"),
    [("smpl", "'smpl'"), ("flame:/nowhere/flame.pkl", "/nowhere/flame.pkl"), ("flame", "flame")],
)
def test_a_missing_face_model_is_named_before_anything_runs(spec, says, capsys):
    assert main(["run", "synthetic", "--name", "x", "--face-model", spec]) == 2
    output = capsys.readouterr()
    assert says in output.err and output.out == "" and not runs_root().exists()


def test_notebooks_refuse_it(capsys, tmp_path):
    assert (
        main(
            [
                "run",
                "synthetic",
                "--face-model",
                f"bfm2009:{write_cropped_basel(tmp_path)}",
                "--notebooks",
            ]
        )
        == 2
    )
    assert "--notebooks" in capsys.readouterr().err


def test_a_page_names_the_stand_ins_that_a_run_used():
    context = {"source": "clip.mp4"}
    facts = {
        "face_model": "makehuman",
        "views_stand_in": "mesh-prior views instead of V3D",
        "stand_in": "paint instead of InstructPix2Pix",
    }
    assert len(stand_ins({"facts": facts, "computed_on": context})) == 3
    words = stand_ins({"facts": {**facts, "face_model": "flame"}, "computed_on": context})
    assert len(words) == 2 and "Basel" not in "".join(words)
    assert stand_ins({"facts": {"face_model": "flame"}, "computed_on": context}) == []
