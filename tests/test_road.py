"""Runs: stages shared through the store, edits side by side, wrong requests refused at once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import grey_video
from PIL import Image

from stkit.heads.gaussian import GaussianSettings
from stkit.heads.mesh import MeshSettings
from stkit.io.video import VideoError, write_video
from stkit.runs import profiles
from stkit.runs.folders import STORE, runs_root
from stkit.runs.page import collect, write_page
from stkit.runs.profiles import PAPER, QUICK
from stkit.runs.road import Road
from stkit.runs.source import Source
from stkit.studies.edit_methods import compare_run
from stkit.studies.results_table import record, results_table

TINY = replace(
    QUICK,
    preprocess=replace(QUICK.preprocess, size=96, max_frames=12, fit_steps=40, refine_steps=10),
    mesh=replace(
        QUICK.mesh,
        steps=4,
        warm_steps=2,
        resolution=64,
        coarse_cell=0.3,
        model=MeshSettings(width=16, pose_width=12, feature=8, cell=0.3),
    ),
    gaussians=replace(
        QUICK.gaussians,
        steps=8,
        track_steps=1,
        model=GaussianSettings(mouth_points=50, face_points=100),
    ),
    edit_steps=2,
    edit_frames=2,
    video_frames=6,
)


@pytest.fixture(scope="module")
def shared_runs(tmp_path_factory) -> Path:
    """One runs folder for the tests of this module: what one makes, the next finds."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def tiny_profiles(monkeypatch, shared_runs, runs_elsewhere):
    """Both small profiles take seconds, and differ."""
    monkeypatch.setenv("STKIT_RUNS", str(shared_runs))
    monkeypatch.setitem(profiles.PROFILES, "quick", TINY)
    larger = replace(TINY, name="laptop", mesh=replace(TINY.mesh, steps=5))
    monkeypatch.setitem(profiles.PROFILES, "laptop", larger)


def made(stage: str) -> list[str]:
    """Keys of a stage's artifacts in the store."""
    return sorted(p.name for p in (runs_root() / STORE / stage).glob("[!.]*"))


def test_twenty_edits_share_their_stages_and_keep_twenty_results():
    road = Road("twenty", "synthetic", "quick", quiet=True)
    road.gaussians()
    before = {stage: made(stage) for stage in ("preprocess", "mesh", "gaussians")}
    for k in range(20):
        road.edited_head("turn him into a clown", alpha=1.0 + k)
    assert {stage: made(stage) for stage in before} == before
    links = sorted((road.folder / "edits").iterdir())
    assert len(links) == 20 and len({p.resolve() for p in links}) == 20
    assert all((p / "edited_head.safetensors").exists() for p in links)
    again = Road("another", "synthetic", "quick", quiet=True)
    again.edited_head("turn him into a clown", alpha=3.0)
    assert len(made("edit")) == 20, "another run's equal edit is the same artifact"


def test_a_whole_run_ends_in_a_page_and_numbers():
    road = Road("whole", "synthetic", "quick", quiet=True)
    page = road.everything("turn him into a clown")
    metrics = json.loads((page.parent / "metrics.json").read_text())
    numbers = metrics["numbers"]
    assert all(isinstance(x, float) for x in numbers.values())
    assert numbers["head.psnr_heldout"] > 5 and "head.lpips_heldout" in metrics["absent"]
    assert metrics["computed_on"]["profile"] == "quick" and metrics["facts"]["prompt"]
    text = page.read_text()
    for word in ("avatar.html", "before_after.png", "Stand-ins in this run", "V3D", "synthetic"):
        assert word in text
    assert "| whole | quick |" in results_table(["whole"])
    kept = record(["whole"])["whole"]
    assert kept["numbers"]["frames"] > 0 and kept["computed_on"]["stages"]["mesh"]["code"]
    for folder in (page.parent / "edit", page.parent / "animate"):
        assert folder.is_symlink() and folder.resolve().is_dir()


def test_the_page_is_whole_in_an_ascii_locale(monkeypatch):
    Road("whole", "synthetic", "quick", quiet=True).preprocess()
    env = dict(os.environ, LC_ALL="POSIX", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    code = "from stkit.runs.page import write_page; print(write_page('whole'))"
    subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True)
    assert "· From video" in (runs_root() / "whole" / "index.html").read_text(encoding="utf-8")


def test_strings_of_a_foreign_run_do_not_become_html():
    road = Road("foreign", "synthetic", "quick", quiet=True)
    road.preprocess()
    file = road.folder / "pictures" / "preprocess" / "figures.json"
    figures = json.loads(file.read_text())
    figures["figures"][0]["caption"] = "<script>alert(1)</script>"
    file.write_text(json.dumps(figures))
    text = write_page("foreign").read_text()
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "script-src 'none'" in text


