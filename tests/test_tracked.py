"""Tracked parameters in other people's formats drive a head of ours with the right mouth; wrong
files say what is wrong.
"""

import json

import numpy as np
import pytest
import torch
from mini_models import write_basel2009, write_flame

from stkit import face_models
from stkit.capture.capture import Capture
from stkit.driving.arkit import arkit_names
from stkit.driving.bfm_sequence import read_bfm_sequence
from stkit.driving.flame_folders import read_flame_folder
from stkit.driving.flame_sequence import read_flame_sequence, write_flame_sequence
from stkit.driving.live_link import write_live_link
from stkit.driving.mm3d import write_3dmm
from stkit.driving.motion import play, retarget
from stkit.driving.tracked import is_tracked, read_tracked, tracked_capture
from stkit.errors import RequestError
from stkit.face_models.landmarks import mouth_opening
from stkit.geometry import so3_exp
from stkit.runs.source import Source

HEAD = face_models.get()
NAMES = HEAD.expression_names


def opening(beta):
    return mouth_opening(HEAD.points(HEAD.landmarks, torch.zeros(len(HEAD.identity)), beta))


def alike(a, b):
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def test_arkits_names_are_the_heads_own_and_left_is_the_subjects():
    assert len(set(arkit_names())) == 52
    for name, sign in (("jawLeft", 1), ("jawRight", -1), ("mouthLeft", 1), ("mouthRight", -1)):
        beta = torch.zeros(2, 64)
        beta[0, NAMES.index(name)] = 1.0
        lips = HEAD.points(HEAD.landmarks[48:], torch.zeros(len(HEAD.identity)), beta)
        assert sign * float((lips[0] - lips[1])[:, 0].mean()) > 0, name


def test_an_arkit_stream_moves_a_head_of_ours(capture, tmp_path):
    frames = 12
    jaw = np.abs(np.sin(np.arange(frames))) * 0.8
    stream = {
        "exportFps": 24,
        "facsNames": ["jawOpen", "eyeBlinkLeft", "unknownShape"],
        "weightMat": np.stack([jaw, 0 * jaw, jaw], 1).tolist(),
    }
    (tmp_path / "talk.json").write_text(json.dumps(stream))
    driver = tracked_capture(tmp_path / "talk.json", 96, frames)
    assert len(driver) == frames and float(driver.times[1]) == pytest.approx(1 / 24)
    assert alike(mouth_opening(driver.landmarks[..., :2]), torch.from_numpy(jaw).float()) > 0.98
    motion = retarget(driver, capture)
    assert alike(opening(motion.beta), torch.from_numpy(jaw).float()) > 0.95
    assert driver.image(0).shape == (96, 96, 3) and 0.1 < driver.matte(0).mean() < 0.9
    driver.save(tmp_path / "capture.npz")
    assert Capture.load(tmp_path / "capture.npz").neutral == driver.neutral


def test_a_flame_sequence_opens_the_same_mouth(tmp_path):
    model = face_models.get(f"flame:{write_flame(tmp_path)}")
    frames = 16
    jaw = np.zeros((frames, 3), np.float32)
    jaw[:, 0] = 0.25 * (1 - np.cos(np.arange(frames) * 0.9)) / 2
    rotation = np.zeros((frames, 3), np.float32)
    rotation[:, 1] = np.linspace(0.4, 0.9, frames)
    np.savez(
        tmp_path / "walk.npz",
        expr=np.zeros((frames, 100), np.float32),
        jaw_pose=jaw,
        rotation=rotation,
    )
    read = read_flame_sequence(tmp_path / "walk.npz", model)
    beta = torch.zeros(frames, 59)
    beta[:, 50:53] = torch.from_numpy(jaw)
    theirs = mouth_opening(model.points(model.landmarks, torch.zeros(100), beta))
    assert alike(opening(read.beta), theirs) > 0.99
    assert (opening(read.beta) - theirs).abs().max() < 0.03
    assert float(read.rotation[0].norm()) < 1e-6 and float(read.rotation[-1, 1]) == pytest.approx(
        0.5, abs=1e-4
    )


def flame_frames(count: int = 6) -> dict[str, np.ndarray]:
    """A jaw that opens while the head turns to the subject's left."""
    jaw, rotation = np.zeros((count, 3), np.float32), np.zeros((count, 3), np.float32)
    jaw[:, 0] = np.linspace(0, 0.3, count)
    rotation[:, 1] = np.linspace(0, 0.4, count)
    eyes = np.zeros((count, 6), np.float32)
    return {
        "expr": np.zeros((count, 50), np.float32),
        "jaw_pose": jaw,
        "eyes_pose": eyes,
        "rotation": rotation,
    }


