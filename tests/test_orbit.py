"""The tiny orbit model's data and training in miniature, and its shipped weights."""

import json

import numpy as np
import pytest
import torch

from stkit.assets import repository
from stkit.diffusion.orbit import SIZE, WEIGHTS, data, train
from stkit.diffusion.v3d import V3DViews
from stkit.diffusion.v3d_cameras import FRAMES
from stkit.diffusion.views import get_views
from stkit.metrics.pictures import psnr
from stkit.studies import tiny_orbit as evaluate


@pytest.fixture(scope="module")
def one():
    return data.turn(3)


def test_a_turn_goes_round_the_person_that_the_picture_shows(one):
    assert one.picture.shape == (SIZE, SIZE, 3) and one.views.shape == (FRAMES, SIZE, SIZE, 3)
    assert one.views.min() >= 0 and one.views.max() <= 1
    figure = (one.views.min(-1).values < 0.95).float().mean((1, 2))
    assert (figure > 0.1).all() and (figure < 0.6).all(), "every view has a figure over white"
    distance = [float((one.picture - view).abs().mean()) for view in one.views]
    assert distance[0] < min(distance[4], distance[9], distance[14]), "0 is the picture's own side"
    silhouettes = (one.views.min(-1).values < 0.95).float()
    right, left = silhouettes[3], silhouettes[15]
    mirrored, same = (right.flip(-1) - left).abs().mean(), (right - left).abs().mean()
    assert mirrored < same, "20 k and -20 k degrees mirror each other"
    assert torch.equal(data.turn(3).views, one.views)


@pytest.mark.filterwarnings("ignore")
def test_training_in_miniature_gives_a_pipeline_and_goes_on_where_it_stopped(
    tmp_path, mesh, capsys
):
    arguments = f"--folder {tmp_path} --people 2 --autoencoder-steps 2 --orbit-steps 2".split()
    train.main([*arguments, "--minutes", "0"])
    assert "the same command goes on" in capsys.readouterr().out
    train.main([*arguments, "--minutes", "5"])
    pipeline = tmp_path / "pipeline"
    assert (pipeline / "unet" / "diffusion_pytorch_model.safetensors").exists()
    assert (pipeline / "training.json").exists()
    assert sum(f.stat().st_size for f in pipeline.rglob("*.safetensors")) < 16e6
    progress = json.loads((tmp_path / "autoencoder" / "progress.json").read_text())
    assert len(progress["losses"]) == 2 and np.isfinite(progress["losses"]).all()
    provider = V3DViews(str(pipeline), size=SIZE, steps=2)
    capture = mesh[1]
    frames = provider.orbit(capture.image(capture.neutral), capture.matte(capture.neutral))
    assert frames.shape == (FRAMES, SIZE, SIZE, 3) and torch.isfinite(frames).all()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_the_comparison_with_mesh_prior_views_in_miniature(tmp_path, mesh, monkeypatch, capsys):
    """A model that has learned nothing loses; table, picture and command are written."""
    steps = "--people 1 --autoencoder-steps 1 --orbit-steps 1 --minutes 5"
    train.main(f"--folder {tmp_path} {steps}".split())

    class FinishedRoad:
        def mesh(self):
            return mesh[0], mesh[1]

    monkeypatch.setattr(evaluate, "Road", lambda *a, **k: FinishedRoad())
    report = tmp_path / "orbit.md"
    options = f"--people synthetic --steps 1 --write {report}"
    evaluate.main(f"{tmp_path / 'pipeline'} {options}".split())
    provider = V3DViews(str(tmp_path / "pipeline"), size=SIZE, steps=1)
    pictures, rows = evaluate.views_of("synthetic", provider)
    assert all(v.shape == (17, SIZE, SIZE, 3) for v in pictures.values())
    assert all(0.3 * SIZE < n <= SIZE for n in rows)
    scores = evaluate.scores(pictures, rows)
    prior, orbit = scores["mesh prior"], scores["tiny orbit"]
    assert all(prior[side] > orbit[side] for side in evaluate.SIDES)
    assert prior["20"] > max(20, prior["140, 160"])
    text = report.read_text()
    assert "python -m stkit.studies.tiny_orbit" in text and "| mesh prior |" in text
    assert report.with_suffix(".png").exists() and "tiny orbit" in capsys.readouterr().out


def test_shipped_folder_is_small_and_its_card_is_its_scores():
    folder = WEIGHTS
    assert sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) < 16e6
    scores, training = (
        json.loads((folder / f"{n}.json").read_text()) for n in ("scores", "training")
    )
    assert (folder / "README.md").read_text() == evaluate.card(scores, training)
    assert scores["table"] in (repository() / "benchmarks" / "orbit.md").read_text()


@pytest.mark.filterwarnings("ignore")
def test_tiny_orbit_turns_somebody_unseen():
    """Better than showing the picture from all sides: the turn itself was learned."""
    prior, one = get_views("tiny-orbit"), data.turn(5000)
    prior.steps = 10
    matte = (one.picture.min(-1, keepdim=True).values < 0.95).float()
    orbit = prior.orbit(one.picture, matte)
    assert orbit.shape == one.views.shape

    def score(views):
        return float(np.mean([psnr(views[k], one.views[k]) for k in range(3, 16)]))

    assert score(orbit) > score([one.picture] * 18) + 2
    assert "stand-in" in prior.source and "instead of V3D" in prior.stand_in
