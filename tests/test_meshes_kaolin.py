"""kaolin's adapter against the CPU renderer, with a stand-in for kaolin: needs no GPU."""

import sys

import fake_kaolin
import pytest
import torch
from mesh_shapes import icosphere, smooth, soup, wide_camera

from stkit.cameras import front_camera, orbit_camera
from stkit.geometry import generator
from stkit.metrics.pictures import iou, iou_loss
from stkit.render import render_mesh
from stkit.render.meshes_kaolin import silhouette_faces

pytestmark = pytest.mark.usefixtures("one_torch_thread", "kaolin")


@pytest.fixture
def kaolin(monkeypatch):
    fake_kaolin.install(monkeypatch)


def both(verts, faces, values, camera, **options):
    """The pictures of the CPU renderer and of kaolin's adapter."""
    options = {"antialias": False} | options
    return (
        render_mesh(verts, faces, values, camera, backend=backend, **options)
        for backend in ("cpu", "kaolin")
    )


def inner(picture) -> torch.Tensor:
    """Pixels (H, W) well inside a face, where rounding cannot pick another one."""
    return picture.bary.amin(-1) > 1e-3


@pytest.mark.parametrize(
    "camera", [orbit_camera(front_camera(48), 20, 10), wide_camera()], ids=["tracking", "wide"]
)
def test_a_closed_mesh_covers_the_same_pixels(camera):
    verts, faces = icosphere(3)
    cpu, kaolin = both(verts, faces, verts, camera, background=0.3)
    same = cpu.face_id == kaolin.face_id
    assert same[inner(cpu)].all() and inner(cpu).sum() > 300
    assert ((cpu.face_id >= 0) != (kaolin.face_id >= 0)).float().mean() < 2e-3
    assert torch.equal(kaolin.mask[..., 0], (kaolin.face_id >= 0).float())
    empty = kaolin.face_id < 0
    assert (kaolin.image[empty] == 0.3).all()


def test_faces_are_drawn_from_both_sides():
    verts, faces = icosphere(2)
    for winding in (faces, faces.flip(1)):
        cpu, kaolin = both(verts, winding, verts, front_camera(48))
        assert (kaolin.mask - cpu.mask).abs().mean() < 2e-3
        assert (kaolin.depth - cpu.depth)[inner(cpu)].abs().max() < 1e-3


