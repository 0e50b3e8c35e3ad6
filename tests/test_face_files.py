"""Loaders of licensed face models, on miniatures in the same formats; one fitter serves them all;
hostile files do nothing.
"""

import os
import pickle
import shutil

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mini_models import (
    WRITERS,
    clip_of_points,
    parts,
    write_basel2009_folder,
    write_basel2017,
    write_flame,
)

from stkit import face_models
from stkit.capture.fitting import fit_clip
from stkit.capture.landmark_terms import FitSettings, posed_points
from stkit.face_models.detector import DetectorError
from stkit.face_models.files import guo_expressions
from stkit.face_models.landmarks import MEDIAPIPE_68, mouth_opening


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Every miniature, written once."""
    out = {}
    for kind, write in WRITERS.items():
        folder = tmp_path_factory.mktemp(kind)
        out[kind] = write(folder)
    out["folder"] = write_basel2009_folder(tmp_path_factory.mktemp("raw"))
    return out


def test_every_loader_gives_back_the_head_in_canonical_space(files):
    mean, faces, identity, expression, marks = parts()
    builtin = face_models.get()
    for kind, path in [*((k, files[k]) for k in WRITERS), ("bfm2009", files["folder"])]:
        m = face_models.get(f"{kind}:{path}")
        assert (m.mean - builtin.mean).abs().max() < 2e-3, kind
        assert torch.equal(m.faces, builtin.faces) and torch.equal(
            m.landmarks, builtin.landmarks
        ), kind
        z = torch.zeros(len(m.identity))
        z[:3] = torch.tensor([1.0, -2.0, 0.5])
        want = builtin.verts(torch.nn.functional.pad(z, (0, 91))[:91])
        assert (m.verts(z) - want).abs().max() < 3e-3, kind
        assert m.betas == {"bfm2009": 64, "bfm2017": 64, "faceverse": 52, "flame": 59}[kind]


def test_the_jaw_of_flame_opens_the_mouth_and_shuts_again(files):
    m = face_models.get(f"flame:{files['flame']}")
    beta = torch.zeros(3, 59)
    beta[1, 50], beta[2, 50] = 0.2, 0.4
    opening = mouth_opening(m.points(m.landmarks, torch.zeros(100), beta))
    assert opening[0] < opening[1] < opening[2]
    still = m.points(torch.arange(len(m.mean)), torch.zeros(100), beta[:1])[0]
    torch.testing.assert_close(still, m.mean, atol=1e-5, rtol=0)


def test_flame_reads_both_landmark_embeddings(files, tmp_path):
    other = face_models.get(f"flame:{write_flame(tmp_path, split_embedding=True)}")
    assert torch.equal(other.landmarks, face_models.get(f"flame:{files['flame']}").landmarks)


def test_landmarks_are_carried_to_a_face_that_has_none(tmp_path):
    m = face_models.get(f"bfm2017:{write_basel2017(tmp_path, landmarks=False)}")
    builtin = face_models.get()
    off = (m.mean[m.landmarks] - builtin.mean[builtin.landmarks]).norm(dim=1)
    assert off.median() < 0.02, "median more than 2 mm off on its own mean face"


@pytest.mark.parametrize("kind", WRITERS)
def test_one_fitter_serves_them_all_within_four_percent(files, kind):
    points, camera, subject = clip_of_points()
    m = face_models.get(f"{kind}:{files[kind]}")
    fit = fit_clip(points, camera, m, FitSettings(steps=500))
    assert fit.nme.mean() < 0.04, f"{kind}: {fit.nme.mean():.3f}"
    world = posed_points(m, m.landmarks, fit.identity, fit.scale, fit.beta, fit.pose)
    true = torch.stack([subject.landmarks(t) for t in range(len(points))])
    assert torch.corrcoef(torch.stack([mouth_opening(world), mouth_opening(true)]))[0, 1] > 0.9


def test_unknown_and_missing_models_are_named():
    with pytest.raises(ValueError, match="'smpl'.*makehuman, bfm2009"):
        face_models.get("smpl")
    with pytest.raises(FileNotFoundError, match="/nowhere/x.pkl"):
        face_models.get("flame:/nowhere/x.pkl")


class Evil:
    """What an attacker would put in a pickle."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


class EvalEvil(Evil):
    def __reduce__(self):
        return eval, (f"open({str(self.marker)!r}, 'w')",)


class ExecNested(Evil):
    def __reduce__(self):
        return dict, ([("v_template", Evil(self.marker))],)


