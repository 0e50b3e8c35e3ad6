"""The Gaussian rasterisers: numba kernels against plain PyTorch, PyTorch against finite differences and against gsplat."""

import math
import sys
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stkit.geometry import generator, so3_exp
from stkit.render import MODES, rasterize
from stkit.render.gaussians_reference import project
from stkit.render.threads import parallel

NAMES = ("means", "quats", "scales", "opacities", "colors", "viewmats")
ALPHA_CUT, ALPHA_CAP, T_STOP = 1 / 255, 0.999, 1e-4


pytestmark = pytest.mark.usefixtures("one_torch_thread")


class Scene(NamedTuple):
    """float32 inputs of `rasterize`; `leaves` in the order of NAMES."""

    leaves: tuple[Tensor, ...]
    Ks: Tensor
    backgrounds: Tensor | None
    width: int
    height: int


class Result(NamedTuple):
    image: Tensor
    alpha: Tensor
    grads: list[Tensor]


def scene(
    n=80, channels=3, cameras=2, seed=0, size=(53, 37), spread=1.2, thin=0.02, thick=0.3
) -> Scene:
    g, (w, h) = generator(seed, "scene"), size
    views = torch.eye(4).repeat(cameras, 1, 1)
    views[:, :3, :3] = so3_exp(0.5 * torch.randn(cameras, 3, generator=g))
    views[:, :3, 3] = torch.tensor([0.0, 0, 4]) + torch.rand(cameras, 3, generator=g) - 0.5
    Ks = torch.tensor([[1.5 * w, 0, 0.5 * w], [0, 1.4 * w, 0.47 * h], [0, 0, 1]]).repeat(
        cameras, 1, 1
    )
    Ks[:, 0, 0] *= 1 + 0.2 * torch.rand(cameras, generator=g)
    leaves = (
        (2 * torch.rand(n, 3, generator=g) - 1) * spread,
        torch.randn(n, 4, generator=g),
        thin * (thick / thin) ** torch.rand(n, 3, generator=g),
        torch.rand(n, generator=g),
        torch.rand(n, channels, generator=g),
        views,
    )
    return Scene(leaves, Ks, torch.rand(cameras, channels, generator=g), w, h)


def render(s: Scene, backend="cpu", dtype=torch.float32, **options) -> Result:
    leaves = [x.to(dtype).clone().requires_grad_() for x in s.leaves]
    backgrounds = None if s.backgrounds is None else s.backgrounds.to(dtype)
    image, alpha, _ = rasterize(
        *leaves,
        s.Ks.to(dtype),
        s.width,
        s.height,
        backgrounds=backgrounds,
        backend=backend,
        **options,
    )
    return Result(image.detach(), alpha.detach(), gradients(leaves, image, alpha))


def loss_of(image: Tensor, alpha: Tensor) -> Tensor:
    g = generator(7)
    weights = [torch.rand(x.shape, generator=g).to(x.dtype) - 0.4 for x in (image, alpha)]
    return (image * weights[0]).sum() + (alpha * weights[1]).sum()


def gradients(leaves, image: Tensor, alpha: Tensor) -> list[Tensor]:
    grads = torch.autograd.grad(loss_of(image, alpha), leaves, allow_unused=True)
    return [torch.zeros_like(x) if d is None else d for x, d in zip(leaves, grads)]


def borderline(s: Scene, antialiased: bool, width: float) -> Tensor:
    """Pixels (C, H, W) with a pair that rounding may push over the 1/255 cut, the 0.999 cap or the closing transmittance."""
    means, quats, scales, opacities, _, views = (x.double() for x in s.leaves)
    ys, xs = torch.meshgrid(
        torch.arange(s.height) + 0.5, torch.arange(s.width) + 0.5, indexing="ij"
    )
    pixels, out = torch.stack([xs, ys], -1).reshape(-1, 1, 2).double(), []
    for view, K in zip(views, s.Ks.double()):
        uv, z, sharp, blurred = project(means, quats, scales, view, K, s.width, s.height, 0.3)
        order = torch.argsort(z)[int((z <= 0.01).sum()) :]
        factor = (
            (sharp.det() / blurred.det()).clamp_min(0).sqrt() if antialiased else torch.ones_like(z)
        )
        d = pixels - uv[order]
        raw = (opacities * factor)[order] * torch.exp(
            -0.5 * torch.einsum("pni,nij,pnj->pn", d, blurred[order].inverse(), d)
        )
        after = torch.cumprod(torch.where(raw >= ALPHA_CUT, 1 - raw.clamp_max(ALPHA_CAP), 1.0), 1)
        near = (
            ((raw - ALPHA_CUT).abs() < width)
            | ((raw - ALPHA_CAP).abs() < width)
            | ((after / T_STOP - 1).abs() < 250 * width)
        )
        out.append(near.any(1).reshape(s.height, s.width))
    return torch.stack(out)


