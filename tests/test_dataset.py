"""`stkit data` on miniatures of MEAD and HDTF: what the release's loaders would read is there."""

import json

import numpy as np
import pytest
import torch

from stkit.capture.detect import still_landmarks
from stkit.cli import main
from stkit.errors import RequestError
from stkit.io.safe_pickle import load_npy
from stkit.io.video import read_video, write_video
from stkit.runs.shipped import MARA, ShippedRun
from stkit.studies.dataset.clips import Steps, mel_windows, parts, process
from stkit.studies.dataset.names import Film, find_films, split
from stkit.studies.dataset.store import write_store
from stkit.studies.dataset.tubes import overlap, tube
from stkit.studies.dataset.workshop import clip_places, report
from stkit.voice.examples import example_speech
from stkit.voice.mel import mel_spectrogram
from stkit.voice.sound import RATE, read_sound

pytestmark = pytest.mark.usefixtures("one_torch_thread")
STEPS = Steps(fit=10, refine=0)


@pytest.fixture(scope="module")
def speech():
    return torch.cat([u.sound for u in example_speech()[:4]]).numpy()


@pytest.fixture(scope="module")
def pictures():
    """The made-up person who ships, as a camera filmed her, again and again."""
    frames = ShippedRun(MARA).raw_capture().frames
    return np.concatenate([frames] * (280 // len(frames) + 1))[:280]


@pytest.fixture(scope="module")
def mead(tmp_path_factory, pictures, speech):
    folder = tmp_path_factory.mktemp("MEAD")
    for number in ("001", "002"):
        film = folder / "M026" / "video" / "front" / "happy" / "level_3" / f"{number}.mp4"
        film.parent.mkdir(parents=True, exist_ok=True)
        write_video(film, pictures[:30])
        sound = folder / "M026" / "audio" / "happy" / "level_3" / f"{number}.m4a"
        sound.parent.mkdir(parents=True, exist_ok=True)
        write_video(sound.with_suffix(".mp4"), pictures[:30], 25, speech[: 2 * RATE])
        sound.with_suffix(".mp4").rename(sound)
    return folder


@pytest.fixture(scope="module")
def done(mead, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    films = find_films(mead, "mead")
    return out, films, [process(f, out, STEPS) for f in films]


# ---- names, tubes, mel
def test_mead_is_found_by_actor_emotion_level_and_number(mead):
    first = find_films(mead, "mead")[0]
    assert (first.actor, first.emotion, first.level, first.number) == ("M026", "happy", 3, "001")
    assert first.key == "M026#happy#level_3#001"
    assert first.annotation_key == "M026_happy_level_3_001"
    assert first.sound is not None
    assert first.sound.suffix == ".m4a"


def test_the_last_clips_of_an_actor_and_emotion_are_for_tests(tmp_path):
    def group(emotion):
        return [Film(f"{k}", tmp_path, None, "M1", emotion, 1, f"{k:03}") for k in range(1, 21)]

    lists = split(group("neutral") + group("sad"))
    assert len(lists["test"]) == 16
    assert "M1#neutral#level_1#011" in lists["test"]
    assert "M1#sad#level_1#014" in lists["train"] and "M1#sad#level_1#015" in lists["test"]


def test_a_tube_holds_all_boxes_and_ends_where_another_face_begins():
    boxes = np.array([[40.0, 40, 80, 80], [44, 42, 84, 82]])
    x, y, side = tube(boxes, 200, 200)
    assert x <= 40 and y <= 40 and x + side >= 84 and y + side >= 82
    assert tube(np.array([[40.0, 40, 80, 80], [120, 40, 160, 80]]), 200, 200) is None
    assert overlap(boxes[0], boxes[0]) == 1
    assert tube(np.array([[0.0, 0, 300, 300]]), 200, 160) == (40, 0, 160)


def test_mel_windows_begin_where_the_release_has_them(speech):
    sound = torch.from_numpy(speech[: 2 * RATE])
    windows, mel = mel_windows(sound, 50), mel_spectrogram(sound).numpy()
    assert windows.shape == (50, 80, 16)
    start = int(3.2 * (20 - 2))
    assert np.allclose(windows[20], mel[start : start + 16].T)
    assert np.allclose(windows[0][:, 0], mel[0]), "held at the beginning"


# ---- a clip
def test_every_file_of_the_releases_loaders_is_there_with_its_shape(done):
    out, films, records = done
    assert [r["error"] for r in records] == ["", ""]
    root = out / "processed_MEAD_front" / "M026"
    tail = "happy/level_3/001"
    rows = load_npy(root / "3DMM" / f"{tail}.npy")
    assert {name: np.asarray(x).shape for name, x in rows.items()} == {
        "coeff": (30, 257),
        "lm68": (30, 68, 2),
        "lm5": (30, 5, 2),
        "trans_param": (30, 5),
    }
    assert np.asarray(rows["coeff"])[:, 80:144].any() and np.isfinite(rows["coeff"]).all()
    assert np.load(root / "mel" / f"{tail}.npy").shape == (30, 80, 16)
    assert np.load(root / "ldmk" / f"{tail}.npy").shape == (30, 68, 2)
    film = root / "video" / f"{tail}.mp4"
    pictures = read_video(film, 100)[0]
    assert pictures.shape == (30, 256, 256, 3)
    marks = np.load(root / "ldmk" / f"{tail}.npy")
    seen = still_landmarks([pictures[12]])[0]
    assert np.abs(marks[12] - seen).max() < 6, "landmarks are those of the picture that is written"
    assert abs(len(read_sound(film)) / RATE - 30 / 25) < 0.1
    words = json.loads((out / "annotations" / "M026_happy_level_3_001.json").read_text())
    assert len(words) == 5 and all(isinstance(w, str) for w in words)


def test_what_is_done_is_not_done_again(done):
    out, films, records = done
    place = out / "processed_MEAD_front/M026/video/happy/level_3/001.mp4"
    before = place.stat().st_mtime_ns
    assert process(films[0], out, STEPS) == records[0]
    assert place.stat().st_mtime_ns == before


def test_the_store_has_the_releases_keys(done, tmp_path):
    lmdb = pytest.importorskip("lmdb", reason="lmdb is not installed (pip install 'stkit[data]')")
    out, films, records = done
    by_key = {r["film"]: r for r in records}
    write_store(clip_places(films, by_key, out), tmp_path / "lmdb")
    name = "M026#happy#level_3#002"
    with lmdb.open(str(tmp_path / "lmdb"), readonly=True) as store, store.begin() as get:
        assert get.get(b"length") == b"2"
        assert get.get(f"{name}-length".encode()) == b"30"
        assert get.get(f"{name}-0000029".encode())[:2] == b"\xff\xd8", "a JPEG"
        coefficients = np.frombuffer(get.get(f"{name}-coeff_3dmm".encode()), np.float32)
        assert coefficients.reshape(-1, 260).shape == (30, 260)
        marks = np.frombuffer(get.get(f"{name}-keypoint".encode()), np.float32)
        assert marks.reshape(-1, 68, 2).shape == (30, 68, 2)


def test_a_long_film_is_cut_into_five_seconds_and_both_tails_are_dropped(
    tmp_path, pictures, speech
):
    film = tmp_path / "RD_Radio1_000.mp4"
    write_video(film, pictures, 25, np.tile(speech, 3)[: 11 * RATE])
    found = list(parts(find_films(tmp_path, "hdtf")[0]))
    assert [(len(p), len(s)) for p, s in found] == [(125, 5 * RATE)] * 2
    write_video(film, pictures[:200], 25, np.tile(speech, 3)[: 4 * RATE])
    assert list(parts(find_films(tmp_path, "hdtf")[0])) == []


# ---- what is wrong is said, and costs nothing else
def test_hostile_films_are_left_out_by_name(tmp_path, pictures, speech):
    text = tmp_path / "text.mp4"
    text.write_text("hello")
    write_video(tmp_path / "mute.mp4", pictures[:130])
    sky = np.full((130, 64, 64, 3), 200, np.uint8)
    write_video(tmp_path / "sky.mp4", sky, 25, np.tile(speech, 2)[: 6 * RATE])
    records = {f.name: process(f, tmp_path / "out", STEPS) for f in find_films(tmp_path, "hdtf")}
    assert "text.mp4" in records["text"]["error"]
    assert "no sound track" in records["mute"]["error"]
    assert "no face in 125 of 125" in records["sky"]["error"]
    said = report(list(records.values()), 2, 16)
    assert said.count("left out:") == 3


@pytest.mark.parametrize(
    ("layout", "says"), [("mead", "ACTOR/video/front"), ("hdtf", "NAME.mp4"), ("voxceleb", "mead")]
)
def test_folders_without_films_are_refused(tmp_path, layout, says):
    with pytest.raises(RequestError, match=says):
        find_films(tmp_path, layout)


def test_the_command_writes_lists_and_a_report(mead, tmp_path, capsys):
    options = ["--layout", "mead", "--workers", "1", "--fit-steps", "10", "--refine-steps", "0"]
    assert main(["data", str(mead), str(tmp_path / "out"), *options]) == 0
    lists = {
        name: json.loads((tmp_path / "out" / "lists" / f"{name}.json").read_text())
        for name in ("train", "test")
    }
    assert lists == {"train": [], "test": ["M026#happy#level_3#001", "M026#happy#level_3#002"]}
    assert "1,000 clips at this rate" in capsys.readouterr().out
    assert main(["data", str(tmp_path / "none"), str(tmp_path / "o"), *options]) == 2
