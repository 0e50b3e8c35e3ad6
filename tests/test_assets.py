"""The manifest is complete, and its commands say what to do; nothing here uses the network."""

import sys

import numpy as np
import pooch
import pytest

from stkit import assets
from stkit.cli import main
from stkit.errors import RequestError
from stkit.face_models import LOADERS


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("STKIT_ASSETS", str(tmp_path))
    return tmp_path


def test_every_asset_says_what_it_is_and_how_to_get_it():
    for name, entry in assets.manifest().items():
        assert {"what", "status", "licence", "bytes", "path", "get", "without"} <= set(entry), name
        assert entry["status"] in assets.STATUS, name
        assert entry["status"] not in ("fetch", "manual") or entry["url"].startswith("https://"), (
            name
        )

    assert set(LOADERS) <= set(assets.manifest()), (
        "face models are looked up by the manifest's names"
    )


def test_list_and_where(home, capsys):
    assert main(["assets", "list"]) == 0
    out = capsys.readouterr().out
    assert "here    mediapipe_models" in out and "absent  flame" in out
    assert main(["assets", "where", "flame"]) == 1
    assert capsys.readouterr().out.strip() == str(home / "flame" / "generic_model.pkl")
    (home / "flame").mkdir()
    (home / "flame" / "generic_model.pkl").write_bytes(b"x")
    assert main(["assets", "where", "flame"]) == 0


def test_get_names_page_terms_and_place(home, capsys):
    assert main(["assets", "get", "bfm2009"]) == 2
    said = capsys.readouterr().err
    assert (
        "https://faces.dmi.unibas.ch" in said
        and "signed agreement" in said
        and str(home / "bfm2009") in said
        and "built-in" in said
    )
    assert main(["assets", "get", "lpips_vgg_backbone", "--offline"]) == 2
    assert str(home / "vgg16-397923af.pth") in capsys.readouterr().err
    assert main(["assets", "get", "nothing"]) == 2
    assert "there are: mediapipe_models" in capsys.readouterr().err


def test_a_failed_download_leaves_nothing_and_says_so(home, monkeypatch, capsys):
    def refuse(*_, **__):
        raise ConnectionError("no network")

    monkeypatch.setattr(pooch, "retrieve", refuse)
    assert main(["assets", "get", "lpips_vgg_backbone"]) == 2
    assert "download failed (ConnectionError)" in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_check_finds_half_downloads(home, capsys):
    assert main(["assets", "check", "clip_vit_l14"]) == 1
    (home / "clip-vit-large-patch14").mkdir()
    (home / "clip-vit-large-patch14" / "config.json").write_text("{}")
    assert main(["assets", "check", "clip_vit_l14"]) == 2
    assert "tokenizer.json" in capsys.readouterr().err
    (home / "vgg16-397923af.pth").write_bytes(b"half")
    assert main(["assets", "check", "lpips_vgg_backbone"]) == 2
    assert "has 4 bytes, expected 553433881" in capsys.readouterr().err
    assert assets.check_asset("mediapipe_models") == "ok"


def test_convert_command_names_what_is_missing(home, capsys):
    assert main(["assets", "convert-v3d", str(home / "V3D.ckpt"), "--svd", str(home)]) == 2
    assert "model_index.json is missing" in capsys.readouterr().err


def test_the_cache_is_the_usual_place_of_the_system(tmp_path, monkeypatch):
    monkeypatch.delenv("STKIT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert assets.cache_dir() == tmp_path / ".cache" / "stkit" or sys.platform != "linux"
    monkeypatch.setenv("STKIT_CACHE", str(tmp_path / "other"))
    assert assets.cache_dir() == tmp_path / "other" and (tmp_path / "other").is_dir()


def test_an_installed_wheel_finds_its_own_copies(tmp_path, monkeypatch):
    assert assets.in_checkout() and assets.manifest_path().parent.name == "data_manifest"
    assert list(assets.notebooks_dir().glob("00_*.ipynb"))
    monkeypatch.setattr(assets, "CHECKOUT", tmp_path)
    monkeypatch.setattr(assets, "SHARED", tmp_path / "stkit" / "_shared")
    (tmp_path / "notebooks").mkdir()  # somebody else's, beside the installed package
    assert not assets.in_checkout()
    with pytest.raises(FileNotFoundError, match="incomplete"):
        assets.manifest()
    manifest = tmp_path / "stkit" / "_shared" / "data_manifest" / "assets.yml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("assets: {}\n")
    (tmp_path / "stkit" / "_shared" / "notebooks").mkdir()
    assert assets.manifest() == {} and assets.manifest_path() == manifest
    assert assets.notebooks_dir() == tmp_path / "stkit" / "_shared" / "notebooks"


def test_a_sample_is_fetched_once_and_cut(tmp_path, monkeypatch, capsys):
    from stkit.io.video import read_video, write_video
    from stkit.runs import samples
    from stkit.runs.source import Source

    monkeypatch.setenv("STKIT_CACHE", str(tmp_path))
    frames = np.zeros((50, 96, 128, 3), np.uint8)
    frames[:, 30:62, 40:72] = 200
    write_video(tmp_path / "film.mp4", frames)
    asked = []

    def get_asset(name):
        asked.append(name)
        return tmp_path / "film.mp4"

    monkeypatch.setattr(samples, "get_asset", get_asset)
    cut = samples.Sample("sample_kitchen", "a grey square", (0.4, 1.6), (32, 32, 40, 30))
    monkeypatch.setitem(samples.SAMPLES, "kitchen", cut)
    sources = [Source.parse("sample:kitchen") for _ in range(2)]
    assert asked == ["sample_kitchen"] and "Apache-2.0" in capsys.readouterr().out
    assert sources[0] == sources[1] and sources[0].kind == "video"
    video, _ = read_video(tmp_path / "samples" / "kitchen.mp4", 100)
    assert video.shape == (30, 32, 32, 3) and abs(float(video.mean()) - 200) < 3
    with pytest.raises(RequestError, match="there are coat, kitchen, curtain"):
        Source.parse("sample:nobody")


def test_a_sample_without_a_network_says_what_to_do(tmp_path, monkeypatch):
    from stkit.runs.source import Source

    monkeypatch.setenv("STKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match=r"LatentSync[\s\S]*stkit run sample:curtain"):
        Source.parse("sample:curtain")
