"""Gradients of the CPU mesh renderer: against finite differences, and fitting a silhouette."""

import pytest
import torch
from mesh_shapes import icosphere, pixel_rays, smooth, soup, wide_camera
from torch import Tensor

from stkit.cameras import front_camera, orbit_camera
from stkit.geometry import generator
from stkit.render import render_mesh

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def directional(loss, x: Tensor, step: float, seed: int) -> tuple[float, float]:
    """The slope of `loss` along a random direction: by its gradient, and by central differences."""
    direction = torch.randn(x.shape, generator=generator(seed))
    leaf = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(leaf), leaf)
    with torch.no_grad():
        return float((grad * direction).sum()), float(
            loss(x + step * direction) - loss(x - step * direction)
        ) / (2 * step)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("mesh", [soup(3), icosphere(2)], ids=["soup", "sphere"])
def test_gradient_of_values_equals_finite_differences(mesh, antialias):
    verts, faces = mesh
    camera, g = wide_camera(), generator(2)
    weights = torch.rand(camera.height, camera.width, 4, generator=g, dtype=torch.float64) - 0.3

    def loss(values):
        return (
            render_mesh(
                verts, faces, values, camera, background=0.4, antialias=antialias
            ).image.double()
            * weights
        ).sum()

    values = torch.rand(len(verts), 4, generator=g)
    for seed in range(3):
        slope, difference = directional(loss, values, 0.5, seed)
        assert abs(slope - difference) < 1e-4 * max(abs(difference), 1)


@pytest.mark.parametrize(
    "mesh", [soup(4, 12), soup(5, 30, 0.6), icosphere(1)], ids=["large soup", "soup", "sphere"]
)
def test_gradient_of_verts_through_interpolation(mesh):
    """Inside triangles: against central differences, and against M u = r solved in float64."""
    verts, faces = mesh
    camera, g = wide_camera(), generator(3)
    values = torch.rand(len(verts), 3, generator=g)
    step = 5e-4
    base = render_mesh(verts, faces, values, camera, antialias=False)
    weights = (torch.rand(camera.height, camera.width, 3, generator=g) - 0.3) * (
        base.bary.amin(-1) > 0.05
    )[..., None]
    for seed in range(3):
        direction = torch.randn(verts.shape, generator=generator(seed))
        moved = [
            render_mesh(verts + e * direction, faces, values, camera, antialias=False).face_id
            for e in (step, -step)
        ]
        still = (moved[0] == base.face_id) & (moved[1] == base.face_id)
        kept = weights * still[..., None]

        def loss(v, kept=kept):
            return (
                render_mesh(v, faces, values, camera, antialias=False).image.double() * kept
            ).sum()

        slope, difference = directional(loss, verts, step, seed)
        assert kept.any() and abs(slope - difference) < 0.01 * max(abs(difference), 0.5)
    inside = (weights != 0).any(-1)
    leaf, exact = verts.clone().requires_grad_(), verts.double().requires_grad_()
    (render_mesh(leaf, faces, values, camera, antialias=False).image * weights).sum().backward()
    corners = (exact @ camera.viewmat[:3, :3].double().T + camera.viewmat[:3, 3].double())[
        faces[base.face_id[inside]]
    ]
    u = torch.linalg.solve(corners.transpose(1, 2), torch.from_numpy(pixel_rays(camera))[inside])
    image = (
        (u / u.sum(1, keepdim=True))[..., None] * values.double()[faces[base.face_id[inside]]]
    ).sum(1)
    (image * weights[inside]).sum().backward()
    assert (
        inside.sum() > 200 and (leaf.grad - exact.grad).abs().max() < 1e-3 * exact.grad.abs().max()
    )


def test_move_and_antialias_choose_how_verts_feel_the_image():
    verts, faces = icosphere(2)
    camera, weights = front_camera(48), smooth(48)

    def gradient(values, **options):
        leaf = verts.clone().requires_grad_()
        (
            render_mesh(leaf, faces, values, camera, **options).image[..., 0] * weights
        ).sum().backward()
        return leaf.grad

    outline = gradient(verts, move=False)
    assert (gradient(verts, move=False, antialias=False) == 0).all() and (
        gradient(verts, antialias=False) != 0
    ).any()
    assert 10 < (outline != 0).any(1).sum() < len(verts) / 2
    plain = torch.ones(len(verts), 1)  # a constant colour moves with the outline alone
    assert torch.allclose(gradient(plain), gradient(plain, move=False), atol=1e-4)


