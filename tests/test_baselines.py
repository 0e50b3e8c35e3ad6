"""The other papers' ideas: they learn, they follow the expression, and they are read back."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from stkit.errors import RequestError
from stkit.heads.baselines import radiance_field
from stkit.heads.baselines.fitting import BASELINES, fit_baseline, load_baseline, save_baseline
from stkit.heads.baselines.radiance_field import RadianceField, fit_radiance_field
from stkit.heads.baselines.surface_gaussians import SurfaceGaussians
from stkit.heads.fit_gaussians import GaussianTraining
from stkit.metrics.pictures import psnr


def gain(shown: torch.Tensor, truth: torch.Tensor) -> float:
    """How much nearer to the truth than a white picture, dB."""
    return psnr(shown, truth) - psnr(torch.ones_like(truth), truth)


@pytest.mark.parametrize("name", list(BASELINES))
def test_a_baseline_learns_and_is_read_back(name, capture, tmp_path, monkeypatch):
    monkeypatch.setitem(BASELINES, name, partial(BASELINES[name], points=2500))
    train, test = capture.split()
    settings = GaussianTraining(steps=60, track_steps=2)
    head, tracked, history = fit_baseline(name, capture, settings, train)
    assert sum(history["loss"][-10:]) < 0.7 * sum(history["loss"][:10])
    assert all(torch.isfinite(p).all() for p in head.parameters())
    save_baseline(tmp_path / "head.safetensors", name, head)
    again = load_baseline(tmp_path / "head.safetensors", capture)
    t = test[0]
    shown = head.render_frame(tracked, t)
    assert torch.equal(shown, again.render_frame(tracked, t))
    assert gain(shown, tracked.image(t)) > 1


def test_a_radiance_field_learns_and_is_read_back(capture, tmp_path, monkeypatch):
    monkeypatch.setattr(radiance_field, "LEVELS", (12, 24))
    monkeypatch.setattr(radiance_field, "RAYS", 1000)
    train, test = capture.split()
    head, history = fit_radiance_field(capture, GaussianTraining(steps=100), train)
    assert sum(history["loss"][-10:]) < 0.8 * sum(history["loss"][:10])
    head.save(tmp_path / "field.safetensors")
    again = RadianceField.load(tmp_path / "field.safetensors", capture)
    shown = head.render_frame(capture, test[0])
    assert torch.equal(shown, again.render_frame(capture, test[0]))
    assert gain(shown, capture.image(test[0])) > 4


def test_samples_of_a_field_go_where_the_surface_was(capture):
    """A sample on the surface that its ray meets is that surface's canonical point."""
    head, t = RadianceField(capture), capture.split()[0][0]
    frame = capture.frame_pose(t)
    rays = head.rays(capture.camera, frame)
    on_surface = capture.camera.centre() + rays.depth[:, None] * rays.directions
    met = (on_surface - rays.world).norm(dim=1) < 0.02
    assert met.float().mean() > 0.6, "the others lie beside the outline"
    offset = torch.einsum("ni,nij->nj", on_surface - rays.world, rays.turn) / frame.scale
    assert (offset[met].norm(dim=1) < 0.05).all()
    at = capture.camera.project(rays.world[met])
    assert ((at - rays.pixels[met].flip(1) - 0.5).abs() < 0.5).float().mean() > 0.95


def test_gaussians_on_the_surface_follow_the_jaw(capture):
    head = SurfaceGaussians(capture, torch.Generator().manual_seed(0), points=400)
    still = capture.beta[capture.neutral]
    names = capture.face().expression_names
    opened = still.clone()
    opened[names.index("jawOpen")] += 0.8
    pose = capture.pose[capture.neutral]
    moved = (head.canonical(opened, pose).means - head.canonical(still, pose).means).norm(dim=1)
    assert moved.max() > 0.1 and (moved < 1e-3).float().mean() > 0.3


def test_another_face_model_is_refused(capture):
    seated = replace(capture, seat=torch.zeros(7), hull=capture.hull_verts())
    for make in BASELINES.values():
        with pytest.raises(RequestError, match="MakeHuman"):
            make(seated, torch.Generator())
    with pytest.raises(RequestError, match="MakeHuman"):
        RadianceField(seated)