def test_a_run_goes_on_in_another_profile_only_with_a_word(capsys):
    Road("two", "synthetic", "quick").mesh_head()
    capsys.readouterr()
    Road("two", "synthetic", "laptop").mesh_head()
    out = capsys.readouterr().out
    assert "goes on with profile 'laptop'" in out and "mesh: running, profile laptop" in out
    Road("two").mesh_head()
    assert "mesh: already done" in capsys.readouterr().out, "the run remembers its profile"


def test_a_run_remembers_what_was_changed():
    first = Road("changed", "synthetic", "quick", quiet=True)
    first.mesh(w_sdf=0.02)
    first.gaussians(use_views=False)
    later = Road("changed", quiet=True)
    assert later.plan.coloured().key == first.plan.coloured().key
    assert later.plan.coloured().finished() and later.plan.azimuths() is None
    assert Road("plain", "synthetic", "quick").plan.meshed().key != first.plan.meshed().key


def test_an_edit_is_remembered_for_the_animation():
    road = Road("remember", "synthetic", "quick", quiet=True)
    road.edit("turn him into a clown", alpha=7.0)
    later = Road("remember", quiet=True)
    head = later.current_edit()
    assert head is not None and later.last_edit["alpha"] == 7.0
    assert Road("fresh", "synthetic", "quick", quiet=True).current_edit() is None


def test_clips_made_twice_have_the_same_bytes(monkeypatch):
    """Before they are signed: a signature has the time and a number drawn by chance in it."""
    monkeypatch.setattr("stkit.runs.run.mark_folder", lambda folder, statement: None)
    road = Road("twice", "synthetic", "quick", quiet=True)
    folder = road.animate().resolve()
    names = sorted(p.name for p in folder.iterdir() if p.name != "run.json")
    before = {name: (folder / name).read_bytes() for name in names}
    shutil.rmtree(folder)
    again = Road("twice", quiet=True).animate().resolve()
    assert again == folder
    for name in names:
        assert (folder / name).read_bytes() == before[name], name


def test_a_function_as_region_is_in_the_key():
    plan = Road("regions", "synthetic", "quick", quiet=True).plan

    def left(image, landmarks):
        return image[..., :1] * 0

    def right(image, landmarks):
        return image[..., :1] * 0 + 1

    keys = [
        plan.edited(plan.edit_settings("clown", method="gaussian-editor", region=r), "paint").key
        for r in (left, right, left)
    ]
    assert keys[0] == keys[2] != keys[1]


def test_what_a_key_depends_on(tmp_path):
    plan = Road("keys", "synthetic", "quick", quiet=True).plan
    base = plan.edited(plan.edit_settings("clown"), "paint").key
    weights = tmp_path / "editor"
    weights.mkdir()
    (weights / "model.safetensors").write_text("1")
    given = plan.edited(plan.edit_settings("clown"), str(weights)).key
    (weights / "model.safetensors").write_text("2")
    assert len({base, given, plan.edited(plan.edit_settings("clown"), str(weights)).key}) == 3
    other = replace(plan, views="tiny-orbit")
    assert other.edited(other.edit_settings("clown"), "paint").key != base
    seeded = replace(plan, seed=3)
    assert seeded.captured().key != plan.captured().key


