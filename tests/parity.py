"""What the renderers of a GPU must share with the CPU's: run on a real one by tests/gpu."""

import torch
from mesh_shapes import icosphere

from stkit.cameras import front_camera, orbit_camera
from stkit.render import rasterize, render_mesh

SIZE = 96  # pixels


def gaussians(device: str) -> list[torch.Tensor]:
    """Means, quats, scales, opacities and colours of 500 Gaussians, with gradients."""
    g = torch.Generator().manual_seed(0)
    parts = [
        torch.randn(500, 3, generator=g),
        torch.randn(500, 4, generator=g),
        torch.rand(500, 3, generator=g) * 0.1 + 0.01,
        torch.rand(500, generator=g) * 0.9 + 0.05,
        torch.rand(500, 3, generator=g),
    ]
    return [x.to(device).requires_grad_() for x in parts]


def check_gaussians(device: str) -> None:
    """Picture and gradients of an orbit camera agree, but for pairs at the 1/255 cut."""
    results = []
    for name in ("cpu", device):
        parts, camera = gaussians(name), orbit_camera(front_camera(SIZE), 30, 10).to(name)
        image, alpha, _ = rasterize(
            *parts,
            camera.viewmat[None],
            camera.K[None],
            SIZE,
            SIZE,
            backgrounds=torch.ones(1, 3, device=name),
        )
        (image.square().sum() + alpha.sum()).backward()
        results.append((image.detach().cpu(), [p.grad.cpu() for p in parts]))
    (a, da), (b, db) = results
    assert ((a - b).abs() > 1e-3).float().mean() < 1e-4
    for x, y in zip(da, db):
        assert (x - y).abs().max() < 1e-3 * x.abs().max()


def _pictures(verts, faces, device: str, **options):
    """The mesh's picture on the CPU, and on the device, brought back."""
    camera = orbit_camera(front_camera(SIZE), 20, 10)
    here = render_mesh(verts, faces, verts, camera, **options)
    moved = verts.to(device), faces.to(device), verts.to(device)
    there = render_mesh(*moved, camera.to(device), **options)
    return here, type(there)(*(x.cpu() for x in there))


def check_open_mesh(device: str) -> None:
    """A triangle, from both sides: coverage, depth and barycentrics inside it."""
    verts = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    for faces in (torch.tensor([[0, 1, 2]]), torch.tensor([[0, 2, 1]])):
        a, b = _pictures(verts, faces, device, antialias=False)
        assert ((a.face_id >= 0) != (b.face_id >= 0)).float().mean() < 0.01
        inside = a.bary.amin(-1) > 0.02
        assert inside.sum() > 500
        assert (a.depth - b.depth)[inside].abs().max() < 1e-3
        assert (a.bary - b.bary)[inside].abs().max() < 1e-3


def check_closed_mesh(device: str) -> None:
    """A sphere: coverage, the soft mask's area, and a gradient through it."""
    verts, faces = icosphere(2)
    hard, _ = _pictures(verts, faces, device, antialias=False)
    a, b = _pictures(verts, faces, device)
    assert ((hard.face_id >= 0) != (b.face_id >= 0)).float().mean() < 2e-3
    assert abs(float(b.mask.sum() / a.mask.sum()) - 1) < 0.02
    leaf = verts.to(device).requires_grad_()
    camera = orbit_camera(front_camera(SIZE), 20, 10).to(device)
    out = render_mesh(leaf, faces.to(device), verts.to(device), camera, background=1.0)
    (out.image.sum() + out.mask.sum()).backward()
    assert torch.isfinite(leaf.grad).all() and (leaf.grad != 0).any()