def test_a_face_that_perspective_shows_from_in_front_is_drawn():
    """Its normal points away in z, yet the camera, which is not far, sees its front."""
    verts = torch.tensor([[2.0, -1, 0], [2.2, -1, -6], [2.2, 1, -6], [2.0, 1, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    for winding in (faces, faces.flip(1)):
        cpu, kaolin = both(verts, winding, verts, front_camera(48, focal=1.0, distance=5.0))
        assert cpu.mask.sum() > 20 and (cpu.mask - kaolin.mask).abs().mean() < 2e-3


@pytest.mark.parametrize("mesh", [icosphere(1), icosphere(3)], ids=["coarse", "fine"])
def test_depth_and_barycentrics_are_the_cpu_renderers(mesh):
    verts, faces = mesh
    cpu, kaolin = both(verts, faces, verts, wide_camera())
    at = inner(cpu) & (cpu.face_id == kaolin.face_id)
    assert at.sum() > 300
    assert (cpu.bary - kaolin.bary)[at].abs().max() < 1e-3
    assert (cpu.depth - kaolin.depth)[at].abs().max() < 1e-4
    empty = kaolin.face_id < 0
    assert (kaolin.depth[empty] == 0).all() and (kaolin.bary[empty] == 0).all()


def test_values_are_interpolated_alike_on_small_faces():
    verts, faces = icosphere(4)
    cpu, kaolin = both(verts, faces, verts, front_camera(64))
    at = cpu.face_id == kaolin.face_id
    assert (cpu.image - kaolin.image)[at].abs().max() < 5e-3


def test_without_antialias_silhouettes_are_hard_and_pass_no_gradient():
    verts, faces = icosphere(2)
    leaf = verts.clone().requires_grad_()
    ones = torch.ones(len(verts), 1)
    camera = front_camera(48)
    hard = render_mesh(leaf, faces, ones, camera, antialias=False, backend="kaolin")
    assert not hard.mask.requires_grad and ((hard.mask == 0) | (hard.mask == 1)).all()
    soft = render_mesh(leaf, faces, ones, camera, backend="kaolin")
    assert ((soft.mask > 0.01) & (soft.mask < 0.99)).sum() > 20
    (grad,) = torch.autograd.grad((soft.mask[..., 0] * smooth(48)).sum(), leaf)
    assert (grad != 0).any()


def test_move_decides_whether_verts_feel_the_interpolation():
    verts, faces = icosphere(2)
    values = torch.rand(len(verts), 2, generator=generator(1), requires_grad=True)
    leaf = verts.clone().requires_grad_()
    for move in (True, False):
        out = render_mesh(leaf, faces, values, front_camera(48), move=move, backend="kaolin")
        picture = (out.image[..., 0] * smooth(48)).sum()
        d_verts, d_values = torch.autograd.grad(picture, (leaf, values), allow_unused=True)
        assert (d_verts is not None and bool((d_verts != 0).any())) == move
        assert (d_values != 0).any()


@pytest.mark.parametrize("level", [2, 3])
def test_a_spheres_soft_mask_is_hardly_larger_than_its_hard_one(level):
    verts, faces = icosphere(level)
    cpu, hard = both(verts, faces, verts, front_camera(96))
    _, soft = both(verts, faces, verts, front_camera(96), antialias=True)
    circumference = 2 * (torch.pi * hard.mask.sum()).sqrt()
    rim = (soft.mask.sum() - hard.mask.sum()) / circumference  # pixels
    assert 0.05 < rim < 0.25 and abs(hard.mask.sum() / cpu.mask.sum() - 1) < 2e-3


def test_faces_behind_the_camera_are_left_out():
    verts, faces = icosphere(1)
    moved = verts + torch.tensor([0.0, 0, 20])
    out = render_mesh(moved, faces, verts, front_camera(32), background=0.5, backend="kaolin")
    assert (out.mask == 0).all() and (out.face_id == -1).all() and (out.image == 0.5).all()


def test_the_outline_is_made_of_front_faces_beside_back_faces_and_of_borders():
    verts, faces = icosphere(2)
    camera = orbit_camera(front_camera(48), 13, 7)
    corners = camera.to_camera(verts)[faces]
    outline = silhouette_faces(corners, faces, len(verts))
    a, b, c = corners.unbind(1)
    facing = (torch.linalg.cross(b - a, c - a) * a).sum(1)
    assert 10 < outline.sum() < 60 and (facing[outline] < 0).all()
    lone, lone_faces = soup(0, 5)
    assert silhouette_faces(lone[lone_faces], lone_faces, len(lone)).all()


def test_a_silhouette_is_fitted_through_the_soft_mask():
    verts, faces = icosphere(2)
    camera, ones = front_camera(40), torch.ones(len(verts), 1)

    def mask(p, **options):
        shape = verts * p[:3] + p[3:]
        return render_mesh(shape, faces, ones, camera, backend="kaolin", **options).mask

    truth = torch.tensor([1.1, 0.8, 1.0, 0.15, -0.1, 0.0])
    target = mask(truth, antialias=False)
    p = torch.tensor([0.9, 0.9, 1.0, 0.0, 0.0, 0.0], requires_grad=True)
    adam = torch.optim.Adam([p], 0.02)
    for step in range(70):
        adam.param_groups[0]["lr"] = 0.02 if step < 40 else 0.005
        adam.zero_grad()
        iou_loss(mask(p), target).backward()
        adam.step()
    assert iou(mask(p.detach(), antialias=False), target) > 0.95


def test_a_kaolin_that_does_not_load_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "kaolin.render.mesh", None)
    verts, faces = icosphere(0)
    with pytest.raises(ImportError, match=r"needs kaolin 0\.18\.0.*kaolin\.render\.mesh") as caught:
        render_mesh(verts, faces, verts, front_camera(16), backend="kaolin")
    assert isinstance(caught.value.__cause__, ImportError)
