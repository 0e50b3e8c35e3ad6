"""The CPU mesh renderer: against a float64 ray caster, at its limits, and from thread to thread."""

import math

import numpy as np
import pytest
import torch
from mesh_shapes import cast, icosphere, pixel_rays, soup, wide_camera

from stkit.cameras import front_camera, orbit_camera
from stkit.geometry import generator
from stkit.render import render_mesh

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize(
    "camera", [orbit_camera(front_camera(48), 20, 10), wide_camera()], ids=["tracking", "wide"]
)
@pytest.mark.parametrize(
    "mesh",
    [soup(0), soup(1), soup(2, 150, 0.3), icosphere(1), icosphere(3)],
    ids=["soup", "soup 2", "small soup", "coarse", "sphere"],
)
def test_visibility_barycentrics_and_depth_equal_a_ray_caster(mesh, camera):
    verts, faces = mesh
    values = torch.cat([verts, torch.rand(len(verts), 2, generator=generator(0))], 1)
    out = render_mesh(verts, faces, values, camera, antialias=False)
    face, bary, depth, ambiguous = cast(
        camera.to_camera(verts).double().numpy(), faces.numpy(), pixel_rays(camera)
    )
    sure = ~ambiguous
    hit = sure & (face >= 0)
    assert hit.sum() > 300 and ambiguous.mean() < 0.02
    assert (out.face_id.numpy() == face)[sure].all()
    assert (out.mask[..., 0].numpy() == (face >= 0))[sure].all()
    assert np.abs(out.bary.numpy() - bary)[hit].max() < 1e-4
    assert (
        np.abs(out.depth.numpy() / np.where(hit, depth, 1) - 1)[hit].max() < 1e-4
        and (out.depth.numpy()[sure & ~hit] == 0).all()
    )
    expected = (bary[..., None] * values.double().numpy()[faces.numpy()[face]]).sum(-2)
    assert np.abs(out.image.numpy() - expected)[hit].max() < 2e-4


def test_background_fills_what_the_mask_leaves():
    verts, faces = icosphere(2)
    camera, values = (
        orbit_camera(front_camera(40), 10),
        torch.rand(len(verts), 3, generator=generator(1)),
    )
    bare, full = (
        render_mesh(verts, faces, values, camera),
        render_mesh(verts, faces, values, camera, background=0.7),
    )
    assert torch.allclose(full.image, bare.image + 0.7 * (1 - bare.mask)) and torch.equal(
        full.mask, bare.mask
    )
    assert (
        (full.image[bare.mask[..., 0] == 0] == 0.7).all()
        and float(bare.mask.min()) >= 0
        and float(bare.mask.max()) <= 1
    )


def test_both_windings_are_drawn_alike():
    verts, faces = icosphere(3)
    a, b = (render_mesh(verts, f, verts, front_camera(64)) for f in (faces, faces.flip(1)))
    assert (a.mask - b.mask).abs().max() < 1e-5 and (a.image - b.image).abs().max() < 1e-4


@pytest.mark.parametrize("level", [3, 4, 5])
def test_a_closed_mesh_has_no_holes(level):
    verts, faces = icosphere(level)
    for azimuth in (0, 13, 77):
        camera = orbit_camera(front_camera(160), azimuth, 7)
        out = render_mesh(verts, faces, verts, camera, antialias=False)
        centre, rays = camera.to_camera(torch.zeros(3)).double().numpy(), pixel_rays(camera)
        distance = np.linalg.norm(np.cross(rays, centre), axis=-1) / np.linalg.norm(rays, axis=-1)
        inner = torch.from_numpy(distance < 0.97)
        assert (
            inner.sum() > 5000
            and (out.mask[..., 0][inner] == 1).all()
            and (out.depth[inner] < 12).all()
        )


def test_depth_stays_on_its_triangle_on_a_fine_mesh():
    verts, faces = icosphere(6)
    camera = orbit_camera(front_camera(384), 13, 7)
    out = render_mesh(verts, faces, verts, camera, antialias=False)
    hit = out.face_id >= 0
    corners = camera.to_camera(verts)[faces[out.face_id[hit]]][..., 2]
    off = torch.maximum(corners.amin(1) - out.depth[hit], out.depth[hit] - corners.amax(1))
    assert off.max() < 0.01


def test_mask_stays_between_0_and_1_for_triangles_of_a_pixel():
    verts, faces = soup(1, 300, 0.06, 1.2)
    mask = render_mesh(verts, faces, verts, front_camera(64)).mask
    assert mask.min() > -1e-3 and mask.max() < 1.001