def write_vhap(folder, frames):
    """VHAP's export: a file a frame, each array with one row."""
    (folder / "flame_param").mkdir(parents=True)
    for t in range(len(frames["expr"])):
        row = {name: x[t : t + 1] for name, x in frames.items()}
        shape = np.zeros(300, np.float32)
        np.savez(folder / "flame_param" / f"{t:05}.npz", **row, shape=shape)


def write_metrical(folder, frames):
    """metrical-tracker: torch.save of a frame. The head stays and the camera goes around it: for a
    head that turns by an angle, PyTorch3D's camera stands at (-sin, 0, cos) and looks at it.
    """
    (folder / "checkpoint").mkdir(parents=True)
    matrices = so3_exp(torch.from_numpy(frames["jaw_pose"]))
    for t, angle in enumerate(frames["rotation"][:, 1]):
        place = np.array([-np.sin(angle), 0.0, np.cos(angle)])
        forward = -place
        left = np.cross([0.0, 1.0, 0.0], forward)
        R = np.stack([left, np.cross(forward, left), forward], 1)[None]
        still = np.tile(np.eye(3)[:2].reshape(1, 6), (1, 2))
        flame = {
            "exp": frames["expr"][t : t + 1],
            "jaw": matrices[t, :2].reshape(1, 6).numpy(),
            "eyes": still.astype(np.float32),
            "eyelids": np.zeros((1, 2), np.float32),
        }
        frame = {"flame": flame, "camera": {"R": R.astype(np.float32)}, "frame_id": t}
        torch.save(frame, folder / "checkpoint" / f"{t:05}.frame")


def write_emoca(folder, frames):
    """EMOCA's codes: a folder a frame."""
    for t in range(len(frames["expr"])):
        place = folder / f"{t:06}_000"
        place.mkdir(parents=True)
        np.save(place / "exp.npy", frames["expr"][t])
        pose = np.concatenate([frames["rotation"][t], frames["jaw_pose"][t]])
        np.save(place / "pose.npy", pose)


@pytest.mark.parametrize("write", [write_vhap, write_metrical, write_emoca])
def test_folders_of_flame_trackers_say_the_same(write, tmp_path):
    model = face_models.get(f"flame:{write_flame(tmp_path)}")
    frames = flame_frames()
    write(tmp_path / "theirs", frames)
    assert is_tracked(tmp_path / "theirs")
    read = read_flame_folder(tmp_path / "theirs", model)
    np.savez(tmp_path / "same.npz", **frames)
    wanted = read_flame_sequence(tmp_path / "same.npz", model)
    torch.testing.assert_close(read.beta, wanted.beta, atol=1e-4, rtol=0)
    torch.testing.assert_close(read.rotation, wanted.rotation, atol=1e-5, rtol=0)
    assert float(read.rotation[-1, 1]) == pytest.approx(0.4, abs=1e-4)


def test_decas_codes_and_ours_written_for_flame(capture, tmp_path):
    model = face_models.get(f"flame:{write_flame(tmp_path)}")
    frames = flame_frames()
    pose = np.concatenate([frames["rotation"], frames["jaw_pose"]], 1)
    np.savez(tmp_path / "deca.npz", exp=frames["expr"], pose=pose)
    read = read_flame_sequence(tmp_path / "deca.npz", model)
    assert float(read.rotation[-1, 1]) == pytest.approx(0.4, abs=1e-4)
    write_flame_sequence(capture, tmp_path / "ours.npz", model)
    back = read_flame_sequence(tmp_path / "ours.npz", model)
    assert alike(opening(back.beta), opening(capture.beta)) > 0.9
    first = so3_exp(capture.pose[0, :3])
    turned = so3_exp(back.rotation) @ first
    torch.testing.assert_close(turned, so3_exp(capture.pose[:, :3]), atol=1e-4, rtol=0)