def assert_same_picture(
    s: Scene, fast: Result, exact: Result, antialiased: bool, tolerance=1e-4
) -> int:
    """Equal within `tolerance`, but for verified flips of at most 0.01 % of the pixels; returns the number of flips."""
    worst = torch.cat([fast.image - exact.image, fast.alpha - exact.alpha], -1).abs().amax(-1)
    flips = worst > tolerance
    assert not (flips & ~borderline(s, antialiased, 4e-6)).any(), (
        f"off by {float(worst.max()):.1e} away from the cuts"
    )
    assert flips.sum() <= max(1, 1e-4 * flips.numel())
    return int(flips.sum())


def assert_same_gradients(fast: Result, exact: Result, tolerance=1e-3, floor=0.0) -> None:
    for name, a, b in zip(NAMES, fast.grads, exact.grads):
        assert torch.isfinite(a).all(), f"gradient of {name}"
        if a.numel():
            assert (a - b).abs().max() <= tolerance * b.abs().max() + floor, f"gradient of {name}"


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
@pytest.mark.parametrize(
    "render_mode, channels, backgrounds",
    [
        ("RGB", 1, True),
        ("RGB", 3, False),
        ("RGB", 32, True),
        ("RGB+D", 5, True),
        ("RGB+D", 1, False),
        ("RGB+ED", 3, True),
        ("RGB+ED", 32, False),
        ("D", 3, False),
        ("ED", 3, True),
    ],
)
def test_cpu_equals_reference(render_mode, channels, backgrounds, rasterize_mode):
    s = scene(channels=channels, seed=channels)
    s = s if backgrounds else s._replace(backgrounds=None)
    options = {"render_mode": render_mode, "rasterize_mode": rasterize_mode}
    fast, exact = render(s, **options), render(s, "reference", torch.float64, **options)
    with_colour, depth = MODES[render_mode]
    assert fast.image.shape == (2, 37, 53, channels * with_colour + (depth is not None))
    assert_same_picture(s, fast, exact, rasterize_mode == "antialiased")
    assert_same_gradients(fast, exact)


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
@pytest.mark.parametrize(
    "case",
    [
        {"thin": 1e-3, "thick": 1e-2},
        {"thin": 1.0, "thick": 5.0},
        {"thin": 1e-3, "thick": 0.5, "n": 40},
        {"spread": 6.0},
        {"size": (16, 16), "n": 400, "spread": 0.2, "cameras": 1},
        {"size": (1, 70), "cameras": 1},
        {"size": (65, 1), "cameras": 1},
    ],
    ids=[
        "sub-pixel",
        "larger than the image",
        "needles",
        "around the camera",
        "one tile",
        "one column",
        "one row",
    ],
)
def test_cpu_equals_reference_on_hard_scenes(case, rasterize_mode):
    s = scene(seed=3, **case)
    options = {"render_mode": "RGB+D", "rasterize_mode": rasterize_mode}
    fast, exact = render(s, **options), render(s, "reference", torch.float64, **options)
    assert_same_picture(s, fast, exact, rasterize_mode == "antialiased")
    assert_same_gradients(fast, exact)


def test_opaque_layers_close_pixels_alike():
    s = scene(n=120, thin=0.1)
    s = s._replace(leaves=(*s.leaves[:3], torch.ones(120), *s.leaves[4:]))
    fast, exact = render(s), render(s, "reference", torch.float64)
    assert (fast.alpha > 0.9998).any()
    assert_same_picture(s, fast, exact, False)
    assert_same_gradients(fast, exact)


