"""Stages 02, 03 and 05 keep their tensors on one device: shown on a make-believe GPU."""

import copy
import sys
from dataclasses import replace

import fake_kaolin
import parity
import pytest
import torch
from away import Away, MakeBelieveGPU, fetch, gsplat_on_cpu, on_cpu

from stkit.diffusion.mesh_prior import MeshPriorViews
from stkit.diffusion.paint import PaintEditor
from stkit.editing.loop import edit_head
from stkit.editing.settings import EditSettings
from stkit.heads.fit_gaussians import fit_gaussians
from stkit.heads.fit_mesh import fit_mesh
from stkit.heads.gaussian import GaussianSettings
from stkit.heads.mesh import MeshSettings
from stkit.render import meshes_cpu
from stkit.runs.profiles import QUICK


@pytest.fixture
def gpu(monkeypatch):
    """device="cuda" works; the CPU renderers take gsplat's and kaolin's places."""

    def render(verts, faces, values, camera, *options):
        return on_cpu(meshes_cpu.render)(verts, faces, values, camera.to("cpu"), *options)

    monkeypatch.setitem(sys.modules, "gsplat", gsplat_on_cpu())
    monkeypatch.setattr("stkit.render.meshes_kaolin.render", render)
    with MakeBelieveGPU():
        yield "cuda"


def all_away(module: torch.nn.Module) -> bool:
    return all(isinstance(x, Away) for x in module.state_dict().values())


def test_the_make_believe_gpu_refuses_what_a_gpu_refuses():
    with MakeBelieveGPU():
        a = torch.ones(3, device="cuda")
        assert isinstance(a, Away) and a.is_cuda and a.device.type == "cuda"
        with pytest.raises(RuntimeError, match="meets"):
            a + torch.ones(3)
        with pytest.raises(TypeError, match="numpy"):
            a.numpy()
        x = torch.arange(3.0, requires_grad=True)
        (x.to("cuda").square().sum().cpu() * 2).backward()
        assert torch.equal(x.grad, 4 * torch.arange(3.0))
        layer = torch.nn.Linear(2, 2).to("cuda")
        assert isinstance(layer.weight, Away) and isinstance(
            layer(torch.ones(1, 2, device=layer.weight.device)), Away
        )
        optimiser = torch.optim.Adam(layer.parameters(), fused=True)
        before = fetch(layer.weight).clone()
        layer(torch.ones(1, 2, device="cuda")).sum().backward()
        optimiser.step()
        assert not torch.equal(before, fetch(layer.weight))
        assert not isinstance(layer.cpu().weight, Away)


def test_the_adapters_and_their_parity_checks_stay_on_the_gpu(monkeypatch):
    """What tests/gpu runs on a real GPU: the calls' own tensors may not meet one of the CPU."""
    monkeypatch.setitem(sys.modules, "gsplat", gsplat_on_cpu())
    fake_kaolin.install(monkeypatch, on_cpu)
    with MakeBelieveGPU():
        parity.check_gaussians("cuda")
        parity.check_closed_mesh("cuda")
        parity.check_open_mesh("cuda")


def test_the_mesh_stage_stays_on_its_device(capture, gpu):
    settings = replace(
        QUICK.mesh,
        steps=6,
        warm_steps=3,
        refine_at=0.5,
        coarse_cell=0.25,
        model=MeshSettings(32, 24, 16, 0.2),
    )
    head, history = fit_mesh(capture.to(gpu), settings, capture.split()[0])
    assert all_away(head)
    expected, losses = fit_mesh(capture, settings, capture.split()[0])
    assert history["loss"] == pytest.approx(losses["loss"], rel=1e-3)
    head = head.cpu()
    assert not isinstance(head.nodes, Away) and torch.allclose(
        head.extract()[0], expected.extract()[0], atol=1e-3
    )


@pytest.mark.parametrize("inits", ["sphere", "filled"])
def test_the_gaussian_stage_stays_on_its_device(mesh, gpu, inits):
    head, capture, _ = mesh
    views = MeshPriorViews()(capture, head, (-20.0, 20.0))
    model = GaussianSettings(
        32,
        24,
        16,
        mouth_points=50,
        face_points=100,
        surface_points=len(head.extract()[0]) + 100 if inits == "filled" else 0,
    )
    settings = replace(
        QUICK.gaussians, steps=8, track_steps=2, view_share=0.5, track_from=0.0, model=model
    )
    found, aligned, history = fit_gaussians(
        capture.to(gpu), copy.deepcopy(head).to(gpu), views, settings, capture.split()[0]
    )
    assert all_away(found) and isinstance(aligned.pose, Away)
    _, expected, losses = fit_gaussians(capture, head, views, settings, capture.split()[0])
    assert history["loss"] == pytest.approx(losses["loss"], rel=1e-3)
    assert (aligned.to("cpu").pose - expected.pose).abs().max() < 1e-3


@pytest.mark.parametrize("method", ["ours", "gaussian-editor"])
def test_the_edit_loop_stays_on_its_device(gaussians, mesh, gpu, method):
    capture = mesh[1]
    views = MeshPriorViews()(capture, mesh[0], (-20.0, 20.0))
    settings = EditSettings("turn him into a clown", method=method, steps=4, frames=3, edit_every=2)
    results = []
    for device in ("cpu", gpu):
        head = copy.deepcopy(gaussians).to(device)
        done = edit_head(
            head, capture.to(device), views, PaintEditor(), settings, capture.split()[0]
        )
        assert isinstance(done.shots[0].target, Away) == (device == gpu) == all_away(done.head)
        results.append((done.history["loss"], done.log))
    assert results[0][1] == results[1][1] and results[0][0] == pytest.approx(
        results[1][0], rel=1e-3
    )