HOSTILE = {
    "system": Evil,
    "eval": EvalEvil,
    "nested": ExecNested,
    "getattr": lambda m: (
        b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR(S'touch " + str(m).encode() + b"'\ntR."
    ),
    "posix": lambda m: b"cposix\nsystem\n(S'touch " + str(m).encode() + b"'\ntR.",
    "subprocess": lambda m: (
        b"csubprocess\ncheck_output\n((lS'touch'\naS'" + str(m).encode() + b"'\natR."
    ),
    "build": lambda m: b"ccollections\nOrderedDict\n)R}(S'__class__'\ncos\nsystem\nub.",
    "huge-array": lambda m: (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I999999999999\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS''\ntb."
    ),
    "huge-bytes": lambda m: b"cbuiltins\nbytearray\n(I99999999999999\ntR.",
    "short-array": lambda m: (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I7\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'abc'\ntb."
    ),
    "deep": lambda m: b"(" * 200_000 + b"l" * 200_000 + b".",
    "empty": lambda m: b"",
    "text": lambda m: b"<!DOCTYPE html><title>404</title>",
    "lfs": lambda m: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "stop": lambda m: b".",
    "memo": lambda m: b"h\xff.",
    "persistent": lambda m: b"Pid\n.",
    "extension": lambda m: b"\x82\x01.",
    "number": lambda m: pickle.dumps(7),
    "list": lambda m: pickle.dumps([1, 2]),
    "wrong-keys": lambda m: pickle.dumps({"a": np.zeros(3)}),
    "strings": lambda m: pickle.dumps({"v_template": "x", "shapedirs": "y"}),
    "cycle": lambda m: b"(lp0\ng0\na.",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["flame", "faceverse", "bfm2009", "bfm2017"])
def test_hostile_files_are_refused_by_name_and_never_run(tmp_path, kind, name):
    marker = tmp_path / "ran"
    made = HOSTILE[name](marker)
    data = made if isinstance(made, bytes) else pickle.dumps(made)
    suffix = {"flame": "pkl", "faceverse": "npy", "bfm2009": "mat", "bfm2017": "h5"}[kind]
    path = tmp_path / f"bad.{suffix}"
    if kind == "faceverse":
        header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
        header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
        data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data
    path.write_bytes(data)
    with pytest.raises(ValueError, match="bad"):
        face_models.get(f"{kind}:{path}")
    assert not marker.exists()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(["faceverse", "bfm2009", "bfm2017", "flame"]),
    cut=st.integers(0, 99),
    flips=st.lists(st.tuples(st.floats(0, 0.99999), st.integers(0, 255)), max_size=8),
)
def test_damaged_files_load_or_say_so(small, tmp_path, kind, cut, flips):
    path = tmp_path / small[kind].name
    shutil.copytree(small[kind].parent, tmp_path, dirs_exist_ok=True)
    data = bytearray(small[kind].read_bytes())
    head = min(len(data), 4096)  # damage where the structure is
    for where, value in flips:
        data[int(where * head)] = value
    path.write_bytes(data[: len(data) - cut * len(data) // 100] if cut % 3 == 0 else data)
    face_models.get.cache_clear()
    try:
        face_models.get(f"{kind}:{path}")
    except ValueError as e:
        assert path.name in str(e)  # noqa: PT017  (many files load in spite of the damage)


@pytest.fixture(scope="module")
def small(files, tmp_path_factory):
    """Heads of the real miniatures: the first 200 kB, enough for headers; every one of them is
    damaged already.
    """
    out = {}
    for kind in WRITERS:
        folder = tmp_path_factory.mktemp("small-" + kind)
        path = folder / files[kind].name
        path.write_bytes(files[kind].read_bytes()[:200_000])
        out[kind] = path
    return out


def test_guo_expressions_say_what_is_wrong(tmp_path):
    for data in (
        b"",
        b"\x00" * 3,
        np.array([64], "<i4").tobytes() + b"\x00" * 10,
        np.array([-1], "<i4").tobytes() + b"\x00" * 12,
    ):
        (tmp_path / "Exp_Pca.bin").write_bytes(data)
        with pytest.raises(ValueError, match="Exp_Pca.bin"):
            guo_expressions(tmp_path / "Exp_Pca.bin")


def test_lids_close_as_far_as_the_landmarks_say_although_each_landmark_is_off(monkeypatch):
    """A face mesh's landmarks sit up to some pixels off, in every frame alike: what tells a blink
    is the gap.
    """
    points, camera, _ = clip_of_points()
    points = points + np.random.default_rng(0).normal(0, 1.5, points[0].shape)
    m = face_models.get()
    points_known = len(m.landmarks) + len(m.dense)
    monkeypatch.setattr(type(m), "detector", DetectorError.none(points_known))  # as these are

    def lids(x):
        return np.linalg.norm(x[:, [37, 43]] - x[:, [41, 47]], axis=-1).mean(1)

    slopes = []
    for gap in (0.0, FitSettings.w_gap):
        fit = fit_clip(points, camera, m, FitSettings(steps=300, w_gap=gap))
        seen = camera.project(
            posed_points(m, m.landmarks, fit.identity, fit.scale, fit.beta, fit.pose)
        ).numpy()
        slopes.append(np.polyfit(lids(points[:, MEDIAPIPE_68]), lids(seen), 1)[0])
    assert slopes[1] > 0.8 and slopes[1] > slopes[0], slopes
