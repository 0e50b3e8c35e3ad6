"""One meaning of finished: an artifact is found by its key, is whole or absent, and is shared."""

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from stkit.io.tensors import load_tensors, read_json, save_tensors
from stkit.runs import digests
from stkit.runs.digests import code_digest, digest_path, plain
from stkit.runs.folders import STORE, link, run_folder, runs_root, slug
from stkit.runs.store import Artifact, Recipe, clean, results

CODE = ("stkit.editing.weights",)


def artifact(stage="mesh", settings=None, inputs=None) -> Artifact:
    return Artifact(Recipe(stage, settings or {"steps": 3}, inputs or {}, CODE))


def make(a: Artifact, text: str = "x") -> Artifact:
    a.make(lambda work: (work.folder / "file").write_text(text))
    return a


def test_what_fails_is_not_finished_and_is_kept_to_go_on_from():
    a = artifact()

    def fail(work):
        (work.folder / "half.txt").write_text("half")
        raise RuntimeError("lost power")

    def go_on(work):
        assert (work.folder / "half.txt").exists()
        work.record("a.b", 1.5)
        work.record("a.c", None, "not here")

    with pytest.raises(RuntimeError, match="lost power"):
        a.make(fail)
    assert not a.finished() and not a.folder.exists()
    a.make(go_on)
    assert a.finished()
    assert results(a.folder) == {
        "numbers": {"a.b": 1.5},
        "absent": {"a.c": "not here"},
        "facts": {},
    }
    assert [p.name for p in a.folder.parent.iterdir()] == [a.key]