def test_every_picture_of_a_folder_counts(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for k in range(9):
        Image.fromarray(np.full((64, 64, 3), 10 * k, np.uint8)).save(folder / f"{k:02d}.png")
    before = Road("folder", str(folder), "quick", quiet=True).plan.captured().key
    for k in range(1, 9):
        Image.fromarray(np.full((64, 64, 3), 255, np.uint8)).save(folder / f"{k:02d}.png")
    assert Road("folder", str(folder), "quick", quiet=True).plan.captured().key != before


def test_a_file_whose_name_begins_with_synthetic_is_a_file(tmp_path, monkeypatch):
    write_video(tmp_path / "synthetic_me.mp4", grey_video(12))
    monkeypatch.chdir(tmp_path)
    assert Source.parse("synthetic_me.mp4").kind == "video"
    assert Source.parse("synthetic:7").kind == Source.parse("synthetic").kind == "synthetic"
    Road("synthetic-old", "synthetic", "quick", quiet=True).remember()
    assert Source.parse("synthetic-old", may_be_run=True).kind == "run"
    with pytest.raises(VideoError, match="a face was found in only 0"):
        Road("grey", "synthetic_me.mp4", "quick", quiet=True).preprocess()
    with pytest.raises(ValueError, match="whole number"):
        Source.parse("synthetic:x")


@pytest.mark.parametrize(
    ("options", "request_", "says"),
    [
        ({}, {"driver": "nope.mp4"}, "no such file"),
        ({}, {"prompt": "surfing"}, "cannot do"),
        ({}, {"editor": "/nope"}, "could not be loaded"),
        ({"views": "/nope"}, {}, "could not be loaded"),
        ({"rig": "/nope"}, {}, "no calibrated cameras"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_made(options, request_, says):
    road = Road("refused", "synthetic:5", "quick", quiet=True, **options)
    request = {"prompt": "turn him into a clown", **request_}
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        road.everything(**request)
    assert not road.plan.captured().finished() and not road.folder.exists()


def test_a_seed_that_no_generator_takes_is_refused():
    for seed in (2**70, -1):
        with pytest.raises(ValueError, match="seed"):
            Road("seed", "synthetic", "quick", seed)


def test_a_driver_may_have_spaces_in_its_name(tmp_path):
    write_video(tmp_path / "my friend (1).mp4", grey_video(12))
    road = Road("led", "synthetic", "quick", quiet=True)
    leader = road.driver_road(str(tmp_path / "my friend (1).mp4"))
    assert leader.run.startswith("driver-my-friend-1-")


def test_a_driver_of_another_size_is_refused_before_anything_is_rendered(monkeypatch):
    small = replace(TINY, name="laptop", preprocess=replace(TINY.preprocess, size=64))
    monkeypatch.setitem(profiles.PROFILES, "laptop", small)
    Road("small", "synthetic", "laptop", quiet=True).remember()
    road = Road("big", "synthetic", "quick", quiet=True)
    with pytest.raises(ValueError, match="tracked at 64 pixels, this run is at 96"):
        road.everything("turn him into a clown", driver="small")


def test_methods_are_compared_in_the_runs_own_profile():
    Road("compared", "synthetic", "laptop", quiet=True).remember()
    found = compare_run("compared", "turn him into a clown", "paint", ["ours", "E2"], 2, {})
    assert Road("compared").settings.name == "laptop"
    assert [len(rows) for rows in found.numbers.values()] == [2, 2]
    assert "ours: strong edits" in found.table() and found.write().exists()
    with pytest.raises(ValueError, match="at least one"):
        compare_run("compared", "turn him into a clown", "paint", ["ours"], 0, {})
    with pytest.raises(FileNotFoundError, match="no run here"):
        compare_run("never", "turn him into a clown", "paint", ["ours"], 1, {})


def test_the_paper_profile_has_the_papers_numbers():
    mesh, gaussians = PAPER.mesh, PAPER.gaussians
    assert (mesh.steps, gaussians.steps, PAPER.edit_steps) == (10_000, 2_000, 20_000)
    weights = (mesh.w_rgb, mesh.w_deform, mesh.w_silhouette, mesh.w_sdf, gaussians.w_rgb)
    assert weights == (0.1, 1.0, 0.1, 0.01, 0.1)
    rates = [mesh.lr, mesh.lr_landmarks, *PAPER.edit_rates.values()]
    rates += [getattr(gaussians, f"lr_{n}") for n in ("xyz", "feature", "scales", "quats")]
    assert set(rates) == {1e-4} and len(PAPER.edit_rates) == 5
    assert mesh.w_still == mesh.w_hold == mesh.beta_noise == gaussians.w_ssim == 0
    assert mesh.coarse_cell == mesh.model.cell and gaussians.view_share == 1.0


def test_an_interrupted_command_goes_on(tmp_path):
    """^C in the mesh stage, then the same command: the capture is reused, nothing half is left."""
    env = dict(os.environ, STKIT_RUNS=str(tmp_path / "runs"), PYTHONUNBUFFERED="1")
    env["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parent), *filter(None, [env.get("PYTHONPATH")])]
    )
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from dataclasses import replace; from stkit.runs import profiles\n"
        "from test_road import TINY; from stkit.runs.road import Road\n"
        "from stkit import training; training.CHECKPOINT_SECONDS = 1\n"
        "mesh = replace(TINY.mesh, steps=400)\n"
        "profiles.PROFILES['quick'] = replace(TINY, mesh=mesh)\n"
        "Road('i', 'synthetic', 'quick').mesh_head(); print('meshed')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        text=True,
    )
    assert process.stdout is not None
    while process.poll() is None and not list(tmp_path.rglob("checkpoint.safetensors")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(120)
    finally:
        process.kill()
        process.stdout.close()
    assert process.returncode != 0 and not (tmp_path / "runs/i/mesh").exists()
    assert (tmp_path / "runs/i/preprocess/run.json").exists()
    again = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=env, text=True, check=True
    )
    assert "preprocess: already done" in again.stdout and "meshed" in again.stdout
    assert "going on from step" in again.stdout


def test_collecting_of_a_run_without_stages_is_empty():
    Road("nothing", "synthetic", "quick", quiet=True).remember()
    assert collect("nothing")["numbers"] == {}
