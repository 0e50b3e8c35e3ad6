import errno
import subprocess
import sys

import pytest

from stkit import cli


def test_doctor_knows_this_machine(capsys):
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    for word in ("torch", "CUDA", "kaolin", "gsplat", "instruct_pix2pix", "without it"):
        assert word in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "nowhere.mp4"], "no such file"),
        (["run", "synthetic", "--prompt", "surfing"], "cannot do"),
        (["run", "synthetic:x"], "whole number"),
        (["run", "synthetic", "--name", "a/b"], "run name"),
        (["page", "never-run"], "no run"),
        (["table", "never-run"], "run it first"),
        (["clean", "never-run"], "no such run"),
        (["compare", "never-run"], "no run here"),
        (["run", "synthetic", "--seed", "-1"], "a whole number from 0"),
        (["run", "synthetic", "--notebooks", "--views", "tiny-orbit"], "leave out --notebooks"),
        (["reproduce", "table1", "--heads", "nowhere.mp4"], "no such file"),
        (["reproduce", "table9"], "table9: unknown"),
        (["study", "make", "--results", "nowhere"], "no such folder"),
        (["study", "film", "never-run"], "no run here"),
        (["study", "read", "answers.json"], "no key here"),
        (["run", "synthetic", "--held-out", "middle"], "held-out frames 'middle'"),
        (["reproduce", "--seeds", "0"], "at least one"),
        (["reproduce", "--editor", "paint", "--prompt", "surfing"], "cannot do"),
        (["notebook", "99"], "there are"),
        (["notebook", "06", "-p", "alfa=1"], "no parameter 'alfa'"),
        (["run", "synthetic", "--editor", "/no/such/folder"], "editor='paint'"),
    ],
)
def test_a_wrong_request_exits_with_two_and_says_why(arguments, says, capsys):
    assert cli.main(arguments) == 2
    assert says in capsys.readouterr().err


def test_help_names_the_commands(capsys):
    for arguments in (["--help"], ["run", "--help"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "stkit doctor" in text and "--driver" in text


def test_an_unknown_profile_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", "synthetic", "--profile", "huge"])
    assert caught.value.code == 2


def test_interruption_says_how_to_go_on(monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "doctor", stop)
    assert cli.main(["doctor"]) == 130
    assert "again" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError])
def test_a_fault_of_the_kit_shows_where_it_is(monkeypatch, capsys, error):
    def break_(*_):
        raise error("shape mismatch")

    monkeypatch.setattr(cli, "doctor", break_)
    assert cli.main(["doctor"]) == 1
    text = capsys.readouterr().err
    assert "Traceback" in text and "fault of the kit" in text


def test_a_full_disk_is_told_with_the_remedy(monkeypatch, capsys):
    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "runs/demo")

    monkeypatch.setattr(cli, "doctor", fill)
    assert cli.main(["doctor"]) == 1
    text = capsys.readouterr().err
    assert text.startswith("stkit: runs/demo: No space left on device; make room")


def test_notebooks_are_run_on_the_device_that_was_asked_for(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "stkit.cli.run.run_road", lambda road, *words: calls.append(road.plan.device)
    )
    assert cli.main(["run", "synthetic", "--notebooks", "--device", "cpu"]) == 0
    assert calls == ["cpu"]


def test_what_comes_with_the_packages_is_found(monkeypatch, tmp_path):
    """On a machine with an empty cache too."""
    from stkit.assets import asset_path

    monkeypatch.setenv("STKIT_ASSETS", str(tmp_path / "nothing"))
    assert asset_path("mediapipe_models").is_dir() and asset_path("tiny_instruct_pix2pix").is_dir()
    assert asset_path("instruct_pix2pix") is None


def test_the_command_starts_without_the_extras():
    """As the wheel installs it: none of the packages that only some commands need."""
    extras = "dask distributed pandas pyarrow bokeh lmdb dlib nbgrader pxr gsplat duckdb"
    code = f"import sys; sys.modules |= dict.fromkeys({extras.split()!r}); import stkit.cli"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-500:]
