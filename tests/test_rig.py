"""Many calibrated cameras: miniatures of both layouts, filmed by true cameras elsewhere."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from conftest import track
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit.cameras import front_camera, orbit_camera
from stkit.capture.colours import correct_colours
from stkit.capture.detect import still_landmarks
from stkit.capture.preprocess import PreprocessSettings
from stkit.capture.rig import calibration_files, load_rig, triangulate
from stkit.capture.rig_nersemble import NERSEMBLE
from stkit.editing.shots import make_shots
from stkit.face_models.landmarks import KEPT_66
from stkit.geometry import so3_exp, umeyama
from stkit.heads.fit_gaussians import GaussianTraining, fit_gaussians
from stkit.heads.fit_mesh import fit_mesh
from stkit.heads.gaussian import GaussianSettings
from stkit.heads.mesh import MeshSettings, new_mesh_head
from stkit.heads.mesh_training import MeshTraining
from stkit.io.video import VideoError, write_video
from stkit.metrics.pictures import iou, psnr
from stkit.studies.reproduce import rigs
from stkit.synthetic.subject import make_subject
from stkit.training import seeded

TALL, SIZE, FRAMES = 240, 192, 14
ANGLES = {"222200037": 0.0, "222200038": -30.0, "222200039": 30.0, "222200040": 55.0}
# from the kit's world to the dataset's, metres
TURN = torch.tensor([0.3, -0.2, 0.1])
SHIFT = torch.tensor([0.4, -1.0, 2.0])
SCALE = 0.1
MATRIX = np.array([[0.9, 0.05, 0.0], [0.02, 0.95, 0.0], [0.0, 0.0, 1.05]])


def abroad(camera):
    """The same camera for the dataset's world."""
    viewmat = torch.eye(4)
    viewmat[:3, :3] = camera.viewmat[:3, :3] @ so3_exp(TURN).T
    viewmat[:3, 3] = SCALE * camera.viewmat[:3, 3] - viewmat[:3, :3] @ SHIFT
    return viewmat


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """One subject filmed by four cameras, in both layouts; and the capture of the first camera's
    video.
    """
    root = tmp_path_factory.mktemp("nersemble") / "037"
    avatar = tmp_path_factory.mktemp("gaussian_head_avatar")
    sequence = root / "sequences" / "EMO-1-shout+laugh"
    subject, base = make_subject(3, FRAMES, seconds=FRAMES / 25), front_camera(SIZE)
    poses = {}
    for name, angle in ANGLES.items():
        camera = orbit_camera(base, angle)
        # the picture is taller than the part that shows the head
        frames = np.full((FRAMES, TALL, SIZE, 3), 255, np.uint8)
        for t in range(FRAMES):
            picture = (subject.render(t, camera)[0] * 255).round().byte().numpy()
            frames[t, 24 : 24 + SIZE] = picture
        K = camera.K.clone()
        K[1, 2] += 24
        poses[name] = abroad(camera)
        (sequence / "images").mkdir(parents=True, exist_ok=True)
        write_video(sequence / "images" / f"cam_{name}.mp4", frames, 25)
        for t in range(FRAMES):
            picture = avatar / "images" / f"{t:04d}" / f"image_{name}.png"
            file = avatar / "cameras" / f"{t:04d}" / f"camera_{name}.npz"
            picture.parent.mkdir(parents=True, exist_ok=True)
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(picture), frames[t, ..., ::-1])
            np.savez(file, intrinsic=K.numpy(), extrinsic=poses[name][:3].numpy())
    (root / "calibration").mkdir()
    K[:2] *= 3208 / TALL
    viewmats = {n: m.tolist() for n, m in poses.items()}
    parameters = {"world_2_cam": viewmats, "intrinsics": K.tolist()}
    (root / "calibration" / "camera_params.json").write_text(json.dumps(parameters))
    capture, _ = track(
        sequence / "images" / "cam_222200037.mp4",
        PreprocessSettings(size=SIZE, max_frames=FRAMES, fit_steps=250, refine_steps=200),
    )
    return sequence, avatar, capture