def test_cameras_are_rendered_one_by_one():
    s = scene(cameras=3)
    whole = rasterize(*s.leaves, s.Ks, s.width, s.height, backgrounds=s.backgrounds, meta=False)
    for k in range(3):
        leaves = (*s.leaves[:5], s.leaves[5][k : k + 1])
        one = rasterize(
            *leaves, s.Ks[k : k + 1], s.width, s.height, backgrounds=s.backgrounds[k : k + 1]
        )
        assert torch.equal(one[0][0], whole[0][k]) and torch.equal(one[1][0], whole[1][k])


@pytest.mark.parametrize(
    "render_mode, rasterize_mode", [("RGB", "classic"), ("RGB+D", "antialiased"), ("ED", "classic")]
)
def test_reference_passes_gradcheck(render_mode, rasterize_mode):
    s = scene(n=3, channels=2, cameras=1, seed=11, size=(5, 4), spread=0.5, thin=0.15, thick=0.6)

    def call(*leaves):
        return rasterize(
            *leaves,
            s.Ks.double(),
            s.width,
            s.height,
            backgrounds=s.backgrounds.double(),
            render_mode=render_mode,
            rasterize_mode=rasterize_mode,
            backend="reference",
            near_plane=0.1,
        )[:2]

    leaves = [x.double().requires_grad_() for x in s.leaves]
    assert call(*leaves)[1].detach().mean() > 0.1
    assert torch.autograd.gradcheck(call, leaves, eps=1e-6, atol=1e-6, rtol=1e-5)


def test_reference_follows_finite_differences_through_the_whole_scene():
    s = scene(n=20, cameras=1, seed=2, size=(24, 18))
    exact, g = render(s, "reference", torch.float64, render_mode="RGB+D"), generator(3)
    for k, (name, x, grad) in enumerate(zip(NAMES, s.leaves, exact.grads)):
        direction = torch.randn(x.shape, generator=g).double()
        ends = []
        for e in (1e-6, -1e-6):
            leaves = [y.double() + (e * direction if j == k else 0) for j, y in enumerate(s.leaves)]
            image, alpha, _ = rasterize(
                *leaves,
                s.Ks.double(),
                s.width,
                s.height,
                backgrounds=s.backgrounds.double(),
                render_mode="RGB+D",
                backend="reference",
            )
            ends.append(loss_of(image, alpha))
        slope = (ends[0] - ends[1]) / 2e-6
        assert (
            float((slope - (grad * direction).sum()).abs()) <= 1e-4 * float(slope.abs()) + 1e-6
        ), name


def gsplat_composite(leaves, s: Scene, antialiased: bool, depth: bool) -> tuple[Tensor, Tensor]:
    """gsplat's own projection and a loop over depth-sorted Gaussians with the cut-offs of its CUDA kernel."""
    oracle = pytest.importorskip(
        "gsplat.cuda._torch_impl", reason="gsplat is not installed: no oracle for the projection"
    )
    means, quats, scales, opacities, colors, views = leaves
    covars, _ = oracle._quat_scale_to_covar_preci(quats, scales, True, False)
    radii, uv, depths, conics, factors = oracle._fully_fused_projection(
        means, covars, views, s.Ks.double(), s.width, s.height, calc_compensations=antialiased
    )
    ys, xs = torch.meshgrid(
        torch.arange(s.height).double() + 0.5, torch.arange(s.width).double() + 0.5, indexing="ij"
    )
    images, alphas = [], []
    for c in range(len(views)):
        light, image = (
            torch.ones_like(xs),
            torch.zeros(*xs.shape, colors.shape[1] + depth, dtype=torch.float64),
        )
        closed = torch.zeros_like(xs, dtype=torch.bool)
        for i in torch.argsort(depths[c]).tolist():
            if int(radii[c, i].min()) <= 0:
                continue
            dx, dy, (qa, qb, qc) = uv[c, i, 0] - xs, uv[c, i, 1] - ys, conics[c, i]
            sigma = 0.5 * (qa * dx**2 + qc * dy**2) + qb * dx * dy
            alpha = (
                opacities[i] * (factors[c, i] if antialiased else 1) * torch.exp(-sigma)
            ).clamp_max(ALPHA_CAP)
            drawn = (sigma >= 0) & (alpha >= ALPHA_CUT) & ~closed
            after = light * (1 - alpha)
            closed = closed | (drawn & (after <= T_STOP))
            drawn = drawn & ~closed
            value = torch.cat([colors[i], depths[c, i : i + 1]]) if depth else colors[i]
            image = image + torch.where(drawn, alpha * light, 0.0)[..., None] * value
            light = torch.where(drawn, after, light)
        images.append(image)
        alphas.append(1 - light[..., None])
    return torch.stack(images), torch.stack(alphas)


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("depth", [None, "D", "ED"])
def test_both_backends_agree_with_gsplats_own_projection(antialiased, depth):
    s = scene(n=50, seed=5, spread=1.6)
    leaves = [x.double().requires_grad_() for x in s.leaves]
    image, alpha = gsplat_composite(leaves, s, antialiased, depth is not None)
    if depth == "ED":
        image = torch.cat([image[..., :-1], image[..., -1:] / alpha.clamp_min(1e-10)], -1)
    image = torch.cat(
        [image[..., :3] + (1 - alpha) * s.backgrounds.double()[:, None, None], image[..., 3:]], -1
    )
    oracle = Result(image.detach(), alpha.detach(), gradients(leaves, image, alpha))
    options = {
        "render_mode": f"RGB+{depth}" if depth else "RGB",
        "rasterize_mode": "antialiased" if antialiased else "classic",
    }
    exact, fast = render(s, "reference", torch.float64, **options), render(s, **options)
    assert assert_same_picture(s, exact, oracle, antialiased, 1e-10) == 0
    assert_same_gradients(exact, oracle, 1e-9)
    assert_same_picture(s, fast, oracle, antialiased)
    assert_same_gradients(fast, oracle)


