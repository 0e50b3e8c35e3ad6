"""The tetrahedral lattice and the surface that marching tetrahedra find in it."""

import numpy as np
import pytest
import torch

from stkit.heads.dmtet import active_tets, bcc_lattice, make_grid, marching_tetrahedra


@pytest.fixture(scope="module")
def grid():
    return make_grid([-1.2] * 3, [1.2] * 3, 0.16)


def area(v, f):
    a, b, c = v[f].unbind(1)
    return torch.linalg.cross(b - a, c - a).norm(dim=1).sum() / 2


def test_lattice_fills_its_inside_without_overlap():
    verts, tets = bcc_lattice(np.zeros(3), np.ones(3), 0.25)
    p = verts[tets]
    volume = np.abs(np.linalg.det(p[:, 1:] - p[:, :1])) / 6
    assert volume.min() > 0 and np.ptp(volume) < 1e-12
    assert len(tets) == 3 * 4 * 3 * 4 * 4  # 4 around each of the 3 * (n-1) * n * n inner faces


def test_sphere_is_closed_outward_and_of_the_right_size(grid):
    v, f, ends, w = marching_tetrahedra(grid, grid.verts, grid.verts.norm(dim=1) - 1)
    assert len(v) - len(f) // 2 == 2 and abs(float(area(v, f)) / (4 * np.pi) - 1) < 0.02
    a, b, c = v[f].unbind(1)
    assert (torch.linalg.cross(b - a, c - a) * a).sum(1).min() > -1e-7
    assert torch.allclose(w.sum(1), torch.ones(len(v)), atol=1e-5)
    assert (v.norm(dim=1) - 1).abs().max() < 0.02
    edges = torch.cat([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]]).sort(1).values
    assert (torch.unique(edges, dim=0, return_counts=True)[1] == 2).all()


def test_only_tets_near_the_surface_give_the_same_mesh(grid):
    sdf = grid.verts.norm(dim=1) - 0.8
    whole = marching_tetrahedra(grid, grid.verts, sdf)
    some = marching_tetrahedra(grid, grid.verts, sdf, active_tets(grid, sdf, 0.3)[0])
    assert len(whole[0]) == len(some[0]) and len(whole[1]) == len(some[1])


def test_gradient_of_the_surface_by_finite_differences():
    grid = make_grid([-1.0] * 3, [1.0] * 3, 0.5)
    sdf = (grid.verts.double().norm(dim=1) - 0.7).requires_grad_()
    verts = grid.verts.double()
    g = torch.Generator().manual_seed(0)
    direction = torch.randn(len(sdf), generator=g, dtype=torch.float64)

    def loss(s):
        return marching_tetrahedra(grid, verts, s)[0].square().sum()

    loss(sdf).backward()
    start, h = sdf.detach(), 1e-6
    numeric = (loss(start + h * direction) - loss(start - h * direction)) / (2 * h)
    assert abs(float((sdf.grad * direction).sum() - numeric)) < 1e-5 * max(1, abs(float(numeric)))


def test_a_field_without_a_sign_change_is_refused(grid):
    with pytest.raises(ValueError, match="every grid point is outside"):
        marching_tetrahedra(grid, grid.verts, torch.ones(len(grid.verts)))


def test_same_surface_as_kaolin(grid):
    kaolin = pytest.importorskip(
        "kaolin", reason="kaolin comes from NVIDIA's wheel index and is not here"
    )
    sdf = grid.verts.norm(dim=1) - 1
    v, f, _, _ = marching_tetrahedra(grid, grid.verts, sdf)
    kv, kf = kaolin.ops.conversions.marching_tetrahedra(
        grid.verts[None], torch.from_numpy(grid.tets), -sdf[None]
    )
    assert len(kv[0]) == len(v) and abs(float(area(kv[0], kf[0]) - area(v, f))) < 1e-3