@pytest.mark.parametrize("layout", [0, 1])
def test_cameras_come_into_the_captures_world(filmed, layout):
    capture = filmed[2]
    rig = load_rig(filmed[layout], capture, count=5)
    assert rig.names == list(ANGLES)
    assert rig.images.shape == (5, 4, SIZE, SIZE, 3)
    assert rig.mattes.shape == (5, 4, SIZE, SIZE)
    at = torch.stack([c.centre() for c in rig.cameras])
    azimuths = torch.rad2deg(torch.atan2(at[:, 0], at[:, 2]))
    assert torch.allclose(azimuths - azimuths[0], torch.tensor(list(ANGLES.values())), atol=4)
    for k, t in enumerate(rig.frames):
        for v, camera in enumerate(rig.cameras[:3]):
            found = still_landmarks([rig.images[k, v]])[0]
            if found is not None:
                marks = torch.from_numpy(found[KEPT_66]).float()
                off = camera.project(capture.landmarks3d[t]) - marks
                # tracked landmarks lie on the face in every camera
                assert off.norm(dim=1).median() < 0.03 * SIZE
    assert 0.15 < rig.mattes[:, 0].mean() / 255 < 0.9


def test_more_cameras_teach_the_sides(filmed):
    capture = filmed[2]
    with seeded(0):
        head = new_mesh_head(capture, MeshSettings(width=16, pose_width=16, feature=8, cell=0.22))
    head.refresh()
    model = GaussianSettings(width=16, pose_width=16, feature=8, mouth_points=60, face_points=100)
    training = GaussianTraining(steps=120, lr_nets=2e-3, track_steps=0, track_from=2.0, model=model)
    rig = load_rig(filmed[0], capture, count=5)
    sides = {}
    for name, cameras in (("one camera", None), ("rig", rig)):
        learned, _, _ = fit_gaussians(
            capture, head, None, training, capture.split()[0], rig=cameras
        )
        shown = [
            (learned.render_frame(capture, rig.frames[k], rig.cameras[v]), rig.shot(k, v)[0])
            for k in (1, 3)
            for v in (1, 2)
        ]
        sides[name] = np.mean([psnr(a, b) for a, b in shown])
    assert sides["rig"] > sides["one camera"] + 1, sides


def test_more_cameras_teach_the_outline(filmed):
    capture = filmed[2]
    rig = load_rig(filmed[0], capture, count=5)
    model = MeshSettings(width=16, pose_width=16, feature=8, cell=0.22)
    training = MeshTraining(
        steps=40, coarse_cell=0.22, lr=2e-3, warm_steps=60, resolution=96, w_hold=0.0, model=model
    )
    overlap = {}
    for name, cameras in (("one camera", None), ("rig", rig)):
        head, history = fit_mesh(capture, training, capture.split()[0], rig=cameras)
        assert all(np.isfinite(history["loss"]))
        shown = [
            iou(head.render_frame(capture, rig.frames[k], rig.cameras[v]).mask, rig.shot(k, v)[1])
            for k in (1, 3)
            for v in (1, 2, 3)
        ]
        overlap[name] = np.mean(shown)
    assert overlap["rig"] > overlap["one camera"], overlap


def test_a_rigs_pictures_take_the_place_of_the_views(filmed):
    capture = filmed[2]
    rig = load_rig(filmed[0], capture, count=5)
    shots = make_shots(capture, None, capture.split()[0], 4, rig)
    others = shots[4:]
    assert len(shots) == 8 and len({s.name for s in shots}) == 8
    assert len({tuple(s.camera.viewmat.flatten().tolist()) for s in others}) == len(rig.cameras)
    for k, shot in enumerate(others):
        assert torch.equal(shot.original, rig.shot(k % 5, k % len(rig.cameras))[0])


def test_a_made_up_person_is_filmed_by_sixteen_cameras(tmp_path, monkeypatch):
    monkeypatch.setattr(rigs, "SIZE", 48)
    cameras = rigs.rig_cameras()
    at = torch.stack([c.centre() for c in cameras])
    azimuths = torch.rad2deg(torch.atan2(at[:, 0], at[:, 2]))
    assert len(cameras) == 16 and 90 < azimuths.max() - azimuths.min() < 96
    monkeypatch.setattr(rigs, "rig_cameras", lambda: cameras[:3])
    sequence = rigs.film_rig("synthetic:3", 2, tmp_path)
    assert rigs.film_rig("synthetic:3", 2, tmp_path) == sequence
    assert (sequence / "images" / rigs.TRACKED).exists()
    found = NERSEMBLE.read(sequence)
    assert found.names == ["00", "01", "02"]
    assert torch.allclose(found.viewmats[2], cameras[2].viewmat, atol=1e-6)
    assert found.read(0, [0.0])[0].shape == (48, 48, 3)