def test_projected_means_and_depths_are_gsplats():
    oracle = pytest.importorskip(
        "gsplat.cuda._torch_impl", reason="gsplat is not installed: no oracle for the projection"
    )
    s = scene(n=60, cameras=1, spread=1.0)
    covars, _ = oracle._quat_scale_to_covar_preci(*(x.double() for x in s.leaves[1:3]), True, False)
    view = s.leaves[5].double()
    _, uv, z, conics, _ = oracle._fully_fused_projection(
        s.leaves[0].double(), covars, view, s.Ks.double(), s.width, s.height
    )
    ours = project(
        *(x.double() for x in s.leaves[:3]), view[0], s.Ks[0].double(), s.width, s.height, 0.3
    )
    inverse = torch.linalg.inv(ours[3])
    assert torch.allclose(ours[0], uv[0]) and torch.allclose(ours[1], z[0])
    assert torch.allclose(
        torch.stack([inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]], -1), conics[0]
    )
    info = rasterize(*s.leaves, s.Ks, s.width, s.height)[2]["cameras"][0]
    seen = info["depths"] > 0
    assert seen.sum() > 30
    assert (info["means2d"].double() - uv[0])[seen].abs().max() < 1e-4 and (
        info["depths"].double() - z[0]
    )[seen].abs().max() < 1e-5


def test_gradient_of_pixel_means_is_the_gradient_of_shifting_the_principal_point():
    s = scene(n=40, cameras=1, spread=0.6)
    leaves = [x.clone().requires_grad_() for x in s.leaves]
    image, alpha, info = rasterize(*leaves, s.Ks, s.width, s.height)
    loss_of(image, alpha).backward()
    ends = []
    for e in (1e-5, -1e-5):
        Ks = s.Ks.double()
        Ks[:, :2, 2] += e
        picture = rasterize(
            *(x.double() for x in s.leaves), Ks, s.width, s.height, backend="reference"
        )
        ends.append(loss_of(*picture[:2]))
    slope = float((ends[0] - ends[1]) / 2e-5)
    assert abs(float(info["cameras"][0]["means2d_grad"].sum()) - slope) < 1e-3 * abs(slope)


float32 = lambda low, high: st.floats(low, high, width=32)
# quaternions are small integers: they may be 0, but not so nearly 0 that the normalisation's floor decides
row = st.tuples(
    *[float32(-2, 2)] * 2, st.one_of(float32(-2, 0), float32(1, 6)), *[st.integers(-9, 9)] * 4
)
extremes = st.one_of(st.sampled_from([0.0, 1.0]), float32(0, 1))