def test_results_of_mediapipe_move_a_head(tmp_path):
    angle = 0.3
    turn = np.eye(4)
    turn[:3, :3] = so3_exp(torch.tensor([0.0, angle, 0.0])).numpy()

    def result(jaw: float, matrix: np.ndarray) -> dict:
        categories = [{"categoryName": "jawOpen", "score": jaw, "index": 25}]
        transformation = {"rows": 4, "columns": 4, "data": matrix.T.ravel().tolist()}
        shapes = [{"categories": categories}]
        return {"faceBlendshapes": shapes, "facialTransformationMatrixes": [transformation]}

    empty = {"faceBlendshapes": [], "facialTransformationMatrixes": []}
    results = [result(0.0, np.eye(4)), result(0.7, turn), empty, result(0.2, turn)]
    (tmp_path / "face.json").write_text(json.dumps(results))
    read = read_tracked(tmp_path / "face.json")
    jaw = read.beta[:, NAMES.index("jawOpen")]
    torch.testing.assert_close(jaw, torch.tensor([0.0, 0.7, 0.7, 0.2]))
    torch.testing.assert_close(read.rotation[1], torch.tensor([0.0, angle, 0.0]))
    (tmp_path / "face.json").write_text(json.dumps([empty]))
    with pytest.raises(RequestError, match=r"face\.json.*no frame shows a face"):
        read_tracked(tmp_path / "face.json")


def test_three_dmm_folders_are_read_exactly_or_through_their_landmarks(capture, tmp_path):
    write_3dmm(capture, tmp_path / "ours")
    assert is_tracked(tmp_path / "ours")
    read = read_tracked(tmp_path / "ours")
    torch.testing.assert_close(read.beta, capture.beta)
    torch.testing.assert_close(read.rotation, capture.pose[:, :3])
    (tmp_path / "ours" / "stkit.json").unlink()
    theirs = read_tracked(tmp_path / "ours")
    still = capture.beta[
        int(capture.beta.norm(dim=1).argmin())
    ]  # theirs counts from the calmest frame
    assert alike(opening(theirs.beta + still), opening(capture.beta)) > 0.95
    with np.load(tmp_path / "ours" / "params" / "0000" / "params.npz") as data:
        assert {k: data[k].shape for k in data} == {
            "id_coeff": (1, len(HEAD.identity)),
            "exp_coeff": (1, 64),
            "scale": (1,),
            "pose": (1, 6),
        }
    assert np.load(tmp_path / "ours" / "params" / "0000" / "lmk_3d.npy").shape == (66, 3)


def test_a_genuine_three_dmm_folder_holds_nothing_but_params(capture, tmp_path):
    write_3dmm(capture.subset([0, 4, 8, 12]), tmp_path / "theirs")
    (tmp_path / "theirs" / "stkit.json").unlink()
    for frame in (tmp_path / "theirs" / "params").iterdir():
        (frame / "vertices.npy").unlink()  # only written on demand
    assert is_tracked(tmp_path / "theirs")
    assert Source.parse(str(tmp_path / "theirs")).kind == "coefficients"
    assert len(tracked_capture(tmp_path / "theirs", 64, 8)) == 4
    (tmp_path / "pictures").mkdir()
    assert not is_tracked(tmp_path / "pictures")


