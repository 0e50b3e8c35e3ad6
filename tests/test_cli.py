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
        (["notebook", "99"], "there are"),
        (["notebook", "04", "-p", "alfa=1"], "no parameter 'alfa'"),
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


def test_what_comes_with_the_packages_is_found(monkeypatch, tmp_path):
    """On a machine with an empty cache too."""
    from stkit.assets import asset_path

    monkeypatch.setenv("STKIT_ASSETS", str(tmp_path / "nothing"))
    assert asset_path("mediapipe_models").is_dir() and asset_path("tiny_instruct_pix2pix").is_dir()
    assert asset_path("instruct_pix2pix") is None