def test_bad_rigs_are_named(filmed, tmp_path):
    sequence, avatar, capture = filmed
    with pytest.raises(VideoError, match="none of the layouts"):
        load_rig(tmp_path, capture)
    copy = tmp_path / "037"
    shutil.copytree(sequence.parents[1], copy)
    again = copy / "sequences" / sequence.name
    parameters = json.loads((copy / "calibration" / "camera_params.json").read_text())
    for broken in (
        "{",
        "[]",
        json.dumps({"world_2_cam": {}}),
        json.dumps({**parameters, "intrinsics": [[1, 2], [3, 4]]}),
    ):
        (copy / "calibration" / "camera_params.json").write_text(broken)
        with pytest.raises(VideoError, match="calibration"):
            load_rig(again, capture)
    wrong = {
        **parameters,
        "world_2_cam": {
            n: np.array(parameters["world_2_cam"][m]).tolist()
            for n, m in zip(ANGLES, reversed(ANGLES))
        },
    }
    (copy / "calibration" / "camera_params.json").write_text(json.dumps(wrong))
    with pytest.raises(VideoError, match="miss the tracked ones"):
        load_rig(again, capture)
    (copy / "calibration" / "camera_params.json").write_text(json.dumps(parameters))
    for name in list(ANGLES)[1:]:
        (again / "images" / f"cam_{name}.mp4").unlink()
    with pytest.raises(VideoError, match="1 of the 4"):
        load_rig(again, capture)
    (again / "images" / "cam_222200038.mp4").write_bytes(b"no film")
    with pytest.raises(VideoError, match="cam_222200038.mp4"):
        load_rig(again, capture)
    other = tmp_path / "gha"
    shutil.copytree(avatar, other)
    (other / "cameras" / "0000" / "camera_222200038.npz").write_bytes(b"PK no archive")
    with pytest.raises(VideoError, match="camera_222200038.npz"):
        load_rig(other, capture)


def test_colour_matrices_act_in_linear_light():
    g = np.random.default_rng(0)
    image = g.integers(0, 255, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(correct_colours(image, np.eye(3)), image)
    for n in (5, 7, 8, 10, 11):
        assert np.array_equal(correct_colours(image, np.eye(3, n)), image)
        lift = np.eye(3, n)
        lift[:, -1] = 0.2  # the last term is 1: black becomes grey
        assert (
            correct_colours(np.zeros((1, 1, 3), np.uint8), lift)
            == round(255 * (1.055 * 0.2 ** (1 / 2.4) - 0.055))
        ).all()
    grey = np.full((1, 1, 3), 128, np.uint8)
    linear = ((128 / 255 + 0.055) / 1.055) ** 2.4
    want = 255 * (1.055 * (0.5 * linear) ** (1 / 2.4) - 0.055)
    assert abs(int(correct_colours(grey, 0.5 * np.eye(3))[0, 0, 0]) - want) <= 1
    with pytest.raises(ValueError, match="colour matrix"):
        correct_colours(image, np.eye(2))


def test_colour_calibration_is_applied(filmed, tmp_path):
    copy = tmp_path / "037"
    shutil.copytree(filmed[0].parents[1], copy)
    matrices = {n: MATRIX.tolist() for n in ANGLES}
    (copy / "calibration" / "color_calibration.json").write_text(json.dumps(matrices))
    folders = (filmed[0], copy / "sequences" / filmed[0].name)
    plain, corrected = (NERSEMBLE.read(folder).read(1, [0.0])[0] for folder in folders)
    assert np.array_equal(corrected, correct_colours(plain, MATRIX))
    assert not np.array_equal(corrected, plain)


def test_calibration_files_are_those_of_the_layout(filmed, tmp_path):
    sequence, avatar, _ = filmed
    calibration = sequence.parents[1] / "calibration"
    assert calibration_files(sequence) == [calibration / "camera_params.json"]
    files = calibration_files(avatar)
    assert len(files) == FRAMES * len(ANGLES)
    assert files == sorted(files)
    assert calibration_files(tmp_path / "nowhere") == []


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 50))
def test_similarity_and_triangulation_undo_what_was_done(seed, scale):
    g = torch.Generator().manual_seed(seed)
    points = torch.randn(20, 3, generator=g)
    R, shift = so3_exp(torch.randn(3, generator=g)), torch.randn(3, generator=g)
    found = umeyama(points, scale * points @ R.T + shift)
    assert torch.allclose(found[0], R, atol=1e-3) and abs(float(found[2]) / scale - 1) < 1e-3
    cameras = [orbit_camera(front_camera(64), a) for a in (-30.0, 0.0, 25.0)]
    pixels = torch.stack([c.project(points) for c in cameras])
    back = triangulate(
        pixels, torch.stack([c.viewmat for c in cameras]), torch.stack([c.K for c in cameras])
    )
    assert torch.allclose(back, points, atol=2e-3)