@st.composite
def scenes(draw) -> Scene:
    """Up to eight Gaussians before and behind a camera at the origin; classic scenes may have scales of zero."""
    thin = (
        st.one_of(st.just(0.0), float32(0.0078125, 0.25))
        if draw(st.booleans())
        else float32(0.0078125, 0.25)
    )
    n = draw(st.integers(0, 8))
    column = lambda strategy, *shape: torch.tensor(
        draw(st.lists(strategy, min_size=n, max_size=n)), dtype=torch.float32
    ).reshape(n, *shape)
    pose, scales = column(row, 7), column(st.tuples(thin, thin, thin), 3)
    w, h = draw(st.sampled_from([(9, 21), (20, 17), (33, 8)]))
    Ks = torch.tensor([[[30.0, 0, w / 2], [0, 28, h / 2], [0, 0, 1]]])
    colors = column(st.tuples(extremes, float32(-2, 2)), 2)
    return Scene(
        (pose[:, :3], pose[:, 3:], scales, column(extremes), colors, torch.eye(4)[None]),
        Ks,
        torch.tensor([[0.5, 1]]),
        w,
        h,
    )


@given(scenes(), st.sampled_from(["classic", "antialiased"]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_scene_renders_like_the_reference(s, rasterize_mode):
    antialiased = rasterize_mode == "antialiased"
    fast, exact = (
        render(s, b, d, render_mode="RGB+D", rasterize_mode=rasterize_mode)
        for b, d in (("cpu", torch.float32), ("reference", torch.float64))
    )
    assert_same_picture(s, fast, exact, antialiased)
    assert all(torch.isfinite(d).all() for d in fast.grads)
    assert float(fast.alpha.min()) >= 0 and float(fast.alpha.max()) <= 1 - 0.9 * T_STOP
    singular = antialiased and bool((s.leaves[2] == 0).any())
    if not singular and not borderline(s, antialiased, 2e-7).any():
        assert_same_gradients(fast, exact, floor=2e-4)


def lone(**changes) -> Scene:
    """One opaque-ish round Gaussian in the middle of the image, four units away."""
    s = scene(n=1, cameras=1, seed=4, size=(40, 24))
    values = dict(zip(NAMES, s.leaves)) | {
        "means": torch.zeros(1, 3),
        "scales": torch.full((1, 3), 0.2),
        "opacities": torch.full((1,), 0.9),
    }
    view = torch.eye(4)[None].clone()
    view[0, 2, 3] = 4
    values |= {"viewmats": view} | changes
    return s._replace(leaves=tuple(values[k] for k in NAMES))


@pytest.mark.parametrize("backend, dtype", [("cpu", torch.float32), ("reference", torch.float64)])
@pytest.mark.parametrize("render_mode", ["RGB", "RGB+ED"])
@pytest.mark.parametrize(
    "changes",
    [
        {"means": torch.tensor([[0.0, 0, -9]])},
        {"means": torch.tensor([[0.0, 0, -4]])},
        {"means": torch.tensor([[50.0, 0, 0]])},
        {"opacities": torch.zeros(1)},
        {"opacities": torch.full((1,), 0.0039)},
        {n: torch.zeros(0, *x.shape[1:]) for n, x in zip(NAMES[:5], lone().leaves)},
    ],
    ids=["behind", "at the camera", "out of view", "transparent", "under the cut", "no Gaussians"],
)
def test_nothing_in_view_leaves_the_background_and_no_gradient(
    changes, render_mode, backend, dtype
):
    s = lone(**changes)
    out = render(s, backend, dtype, render_mode=render_mode)
    assert (
        (out.alpha == 0).all()
        and (out.image[..., :3] == s.backgrounds[:, None, None]).all()
        and (out.image[..., 3:] == 0).all()
    )
    assert all((d == 0).all() for d in out.grads)


def test_expected_depth_of_one_gaussian_is_its_depth():
    out = render(lone(), render_mode="ED")
    hit = out.alpha[..., 0] > 0
    assert hit.sum() > 50 and (out.image[hit] - 4).abs().max() < 1e-4


def test_quaternions_need_not_be_unit():
    s, long = scene(n=20), scene(n=20)
    long.leaves[1].mul_(3.0)
    a, b = render(s), render(long)
    assert (a.image - b.image).abs().max() < 1e-5 and (
        a.grads[1] - 3 * b.grads[1]
    ).abs().max() < 1e-3 * a.grads[1].abs().max()


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
@pytest.mark.parametrize("leaf", [1, 2], ids=["zero quats", "zero scales"])
def test_degenerate_gaussians_have_finite_gradients_on_the_cpu(leaf, rasterize_mode):
    s = scene(n=40)
    s.leaves[leaf][::2] = 0
    fast, exact = (
        render(s, rasterize_mode=rasterize_mode),
        render(s, "reference", torch.float64, rasterize_mode=rasterize_mode),
    )
    assert_same_picture(s, fast, exact, rasterize_mode == "antialiased")
    assert all(torch.isfinite(d).all() for d in fast.grads)


def test_degenerate_gaussians_have_finite_gradients_in_the_antialiased_reference():
    s = scene(n=10)
    s.leaves[2][0] = 0
    assert all(
        torch.isfinite(d).all()
        for d in render(s, "reference", torch.float64, rasterize_mode="antialiased").grads
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("k", range(5), ids=NAMES[:5])
def test_values_that_are_not_finite_are_refused_by_name_and_index(k, value):
    s = scene(n=9)
    s.leaves[k][4:6].view(2, -1)[:, -1] = value
    for backend in ("cpu", "reference"):
        with pytest.raises(ValueError, match=rf"{NAMES[k]}\[4\] is not finite \(2 of 9"):
            rasterize(*s.leaves, s.Ks, s.width, s.height, backend=backend)


def test_opposite_infinities_are_refused_and_large_finite_values_are_not():
    s = scene(n=4)
    s.leaves[4][0], s.leaves[4][3] = math.inf, -math.inf
    with pytest.raises(ValueError, match=r"colors\[0\]"):
        rasterize(*s.leaves, s.Ks, s.width, s.height)
    s.leaves[4][:] = 3e38
    assert rasterize(*s.leaves, s.Ks, s.width, s.height)[0].shape == (2, 37, 53, 3)


@pytest.mark.parametrize("name", ["viewmats", "Ks", "backgrounds"])
def test_cameras_and_backgrounds_that_are_not_finite_are_refused(name):
    s = scene(n=4)
    broken = {"viewmats": s.leaves[5], "Ks": s.Ks, "backgrounds": s.backgrounds}[name]
    broken.view(-1)[0] = math.nan
    with pytest.raises(ValueError, match=name):
        rasterize(*s.leaves, s.Ks, s.width, s.height, backgrounds=s.backgrounds)


def arguments(**changes) -> dict:
    s = scene(n=6)
    return (
        dict(zip(NAMES, s.leaves))
        | {"Ks": s.Ks, "width": 53, "height": 37, "backgrounds": s.backgrounds}
        | changes
    )


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"means": torch.zeros(6, 2)}, "means has shape"),
        ({"quats": torch.zeros(6, 3)}, "quats has shape"),
        ({"quats": torch.zeros(5, 4)}, "quats has shape"),
        ({"scales": torch.zeros(6)}, "scales has shape"),
        ({"opacities": torch.zeros(6, 1)}, "opacities has shape"),
        ({"colors": torch.zeros(6), "backgrounds": None}, "colors has shape"),
        ({"colors": torch.zeros(5, 3)}, "colors has shape"),
        ({"colors": torch.zeros(2, 6, 3)}, "has shape"),
        ({"viewmats": torch.eye(4)}, "viewmats has shape"),
        ({"viewmats": torch.zeros(2, 3, 4)}, "viewmats has shape"),
        ({"Ks": torch.eye(3)}, "Ks has shape"),
        ({"Ks": torch.eye(3)[None]}, "Ks has shape"),
        ({"backgrounds": torch.zeros(3)}, "backgrounds has shape"),
        ({"backgrounds": torch.zeros(2, 4)}, "backgrounds has shape"),
        ({"render_mode": "rgb"}, "render_mode 'rgb'"),
        ({"rasterize_mode": "fast"}, "rasterize_mode 'fast'"),
        ({"backend": "opengl"}, "backend 'opengl'"),
    ],
)
def test_wrong_shapes_and_unknown_modes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        rasterize(**arguments(**changes))


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
def test_bits_do_not_depend_on_threads_or_repetition(monkeypatch, rasterize_mode):
    s, results = scene(n=150, channels=5, size=(70, 50)), []
    for threads in ("1", "2", "3", "3", "1"):
        monkeypatch.setenv("STKIT_THREADS", threads)
        results.append(render(s, render_mode="RGB+ED", rasterize_mode=rasterize_mode))
    for other in results[1:]:
        assert torch.equal(results[0].image, other.image) and torch.equal(
            results[0].alpha, other.alpha
        )
        assert all(torch.equal(a, b) for a, b in zip(results[0].grads, other.grads))


