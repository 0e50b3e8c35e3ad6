"""What needs an NVIDIA GPU, one command: python -m pytest tests/gpu. It has not run yet: no GPU was at hand for this version."""

import pytest
import torch

from stkit.cameras import front_camera
from stkit.render import rasterize, render_mesh

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def scene(device: str) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    parts = [
        torch.randn(500, 3, generator=g),
        torch.randn(500, 4, generator=g),
        torch.rand(500, 3, generator=g) * 0.1 + 0.01,
        torch.rand(500, generator=g) * 0.9 + 0.05,
        torch.rand(500, 3, generator=g),
    ]
    return [x.to(device).requires_grad_() for x in parts]


def test_gsplat_and_the_cpu_kernels_agree():
    pytest.importorskip("gsplat")
    camera, results = front_camera(96), []
    for device in ("cpu", "cuda"):
        parts = scene(device)
        image, alpha, _ = rasterize(
            *parts,
            camera.viewmat[None].to(device),
            camera.K[None].to(device),
            96,
            96,
            backgrounds=torch.ones(1, 3, device=device),
        )
        (image.square().sum() + alpha.sum()).backward()
        results.append((image.detach().cpu(), [p.grad.cpu() for p in parts]))
    (a, da), (b, db) = results
    assert ((a - b).abs() > 1e-3).float().mean() < 1e-4
    for x, y in zip(da, db):
        assert (x - y).abs().max() < 1e-3 * x.abs().max()


def test_dibr_covers_what_the_cpu_renderer_covers():
    pytest.importorskip("kaolin")
    verts = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    faces, values, camera = torch.tensor([[0, 1, 2]]), torch.eye(3), front_camera(96)
    a = render_mesh(verts, faces, values, camera, antialias=False)
    b = render_mesh(verts.cuda(), faces.cuda(), values.cuda(), camera)
    assert ((a.face_id >= 0) != (b.face_id.cpu() >= 0)).float().mean() < 0.01