def test_faces_can_come_in_any_order():
    pixel = 12 / (3.5 * 512)
    at = (
        torch.stack(
            torch.meshgrid(torch.arange(120.0) - 60, torch.arange(120.0) - 60, indexing="ij"), -1
        ).reshape(-1, 1, 2)
        * 4.2
    )
    corners = at + torch.tensor([[0.37, 0.21], [3.97, 0.51], [1.47, 3.71]])
    verts = torch.nn.functional.pad(corners.reshape(-1, 2), (0, 1)) * pixel
    faces = torch.arange(len(verts)).reshape(-1, 3)
    a, b = (render_mesh(verts, f, verts, front_camera(512)).mask for f in (faces, faces.flip(0)))
    assert (a - b).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("centre", "radius"), [((0.0, 0.0, 0.0), 1.0), ((0.4, -0.3, 0.5), 1.1), ((-0.6, 0.5, 0.0), 0.7)]
)
def test_area_of_a_spheres_mask_is_that_of_its_projection(centre, radius):
    verts, faces = icosphere(5)
    camera = front_camera(128)
    area = float(
        render_mesh(verts * radius + torch.tensor(centre), faces, verts, camera).mask.double().sum()
    )
    at = camera.to_camera(torch.tensor(centre)).double()
    sin2, cos2 = float(radius**2 / (at @ at)), float(at[2] ** 2 / (at @ at))
    exact = (
        math.pi
        * float(camera.K[0, 0]) ** 2
        * sin2
        * math.sqrt((1 - sin2) * cos2)
        / (cos2 - sin2) ** 1.5
    )
    assert abs(area / exact - 1) < 0.005


def test_an_empty_mesh_is_refused():
    with pytest.raises(ValueError, match="no faces"):
        render_mesh(
            torch.zeros(3, 3),
            torch.zeros(0, 3, dtype=torch.int64),
            torch.zeros(3, 1),
            front_camera(16),
        )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_vertices_that_are_not_finite_are_refused(value):
    verts, faces = icosphere(0)
    verts[5, 1] = value
    with pytest.raises(ValueError, match="not finite"):
        render_mesh(verts, faces, torch.zeros(len(verts), 1), front_camera(16))


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize(
    "move",
    [(0.0, 0, 20), (0, 0, 12.0), (30.0, 0, 0)],
    ids=["behind the camera", "around the camera", "out of view"],
)
def test_a_mesh_that_is_not_before_the_camera_renders_nothing(move, antialias):
    verts, faces = icosphere(2)
    leaf = (verts * 0.5 + torch.tensor(move)).requires_grad_()
    values = torch.ones(len(verts), 2, requires_grad=True)
    out = render_mesh(leaf, faces, values, front_camera(32), background=0.25, antialias=antialias)
    if move[2] == 12.0:
        assert torch.isfinite(out.image).all()
    else:
        assert (
            (out.mask == 0).all()
            and (out.face_id == -1).all()
            and (out.depth == 0).all()
            and (out.image == 0.25).all()
        )
    (out.image.sum() + out.mask.sum()).backward()
    assert torch.isfinite(leaf.grad).all() and torch.isfinite(values.grad).all()
    assert move[2] == 12.0 or ((leaf.grad == 0).all() and (values.grad == 0).all())


def test_triangles_without_area_are_skipped():
    verts, faces = icosphere(2)
    flat = torch.cat([faces, torch.tensor([[0, 0, 5], [3, 3, 3], [7, 9, 7]])])
    a, b = (render_mesh(verts, f, verts, front_camera(48)) for f in (faces, flat))
    assert torch.equal(a.image, b.image) and torch.equal(a.mask, b.mask)


def test_bits_do_not_depend_on_threads_or_repetition(monkeypatch):
    verts, faces = icosphere(4)
    values, weights = (
        torch.rand(len(verts), 5, generator=generator(4)),
        torch.rand(75, 75, 5, generator=generator(5)),
    )
    results = []
    for threads in ("1", "2", "3", "3", "1"):
        monkeypatch.setenv("STKIT_THREADS", threads)
        leaves = verts.clone().requires_grad_(), values.clone().requires_grad_()
        out = render_mesh(
            leaves[0], faces, leaves[1], orbit_camera(front_camera(75), 30), background=0.5
        )
        ((out.image * weights).sum() + (out.mask * weights[..., :1]).sum()).backward()
        results.append([*(x.detach() for x in out), *(x.grad for x in leaves)])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other))


def test_an_unknown_backend_is_refused_by_name():
    verts, faces = icosphere(0)
    with pytest.raises(ValueError, match="'nonsense' is not one of auto, cpu, kaolin"):
        render_mesh(verts, faces, verts, front_camera(16), backend="nonsense")
