"""Every reader of files that somebody else may have made, each with a small valid file."""

import csv
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.io
import torch
from PIL import Image

from stkit import face_models
from stkit.capture.capture import Track
from stkit.capture.rig_gaussian_head_avatar import _camera
from stkit.driving.arkit import arkit_names
from stkit.driving.audio2face import read_audio2face, write_audio2face
from stkit.driving.bfm_sequence import read_bfm_sequence
from stkit.driving.flame_folders import read_flame_folder
from stkit.driving.flame_sequence import read_flame_sequence
from stkit.driving.live_link import read_live_link
from stkit.driving.live_link_stream import decode, encode
from stkit.driving.mediapipe_sequence import read_mediapipe
from stkit.driving.mm3d import read_3dmm
from stkit.export.marks import beside, mark, verify
from stkit.export.ply import read_ply, write_ply
from stkit.export.statement import Statement
from stkit.heads.gaussian import GaussianHead, GaussianSettings
from stkit.io.checkpoint import load_checkpoint
from stkit.io.checkpoint_legacy import load_legacy_checkpoint
from stkit.io.insta import read_insta
from stkit.io.safe_pickle import load_npy, load_pickle
from stkit.io.tensors import load_tree, save_tree, write_json
from stkit.io.video import read_photo, read_video, write_video
from stkit.render.gaussians import Gaussians
from stkit.runs import shipped
from stkit.runs.dialogue import read_script
from stkit.runs.page import write_page
from stkit.runs.store import Artifact, Recipe
from stkit.studies.sweeps.spec import read_spec
from stkit.studies.user_study.read import read_answers
from stkit.voice.annotation import units_of_openface
from stkit.voice.sound import read_sound
from tests import mini_models


@dataclass(frozen=True)
class Reader:
    """example(folder) writes a valid file there and returns it: the file that is then damaged;
    read(path) reads it. text: damage it as text too.
    """

    example: Callable[[Path], Path]
    read: Callable[[Path], object]
    text: bool = False


def _frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (10, 64, 64, 3), dtype=np.uint8)


def _film(folder: Path) -> Path:
    write_video(folder / "film.mp4", _frames())
    return folder / "film.mp4"