CSV = "Timecode,BlendshapeCount,JawOpen,HeadYaw\n"
WRONG = {
    "empty.csv": (b"", "empty.csv"),
    "header.csv": (CSV.encode(), "no rows"),
    "text.csv": (CSV.encode() + b"a,61,open,0\n" * 4, "text.csv"),
    "nan.csv": (CSV.encode() + b"a,61,nan,0\n" * 4, "not finite"),
    "other.csv": (b"x,y\n1,2\n1,2\n1,2\n", "blendshape"),
    "short.csv": (CSV.encode() + b"a,61,0.1,0\n", "at least 3"),
    "binary.csv": (bytes(range(256)), "binary.csv"),
    "empty.json": (b"", "empty.json"),
    "list.json": (b"[1]", "list.json"),
    "keys.json": (b"{}", "keys.json"),
    "ragged.json": (b'{"facsNames": ["jawOpen"], "weightMat": [[1], [1, 2]]}', "ragged.json"),
    "wide.json": (b'{"facsNames": ["jawOpen"], "weightMat": [[1, 2]]}', "wide.json"),
    "rate.json": (b'{"facsNames": ["jawOpen"], "weightMat": [[1]], "exportFps": 0}', "rate.json"),
    "huge.json": (b'{"facsNames": ["jawOpen"], "weightMat": [[1e300]]}', "larger than 100"),
    "film.mp4": (b"", "no known kind"),
    "text.npz": (b"no zip", "text.npz"),
    "empty.npz": (b"", "empty.npz"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_are_named(tmp_path, name):
    data, says = WRONG[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=f"(?s){name}.*|{says}") as e:
        tracked_capture(tmp_path / name, 64, 8)
    assert says in str(e.value) and name in str(e.value)


@pytest.mark.parametrize("what", ["none", "pose", "scale", "marks", "pickled"])
def test_wrong_three_dmm_folders_are_named(capture, tmp_path, what):
    folder = tmp_path / "track"
    if what == "none":
        (folder / "params").mkdir(parents=True)
    else:
        write_3dmm(capture.subset([0, 1, 2]), folder)
        (folder / "stkit.json").unlink()
        frame = folder / "params" / "0001"
        good = dict(
            id_coeff=np.zeros((1, 80)),
            exp_coeff=np.zeros((1, 64)),
            scale=np.ones(1),
            pose=np.zeros((1, 6)),
        )
        if what == "pose":
            np.savez(frame / "params.npz", **{**good, "pose": np.zeros((1, 3))})
        elif what == "scale":
            np.savez(frame / "params.npz", **{**good, "scale": np.zeros(1)})
        elif what == "marks":
            np.save(frame / "lmk_3d.npy", np.zeros((68, 3)))
        else:
            np.save(frame / "lmk_3d.npy", np.array({"a": 1}, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="track"):
        read_tracked(folder)


def test_a_head_plays_what_a_file_says(gaussians, capture, tmp_path):
    write_live_link(capture, tmp_path / "talk.csv")
    driver = tracked_capture(tmp_path / "talk.csv", capture.size, 6)
    frames = play(gaussians, capture, retarget(driver, capture))
    assert frames.shape == (6, capture.size, capture.size, 3) and frames[0].std() > 10


def bfm_rows(frames: int = 8) -> np.ndarray:
    """Expressions (F, 64) of a miniature of Basel 2009 that open and close."""
    rows = np.zeros((frames, 64), np.float32)
    rows[:, 0] = np.abs(np.sin(np.arange(frames)))
    return rows


def as_deep3d(rows: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Rows (F, 257) as Deep3DFaceRecon leaves them."""
    full = np.zeros((len(rows), 257), np.float32)
    full[:, 80:144], full[:, 225] = rows, yaw
    return full


def test_rows_of_sadtalker_and_deep3d_say_the_same(tmp_path):
    import scipy.io

    model = face_models.get(f"bfm2009:{write_basel2009(tmp_path)}")
    rows, yaw = bfm_rows(), np.linspace(0.1, 0.3, 8).astype(np.float32)
    sadtalker = np.concatenate([rows, np.zeros((8, 6), np.float32)], 1)
    sadtalker[:, 65] = yaw
    scipy.io.savemat(tmp_path / "a.mat", {"coeff_3dmm": sadtalker})
    np.save(tmp_path / "b.npy", as_deep3d(rows, yaw))
    np.save(tmp_path / "c.npy", {"coeff": as_deep3d(rows, yaw), "lm68": 0}, allow_pickle=True)
    apart = {"exp": rows, "angle": np.stack([0 * yaw, yaw, 0 * yaw], 1)}
    scipy.io.savemat(tmp_path / "d.mat", apart)
    read = [read_bfm_sequence(tmp_path / n, model) for n in ("a.mat", "b.npy", "c.npy", "d.mat")]
    for other in read[1:]:
        assert torch.allclose(read[0].beta, other.beta, atol=1e-5)
        assert torch.allclose(read[0].rotation, other.rotation, atol=1e-5)
    assert torch.allclose(read[0].rotation[-1], torch.tensor([0.0, 0.2, 0.0]), atol=1e-5)
    assert read[0].beta[2].abs().max() > 0.01
    assert read[0].rotation[0].abs().max() < 1e-6
    assert is_tracked(tmp_path / "a.mat")
    assert is_tracked(tmp_path / "b.npy")


@pytest.mark.parametrize(
    "rows", [np.zeros((4, 65)), np.zeros((2, 3, 64)), np.full((4, 64), np.nan)]
)
def test_rows_that_are_none_are_refused_by_name(tmp_path, rows):
    model = face_models.get(f"bfm2009:{write_basel2009(tmp_path)}")
    np.save(tmp_path / "bad.npy", rows)
    with pytest.raises(ValueError, match="bad.npy"):
        read_bfm_sequence(tmp_path / "bad.npy", model)


def test_an_array_of_objects_runs_nothing(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="evil.npy"):
        read_bfm_sequence(tmp_path / "evil.npy")