@pytest.mark.parametrize("threads", ["1", "2", "3", "7"])
def test_parallel_covers_every_item_once(monkeypatch, threads):
    monkeypatch.setenv("STKIT_THREADS", threads)
    for count in (0, 1, 5, 20):
        done = []
        parallel(lambda first, step, n=count, done=done: done.extend(range(first, n, step)), count)
        assert sorted(done) == list(range(count))


def test_zero_threads_still_run_the_kernel(monkeypatch):
    monkeypatch.setenv("STKIT_THREADS", "0")
    calls = []
    parallel(lambda first, step: calls.append((first, step)), 4)
    assert calls


@pytest.mark.parametrize("render_mode", ["D", "ED"])
def test_gsplat_backend_leaves_depth_without_a_background(monkeypatch, render_mode):
    depth, alpha = torch.full((2, 37, 53, 1), 4.0), torch.full((2, 37, 53, 1), 0.25)
    monkeypatch.setitem(
        sys.modules, "gsplat", SimpleNamespace(rasterization=lambda *_, **__: (depth, alpha, {}))
    )
    image, _, _ = rasterize(**arguments(render_mode=render_mode, backend="gsplat"))
    assert torch.equal(image, depth)


def test_a_hundred_thousand_gaussians_in_one_tile(monkeypatch):
    g = generator(11, "crowd")
    n, view, K = 100_000, torch.eye(4)[None], torch.tensor([[[40.0, 0, 8], [0, 40, 8], [0, 0, 1]]])
    means = torch.cat(
        [0.1 * torch.rand(n, 2, generator=g), 4 + torch.rand(n, 1, generator=g)], 1
    ).requires_grad_()
    rest = (
        torch.randn(n, 4, generator=g),
        torch.full((n, 3), 0.02),
        torch.full((n,), 0.02),
        torch.rand(n, 3, generator=g),
    )
    image, alpha, info = rasterize(means, *rest, view, K, 16, 16)
    assert info["cameras"][0]["entries"] == n
    image.sum().backward()
    near = torch.argsort(means.detach()[:, 2], stable=True)[
        :20_000
    ]  # light ends long before: the rest must not count
    front = [x[near] for x in (means.detach(), *rest)]
    assert torch.allclose(rasterize(*front, view, K, 16, 16)[0], image.detach(), atol=2e-4)
    assert torch.isfinite(means.grad).all() and alpha.max().item() > 0.99


