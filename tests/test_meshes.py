"""The CPU mesh renderer: against a float64 ray caster, against finite differences, and fitting a silhouette."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera, orbit_camera
from stkit.geometry import generator
from stkit.render import render_mesh

BORDER = (
    1e-4  # barycentric distance from a triangle's border within which rounding may pick either side
)


pytestmark = pytest.mark.usefixtures("one_torch_thread")


def icosphere(level: int) -> tuple[Tensor, Tensor]:
    """A unit sphere of 20 * 4**level outward triangles."""
    p = (1 + math.sqrt(5)) / 2
    verts = np.array(
        [
            (-1, p, 0),
            (1, p, 0),
            (-1, -p, 0),
            (1, -p, 0),
            (0, -1, p),
            (0, 1, p),
            (0, -1, -p),
            (0, 1, -p),
            (p, 0, -1),
            (p, 0, 1),
            (-p, 0, -1),
            (-p, 0, 1),
        ]
    )
    faces = np.array(
        [
            (0, 11, 5),
            (0, 5, 1),
            (0, 1, 7),
            (0, 7, 10),
            (0, 10, 11),
            (1, 5, 9),
            (5, 11, 4),
            (11, 10, 2),
            (10, 7, 6),
            (7, 1, 8),
            (3, 9, 4),
            (3, 4, 2),
            (3, 2, 6),
            (3, 6, 8),
            (3, 8, 9),
            (4, 9, 5),
            (2, 4, 11),
            (6, 2, 10),
            (8, 6, 7),
            (9, 8, 1),
        ]
    )
    for _ in range(level):
        edges, ids = np.unique(
            np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1), axis=0, return_inverse=True
        )
        ab, bc, ca = ids.reshape(-1, 3).T + len(verts)
        a, b, c = faces.T
        verts = np.concatenate([verts, verts[edges].mean(1)])
        faces = np.concatenate(
            [np.stack(t, 1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
        )
    return torch.tensor(
        verts / np.linalg.norm(verts, axis=1, keepdims=True), dtype=torch.float32
    ), torch.from_numpy(faces)


def soup(seed: int, count=40, size=1.0, spread=1.0) -> tuple[Tensor, Tensor]:
    """Triangles of either winding that share no vertex."""
    g = generator(seed, "soup")
    verts = spread * (2 * torch.rand(count, 1, 3, generator=g) - 1) + size * (
        2 * torch.rand(count, 3, 3, generator=g) - 1
    )
    return verts.reshape(-1, 3), torch.arange(3 * count).reshape(-1, 3)


def wide_camera(distance=4.0) -> Camera:
    """Not square, principal point off the centre, different focal lengths; looks along +z of a world turned a little."""
    view = orbit_camera(front_camera(8, distance=distance), 25, -15).viewmat
    return Camera(view, torch.tensor([[70.0, 0, 30.5], [0, 62, 17], [0, 0, 1]]), 57, 38)


def pixel_rays(camera: Camera) -> np.ndarray:
    """Directions (H, W, 3) of depth 1 through the pixel centres."""
    K = camera.K.double().numpy()
    ys, xs = np.mgrid[: camera.height, : camera.width] + 0.5
    return np.stack([(xs - K[0, 2]) / K[0, 0], (ys - K[1, 2]) / K[1, 1], np.ones_like(xs)], -1)


def cast(verts: np.ndarray, faces: np.ndarray, rays: np.ndarray):
    """Moeller-Trumbore on every ray and triangle: face (-1: none), barycentrics, depth, and where the answer is ambiguous."""
    a, ab, ac = (
        verts[faces[:, 0]],
        verts[faces[:, 1]] - verts[faces[:, 0]],
        verts[faces[:, 2]] - verts[faces[:, 0]],
    )
    face, depth, ambiguous = (np.zeros(rays.shape[:2], t) for t in (int, float, bool))
    bary = np.zeros(rays.shape)
    for y, d in enumerate(rays):
        p = np.cross(d[:, None], ac)
        q = np.cross(-a, ab)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 1 / (p * ab).sum(-1)
            u, v, t = (p * -a).sum(-1) * scale, (d @ q.T) * scale, (q * ac).sum(-1) * scale
        least = np.nan_to_num(np.minimum(np.minimum(u, v), 1 - u - v), nan=-1.0)
        hit = np.where((least >= 0) & (t > 0), t, np.inf)
        k, x = hit.argmin(1), np.arange(len(d))
        near = hit[x, k]
        rival = (least > -BORDER) & (t > 0) & (t < near[:, None] + 1e-3)
        edge = rival & (least < BORDER)
        found = np.isfinite(near)
        ambiguous[y] = edge.any(1) | (rival.sum(1) > 1)
        face[y], depth[y] = np.where(found, k, -1), np.where(found, near, 0)
        bary[y] = np.where(
            found[:, None], np.stack([1 - u[x, k] - v[x, k], u[x, k], v[x, k]], -1), 0
        )
    return face, bary, depth, ambiguous


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
        and 0 <= float(bare.mask.min())
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
    assert -1e-3 < mask.min() and mask.max() < 1.001


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
    """Inside triangles: against central differences of the renderer, and exactly against M u = r solved in float64."""
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
        loss = lambda v, kept=kept: (
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


def smooth(size: int) -> Tensor:
    y, x = torch.meshgrid(*[(torch.arange(size) + 0.5) / size - 0.5] * 2, indexing="ij")
    return torch.sin(5 * x + 1) + 0.7 * torch.cos(4 * y - 3 * x) + 2 * x


def assert_follows_differences(loss, start: Tensor) -> None:
    """Gradients within 5 % of central differences of 1e-2 (dm, or of scale), relative to the largest component."""
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
    """A sphere before a wall: the colour step moves with the sphere although the mask is full everywhere."""
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


@pytest.mark.parametrize(
    "centre, radius", [((0.0, 0.0, 0.0), 1.0), ((0.4, -0.3, 0.5), 1.1), ((-0.6, 0.5, 0.0), 0.7)]
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


def test_adam_fits_the_silhouette_of_an_ellipsoid():
    verts, faces = icosphere(3)
    ones = torch.ones(len(verts), 1)
    cameras = [orbit_camera(front_camera(72), a, e) for a, e in ((0, 0), (50, 10), (-60, -20))]
    shape = lambda p: verts * p[:3] + p[3:]
    mask = lambda p, camera: render_mesh(shape(p), faces, ones, camera).mask
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