def assert_follows_differences(loss, start: Tensor) -> None:
    """Gradients are within 5 % (of the largest) of central differences of 1e-2 (dm, or scale)."""
    leaf = start.clone().requires_grad_()
    loss(leaf).backward()
    with torch.no_grad():
        difference = torch.stack(
            [(loss(start + e) - loss(start - e)) / 0.02 for e in 0.01 * torch.eye(len(start))]
        )
    assert (leaf.grad - difference).abs().max() < 0.05 * difference.abs().max(), (
        leaf.grad,
        difference,
    )


@pytest.mark.parametrize("level", [3, 5])
@pytest.mark.parametrize(
    "start", [(1.0, 0.0, 0.0, 0.0), (1.1, 0.2, -0.13, 0.21), (0.8, -0.3, 0.1, -0.4)]
)
def test_silhouette_gradients_of_scale_and_translation(level, start):
    verts, faces = icosphere(level)
    camera, weights = orbit_camera(front_camera(128), 17, 9), smooth(128)

    def loss(p):
        return (
            (
                render_mesh(verts * p[0] + p[1:], faces, torch.ones(len(verts), 1), camera).mask[
                    ..., 0
                ]
                * weights
            )
            .double()
            .sum()
        )

    assert_follows_differences(loss, torch.tensor(start))


def test_gradients_of_an_occluding_outline():
    """A sphere before a wall: the colour step moves with it though the mask is full."""
    verts, faces = icosphere(4)
    wall = torch.tensor([[-4.0, -4, -2], [4, -4, -2], [4, 4, -2], [-4, 4, -2]])
    faces = torch.cat([faces, torch.tensor([[0, 1, 2], [0, 2, 3]]) + len(verts)])
    values = torch.cat([torch.full((len(verts), 1), 0.9), torch.full((4, 1), 0.2)])
    camera, weights = orbit_camera(front_camera(128), 10, 5), smooth(128)

    def loss(p):
        out = render_mesh(torch.cat([verts * p[0] + p[1:], wall]), faces, values, camera)
        assert (out.mask == 1).all()
        return (out.image[..., 0] * weights).double().sum()

    for start in ((0.9, 0.0, 0.0, 0.1), (1.0, 0.2, -0.1, 0.1)):
        assert_follows_differences(loss, torch.tensor(start))


def test_adam_fits_the_silhouette_of_an_ellipsoid():
    verts, faces = icosphere(3)
    ones = torch.ones(len(verts), 1)
    cameras = [orbit_camera(front_camera(72), a, e) for a, e in ((0, 0), (50, 10), (-60, -20))]

    def shape(p):
        return verts * p[:3] + p[3:]

    def mask(p, camera):
        return render_mesh(shape(p), faces, ones, camera).mask

    truth = torch.tensor([1.2, 0.75, 0.9, 0.15, -0.1, 0.1])
    targets = [mask(truth, c) for c in cameras]
    p = torch.tensor([0.6, 0.6, 0.6, 0.0, 0.0, 0.0], requires_grad=True)
    adam = torch.optim.Adam([p], 0.03)
    for _ in range(60):
        adam.zero_grad()
        sum(((mask(p, c) - t) ** 2).mean() for c, t in zip(cameras, targets)).backward()
        adam.step()
    unseen = orbit_camera(front_camera(160), 100, 30)
    with torch.no_grad():
        for c in (*cameras, unseen):
            a, b = mask(p, c) > 0.5, mask(truth, c) > 0.5
            assert (a & b).sum() / (a | b).sum() > 0.97
    assert (p.detach() - truth).abs().max() < 0.03


def test_free_vertices_fit_a_silhouette():
    verts, faces = icosphere(3)
    camera, ones = front_camera(72), torch.ones(len(verts), 1)
    target = render_mesh(verts * torch.tensor([1.2, 0.8, 1.0]), faces, ones, camera).mask
    leaf = (0.8 * verts).requires_grad_()
    adam = torch.optim.Adam([leaf], 0.01)
    for _ in range(120):
        adam.zero_grad()
        ((render_mesh(leaf, faces, ones, camera).mask - target) ** 2).sum().backward()
        adam.step()
    a, b = render_mesh(leaf.detach(), faces, ones, camera).mask > 0.5, target > 0.5
    assert (a & b).sum() / (a | b).sum() > 0.97