def test_a_scene_too_large_for_memory_is_refused_with_the_number(monkeypatch):
    from stkit.render import gaussians_cpu

    monkeypatch.setattr(
        gaussians_cpu, "entry_bytes", lambda channels: 1e6
    )  # as if the scene were 20,000 times larger
    monkeypatch.setattr(gaussians_cpu, "available_memory", lambda: 1e8)
    with pytest.raises(MemoryError, match=r"tile entries need .* GB .* are free"):
        render(scene(n=200))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_planes_cut_near_and_far_gaussians(backend):
    s = lone()
    seen = lambda **planes: float(
        rasterize(*s.leaves, s.Ks, s.width, s.height, backend=backend, **planes)[1].max()
    )
    assert seen() > 0.8 and seen(far_plane=4.5) > 0.8
    assert seen(far_plane=3.5) == 0 == seen(near_plane=4.5)


def test_compilation_is_announced_once_and_only_without_a_cache(monkeypatch, tmp_path, capsys):
    from stkit.render import gaussians_cpu

    cache = SimpleNamespace(cache_path=str(tmp_path), _impl=SimpleNamespace(filename_base="kernel"))
    monkeypatch.setattr(gaussians_cpu.tiles, "render_tiles_backward", SimpleNamespace(_cache=cache))
    for made, expected in ((False, 1), (True, 0)):
        monkeypatch.setattr(gaussians_cpu, "_announced", False)
        if made:
            (tmp_path / "kernel-1.nbi").touch()
        gaussians_cpu.announce_compilation()
        gaussians_cpu.announce_compilation()
        assert capsys.readouterr().err.count("compiling the CPU kernels") == expected