def test_a_killed_process_leaves_nothing_finished():
    code = (
        "import time\nfrom stkit.runs.store import Artifact, Recipe\n"
        f"a = Artifact(Recipe('edit', {{}}, {{}}, {CODE}))\n"
        "def write(w):\n    (w.folder / 'x').write_text('x')\n"
        "    print('in', flush=True)\n    time.sleep(60)\n"
        "a.make(write)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout.readline().strip() == b"in"
    process.kill()
    process.wait(20)
    process.stdout.close()
    a = artifact("edit", {})
    assert not a.finished() and not a.folder.exists()


def test_who_comes_second_waits_and_takes_what_the_first_made():
    second_waits, words, wrote = threading.Event(), [], []

    def first(work):
        (work.folder / "file").write_text("x")
        wrote.append("first")
        other.start()
        assert second_waits.wait(20)

    def say(text):
        words.append(text)
        second_waits.set()

    other = threading.Thread(target=lambda: artifact().make(lambda _: wrote.append("second"), say))
    artifact().make(first)
    other.join(20)
    assert words == ["mesh: another process is making this; waiting for it"]
    assert wrote == ["first"] and (artifact().folder / "file").exists()


def test_settings_inputs_and_stage_are_in_the_key():
    keys = {
        artifact().key,
        artifact(settings={"steps": 4}).key,
        artifact(inputs={"capture": "1"}).key,
        artifact(inputs={"capture": "2"}).key,
        artifact("edit").key,
    }
    assert len(keys) == 5 and artifact().key in keys


def test_a_damaged_artifact_is_made_again():
    a = make(artifact())
    (a.folder / "file").write_text("")
    assert not a.finished()
    assert make(a).finished()
    (a.folder / "file").unlink()
    assert not a.finished()


def test_every_file_of_a_folder_is_in_its_digest(tmp_path):
    for k in range(3):
        (tmp_path / f"{k}.png").write_text(str(k))
    before = digest_path(tmp_path)
    assert digest_path(tmp_path) == before
    (tmp_path / "2.png").write_text("other")
    changed = digest_path(tmp_path)
    (tmp_path / "2.png").rename(tmp_path / "3.png")
    assert len({before, changed, digest_path(tmp_path)}) == 3


def test_a_function_in_settings_has_the_same_name_in_every_process():
    def nose(image, landmarks):
        return image * 0.5

    def mouth(image, landmarks):
        return image * 0.25

    names = {plain(nose), plain(mouth)}
    assert len(names) == 2 and not any("0x" in name for name in names)
    with pytest.raises(TypeError, match="told apart"):
        plain({"x": object()})


def test_comments_and_docstrings_do_not_change_the_digest_of_code(tmp_path, monkeypatch):
    package = tmp_path / "stkit"
    package.mkdir()
    (package / "a.py").write_text("from stkit.b import f\n")
    body = '"""Doc."""\n\n\ndef f(x):\n    """Twice."""\n    return 2 * x\n'
    monkeypatch.setattr(digests, "ROOT", package)

    def digest(text: str) -> str:
        (package / "b.py").write_text(text)
        code_digest.cache_clear()
        digests._bare_tree.cache_clear()
        return code_digest("stkit.a")

    before = digest(body)
    assert digest(body.replace("Twice.", "Two times x.") + "# a comment\n") == before
    assert digest(body.replace("2 * x", "3 * x")) != before
    code_digest.cache_clear()
    digests._bare_tree.cache_clear()


def test_the_digest_follows_imports_but_no_further():
    assert code_digest("stkit.editing.weights") != code_digest("stkit.editing.strength")
    reached = [
        digests._module_path(m)
        for m in digests._imports(digests._bare_tree(digests._module_path("stkit.editing.weights")))
    ]
    assert any(p.name == "gaussian.py" for p in reached)


def test_cleaning_keeps_what_another_run_refers_to():
    shared, own, edit = (
        make(artifact()),
        make(artifact(settings={"steps": 9})),
        make(artifact("edit")),
    )
    for run, place, a in (("one", "mesh", shared), ("two", "mesh", shared), ("one", "a/b", own)):
        link(run, place, a.folder)
    gone = clean("one")
    assert run_folder("one") in gone and not own.folder.exists() and not edit.folder.exists()
    assert shared.finished() and (run_folder("two") / "mesh" / "file").read_text() == "x"


def test_a_link_gives_way_to_a_newer_one():
    first, second = make(artifact(), "1"), make(artifact(settings={"steps": 2}), "2")
    link("r", "edits/a", first.folder)
    path = link("r", "edits/a", second.folder)
    assert (path / "file").read_text() == "2" and not path.readlink().is_absolute()
    shutil.move(runs_root(), runs_root().with_name("moved"))
    moved = runs_root().with_name("moved")
    assert (moved / "r" / "edits" / "a" / "file").read_text() == "2", "a runs folder can be moved"
    assert (moved / STORE).is_dir()


def test_run_names_are_plain():
    for bad in ("", "..", "a/b", "a b", ".store", "x" * 200):
        with pytest.raises(ValueError, match="run name"):
            run_folder(bad)
    assert slug("Turn him into a CLOWN!") == "turn-him-into-a-clown" and slug("…") == "x"


def test_tensor_files_say_what_they_are(tmp_path):
    save_tensors(tmp_path / "a.safetensors", {"x": torch.ones(2)}, {"mesh": {}})
    assert torch.equal(load_tensors(tmp_path / "a.safetensors", "mesh")[0]["x"], torch.ones(2))
    with pytest.raises(ValueError, match="not a gaussians"):
        load_tensors(tmp_path / "a.safetensors", "gaussians")


def test_json_that_is_no_object_is_no_object(tmp_path):
    (tmp_path / "a.json").write_text("[1]")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe")
    assert read_json(tmp_path / "a.json") == read_json(tmp_path / "b.json") == {}
    assert read_json(Path(tmp_path / "none.json")) == {}


@dataclass(frozen=True)
class Settings:
    steps: int = 3


def test_dataclasses_count_by_their_fields():
    assert plain(Settings()) == {"steps": 3} and plain((1, None, Path("a"))) == [1, None, "a"]


def test_processes_that_write_one_file_at_once_do_not_disturb_each_other(tmp_path):
    code = (
        "import sys; from pathlib import Path; from stkit.io.tensors import write_json\n"
        "for k in range(300): write_json(Path(sys.argv[1]), {'k': k})"
    )
    target = tmp_path / "run.json"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(target)]) for _ in range(3)]
    assert [w.wait(60) for w in writers] == [0, 0, 0]
    assert read_json(target) == {"k": 299} and list(tmp_path.iterdir()) == [target]