def _picture(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        Image.fromarray(_frames()[0]).save(folder / name)
        return folder / name

    return write


def _pictures(folder: Path) -> Path:
    for k, frame in enumerate(_frames()):
        Image.fromarray(frame).save(folder / f"{k:03}.png")
    return folder / "004.png"


def _insta(folder: Path) -> Path:
    names = [f"images/{k:03}" for k in range(10)]
    (folder / "images").mkdir()
    for name, frame in zip(names, _frames()):
        Image.fromarray(frame).save(folder / f"{name}.png")
    for part, chosen in (("train", names[:8]), ("test", names[8:])):
        frames = [{"file_path": name} for name in chosen]
        write_json(folder / f"transforms_{part}.json", {"frames": frames})
    return folder / "transforms_train.json"


def _sound(folder: Path) -> Path:
    wave = (np.sin(np.arange(16_000) / 20) * 8000).astype(np.int16)
    scipy.io.wavfile.write(folder / "voice.wav", 16_000, wave)
    return folder / "voice.wav"


def _live_link(folder: Path) -> Path:
    names = [name[0].upper() + name[1:] for name in arkit_names()]
    with (folder / "take.csv").open("w", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(["Timecode", "BlendshapeCount", *names, "HeadYaw", "HeadPitch", "HeadRoll"])
        for t in range(6):
            sheet.writerow([f"00:00:00:{t:02}.000", 61, *[0.1] * len(names), 0, 0.1, 0])
    return folder / "take.csv"


def _audio2face(folder: Path) -> Path:
    write_audio2face(torch.rand(5, 64), 25, folder / "face.json")
    return folder / "face.json"


def _flame_sequence(folder: Path) -> Path:
    np.savez(folder / "flame.npz", expr=np.zeros((5, 50)), jaw_pose=np.zeros((5, 3)))
    return folder / "flame.npz"


@lru_cache(maxsize=1)
def _flame(where: str):
    folder = Path(where)
    folder.mkdir(exist_ok=True)
    return face_models.get(f"flame:{mini_models.write_flame(folder)}")


@lru_cache(maxsize=1)
def _basel(where: str):
    folder = Path(where)
    folder.mkdir(exist_ok=True)
    return face_models.get(f"bfm2009:{mini_models.write_basel2009(folder)}")


MODELS = "/tmp/stkit-hostile-models"


def _mat_sequence(folder: Path) -> Path:
    scipy.io.savemat(folder / "k.mat", {"coeff_3dmm": np.zeros((5, 70))}, do_compression=True)
    return folder / "k.mat"


def _npy_sequence(folder: Path) -> Path:
    np.save(folder / "k.npy", np.zeros((5, 257)))
    return folder / "k.npy"


def _mm3d(folder: Path) -> Path:
    for t in range(4):
        frame = folder / "params" / f"{t:04}"
        frame.mkdir(parents=True)
        values = {"pose": np.zeros(6), "scale": np.ones(1), "exp_coeff": np.zeros(64)}
        np.savez(frame / "params.npz", **values)
        np.save(frame / "lmk_3d.npy", np.random.default_rng(t).normal(size=(66, 3)))
    return folder / "params" / "0001" / "params.npz"


def _checkpoint(legacy: bool) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        state = {"a.weight": torch.rand(8, 8), "b": {"c": torch.arange(5)}}
        path = folder / "model.ckpt"
        torch.save(state, path, _use_new_zipfile_serialization=not legacy)
        return path

    return write


def _pickle(folder: Path) -> Path:
    data = {"v": np.arange(12.0).reshape(4, 3), "names": ["a", ("b", 2)], "set": {1, 2}}
    (folder / "data.pkl").write_bytes(pickle.dumps(data, protocol=2))
    return folder / "data.pkl"


def _npy_object(folder: Path) -> Path:
    np.save(folder / "model.npy", {"meanshape": np.zeros(9)}, allow_pickle=True)
    return folder / "model.npy"


def _track(folder: Path) -> Path:
    shutil.copyfile(Path(shipped.__file__).parent / "mara" / "track.npz", folder / "track.npz")
    return folder / "track.npz"


def _vhap(folder: Path) -> Path:
    (folder / "flame_param").mkdir()
    for t in range(4):
        row = {"expr": np.zeros((1, 50)), "jaw_pose": np.zeros((1, 3))}
        np.savez(folder / "flame_param" / f"{t:05}.npz", **row)
    return folder / "flame_param" / "00001.npz"


def _metrical(folder: Path) -> Path:
    still = np.eye(3)[:2].reshape(1, 6)
    for t in range(4):
        flame = {"exp": np.zeros((1, 50)), "jaw": still, "eyes": np.tile(still, (1, 2))}
        torch.save({"flame": flame, "camera": {"R": np.eye(3)[None]}}, folder / f"{t:05}.frame")
    return folder / "00001.frame"


def _emoca(folder: Path) -> Path:
    for t in range(4):
        (folder / f"{t:06}").mkdir()
        np.save(folder / f"{t:06}" / "exp.npy", np.zeros(50))
        np.save(folder / f"{t:06}" / "pose.npy", np.zeros(6))
    return folder / "000001" / "exp.npy"


def _mediapipe(folder: Path) -> Path:
    shapes = [{"categories": [{"categoryName": "jawOpen", "score": 0.4}]}]
    matrices = [{"data": np.eye(4).ravel().tolist()}]
    result = {"faceBlendshapes": shapes, "facialTransformationMatrixes": matrices}
    write_json(folder / "face.json", [result] * 4)
    return folder / "face.json"


def _head(folder: Path) -> Path:
    GaussianHead(GaussianSettings(width=8, pose_width=8, feature=4), 20).save(folder / "h.st")
    return folder / "h.st"


def _tree(folder: Path) -> Path:
    save_tree(folder / "checkpoint.safetensors", {"step": 3, "x": [torch.rand(4), {"y": 1.5}]})
    return folder / "checkpoint.safetensors"


def _ply(folder: Path) -> Path:
    n = 30
    cloud = Gaussians(
        torch.rand(n, 3), torch.rand(n, 4), torch.rand(n, 3), torch.rand(n), torch.rand(n, 3)
    )
    write_ply(cloud, folder / "head.ply")
    return folder / "head.ply"


def _marked(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = _film(folder) if name.endswith("mp4") else _picture(name)(folder)
        mark(path, Statement())
        return path

    return write


def _note(folder: Path) -> Path:
    path = _ply(folder)
    mark(path, Statement())
    return beside(path)


def _run_folder(damaged: str) -> Callable[[Path], Path]:
    """A run from elsewhere: runs/odd with one finished stage."""

    def write(folder: Path) -> Path:
        stage = folder / "odd" / "edit"
        stage.mkdir(parents=True)
        write_json(folder / "odd" / "run.json", {"source": "synthetic", "profile": "quick"})
        write_json(stage / "run.json", {"seconds": 1.0, "peak_gb": 0.5, "machine": "m"})
        write_json(stage / "results.json", {"numbers": {"a": 1.0}, "absent": {}, "facts": {}})
        figures = [{"file": "a.png", "alt": "x", "caption": "y"}]
        write_json(stage / "figures.json", {"figures": figures})
        return folder / "odd" / damaged

    return write


def _write_page(path: Path) -> object:
    import os

    root = next(p for p in path.parents if (p / "odd").is_dir())
    before = os.environ.get("STKIT_RUNS", "")
    os.environ["STKIT_RUNS"] = str(root)
    try:
        return write_page("odd")
    finally:
        os.environ["STKIT_RUNS"] = before


def _artifact(folder: Path) -> Path:
    recipe = Recipe("edit", {}, {}, ("stkit.errors",))
    place = folder / ".store" / "edit" / recipe.key
    place.mkdir(parents=True)
    write_json(place / "run.json", {"key": recipe.key, "files": {}})
    return place / "run.json"


def _finished(path: Path) -> object:
    import os

    before = os.environ.get("STKIT_RUNS", "")
    os.environ["STKIT_RUNS"] = str(path.parents[3])
    try:
        return Artifact(Recipe("edit", {}, {}, ("stkit.errors",))).finished()
    finally:
        os.environ["STKIT_RUNS"] = before


def _sweep(folder: Path) -> Path:
    text = "name: s\nbase: mara\nvalues:\n  alpha: [1, 5]\n"
    (folder / "sweep.yml").write_text(text)
    return folder / "sweep.yml"


def _script(folder: Path) -> Path:
    (folder / "talk.txt").write_text("mara (happy): Hello there.\nsami: Good day.\n")
    return folder / "talk.txt"


def _votes(folder: Path) -> Path:
    methods = {"A": "ours", "B": "theirs"}
    write_json(folder / "key.json", {"study": "s", "questions": {"1": {"methods": methods}}})
    answers = [{"question": "1", "chosen": "A"}]
    write_json(folder / "answers.json", {"rater": "r", "study": "s", "answers": answers})
    return folder / "answers.json"


def _openface(folder: Path) -> Path:
    (folder / "au.csv").write_text("frame, AU01_r, AU12_r\n1, 0.5, 2.0\n2, 0.4, 2.5\n")
    return folder / "au.csv"


def _camera_file(folder: Path) -> Path:
    np.savez(folder / "camera_0.npz", extrinsic=np.eye(4)[:3], intrinsic=np.eye(3))
    return folder / "camera_0.npz"


def _packet(folder: Path) -> Path:
    from stkit.capture.live import LiveFrame

    data = encode(LiveFrame(torch.zeros(64), torch.zeros(6)), torch.zeros(3))
    (folder / "packet.bin").write_bytes(data)
    return folder / "packet.bin"


READERS: dict[str, Reader] = {
    "film (mp4)": Reader(_film, lambda p: read_video(p, 10)),
    "picture (png)": Reader(_picture("a.png"), read_photo),
    "picture (jpeg)": Reader(_picture("a.jpg"), read_photo),
    "picture (webp)": Reader(_picture("a.webp"), read_photo),
    "folder of pictures": Reader(_pictures, lambda p: read_video(p.parent, 10)),
    "INSTA's folder": Reader(_insta, lambda p: read_insta(p.parent, 10), True),
    "voice (wav)": Reader(_sound, read_sound),
    "Live Link Face (csv)": Reader(_live_link, read_live_link, True),
    "Live Link Face (packet)": Reader(_packet, lambda p: decode(p.read_bytes())),
    "Audio2Face (json)": Reader(_audio2face, read_audio2face, True),
    "FLAME sequence (npz)": Reader(
        _flame_sequence, lambda p: read_flame_sequence(p, _flame(MODELS + "-flame"))
    ),
    "SadTalker sequence (mat)": Reader(
        _mat_sequence, lambda p: read_bfm_sequence(p, _basel(MODELS + "-basel"))
    ),
    "Deep3DFaceRecon sequence (npy)": Reader(
        _npy_sequence, lambda p: read_bfm_sequence(p, _basel(MODELS + "-basel"))
    ),
    "VHAP's folder (npz)": Reader(
        _vhap, lambda p: read_flame_folder(p.parents[1], _flame(MODELS + "-flame"))
    ),
    "metrical-tracker's folder (frame)": Reader(
        _metrical, lambda p: read_flame_folder(p.parent, _flame(MODELS + "-flame"))
    ),
    "EMOCA's folder (npy)": Reader(
        _emoca, lambda p: read_flame_folder(p.parents[1], _flame(MODELS + "-flame"))
    ),
    "MediaPipe's results (json)": Reader(_mediapipe, read_mediapipe, True),
    "3DMM-Fitting folder (npz)": Reader(_mm3d, lambda p: read_3dmm(p.parents[2])),
    "3DMM-Fitting landmarks (npy)": Reader(
        lambda f: _mm3d(f).with_name("lmk_3d.npy"), lambda p: read_3dmm(p.parents[2])
    ),
    "Basel 2009 (mat)": Reader(
        mini_models.write_basel2009, lambda p: face_models.get(f"bfm2009:{p}")
    ),
    "Basel 2017 (h5)": Reader(
        mini_models.write_basel2017, lambda p: face_models.get(f"bfm2017:{p}")
    ),
    "FaceVerse (npy)": Reader(
        mini_models.write_faceverse, lambda p: face_models.get(f"faceverse:{p}")
    ),
    "FLAME (pkl)": Reader(mini_models.write_flame, lambda p: face_models.get(f"flame:{p}")),
    "checkpoint (zip)": Reader(_checkpoint(False), load_checkpoint),
    "checkpoint (old)": Reader(_checkpoint(True), load_legacy_checkpoint),
    "pickle": Reader(_pickle, load_pickle),
    "npy with an object": Reader(_npy_object, load_npy),
    "tracking (npz)": Reader(_track, Track.load),
    "head (safetensors)": Reader(_head, GaussianHead.load),
    "checkpoint of a stage": Reader(_tree, load_tree),
    "Gaussians (ply)": Reader(_ply, read_ply),
    "mark in a picture": Reader(_marked("m.png"), verify),
    "mark in a film": Reader(_marked("m.mp4"), verify),
    "mark beside a file": Reader(_note, lambda p: verify(p.with_name("head.ply")), True),
    "run.json of a run": Reader(_run_folder("run.json"), _write_page, True),
    "run.json of a stage": Reader(_run_folder("edit/run.json"), _write_page, True),
    "results.json of a stage": Reader(_run_folder("edit/results.json"), _write_page, True),
    "figures.json of a stage": Reader(_run_folder("edit/figures.json"), _write_page, True),
    "run.json in the store": Reader(_artifact, _finished, True),
    "sweep (yaml)": Reader(_sweep, read_spec, True),
    "dialogue (text)": Reader(_script, read_script, True),
    "votes (json)": Reader(_votes, lambda p: read_answers([p], p.with_name("key.json")), True),
    "OpenFace (csv)": Reader(_openface, units_of_openface, True),
    "camera of a rig (npz)": Reader(_camera_file, _camera),
}
