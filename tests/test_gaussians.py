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


def scene(n=80, channels=3, cameras=2, seed=0, size=(53, 37), spread=1.2, thin=0.02, thick=0.3) -> Scene:
    g, (w, h) = generator(seed, "scene"), size
    views = torch.eye(4).repeat(cameras, 1, 1)
    views[:, :3, :3] = so3_exp(0.5 * torch.randn(cameras, 3, generator=g))
    views[:, :3, 3] = torch.tensor([0.0, 0, 4]) + torch.rand(cameras, 3, generator=g) - 0.5
    Ks = torch.tensor([[1.5 * w, 0, 0.5 * w], [0, 1.4 * w, 0.47 * h], [0, 0, 1]]).repeat(cameras, 1, 1)
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
    image, alpha, _ = rasterize(*leaves, s.Ks.to(dtype), s.width, s.height, backgrounds=backgrounds, backend=backend, **options)
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
    ys, xs = torch.meshgrid(torch.arange(s.height) + 0.5, torch.arange(s.width) + 0.5, indexing="ij")
    pixels, out = torch.stack([xs, ys], -1).reshape(-1, 1, 2).double(), []
    for view, K in zip(views, s.Ks.double()):
        uv, z, sharp, blurred = project(means, quats, scales, view, K, s.width, s.height, 0.3)
        order = torch.argsort(z)[(z < 0.01).sum() :]
        factor = (sharp.det() / blurred.det()).clamp_min(0).sqrt() if antialiased else torch.ones_like(z)
        d = pixels - uv[order]
        raw = (opacities * factor)[order] * torch.exp(-0.5 * torch.einsum("pni,nij,pnj->pn", d, blurred[order].inverse(), d))
        after = torch.cumprod(torch.where(raw >= ALPHA_CUT, 1 - raw.clamp_max(ALPHA_CAP), 1.0), 1)
        near = ((raw - ALPHA_CUT).abs() < width) | ((raw - ALPHA_CAP).abs() < width) | ((after / T_STOP - 1).abs() < 250 * width)
        out.append(near.any(1).reshape(s.height, s.width))
    return torch.stack(out)


def assert_same_picture(s: Scene, fast: Result, exact: Result, antialiased: bool, tolerance=1e-4) -> int:
    """Equal within `tolerance`, but for verified flips of at most 0.01 % of the pixels; returns the number of flips."""
    worst = torch.cat([fast.image - exact.image, fast.alpha - exact.alpha], -1).abs().amax(-1)
    flips = worst > tolerance
    assert not (flips & ~borderline(s, antialiased, 4e-6)).any(), f"off by {float(worst.max()):.1e} away from the cuts"
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
    [("RGB", 1, True), ("RGB", 3, False), ("RGB", 32, True), ("RGB+D", 5, True), ("RGB+D", 1, False), ("RGB+ED", 3, True),
     ("RGB+ED", 32, False), ("D", 3, False), ("ED", 3, True)],
)  # fmt: skip
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
    [{"thin": 1e-3, "thick": 1e-2}, {"thin": 1.0, "thick": 5.0}, {"thin": 1e-3, "thick": 0.8, "n": 40}, {"spread": 6.0},
     {"size": (16, 16), "n": 600, "spread": 0.2, "cameras": 1}, {"size": (1, 70), "cameras": 1}, {"size": (65, 1), "cameras": 1}],
    ids=["sub-pixel", "larger than the image", "needles", "around the camera", "one tile", "one column", "one row"],
)  # fmt: skip
def test_cpu_equals_reference_on_hard_scenes(case, rasterize_mode):
    s = scene(seed=3, **case)
    options = {"render_mode": "RGB+D", "rasterize_mode": rasterize_mode}
    fast, exact = render(s, **options), render(s, "reference", torch.float64, **options)
    assert_same_picture(s, fast, exact, rasterize_mode == "antialiased")
    assert_same_gradients(fast, exact)


def test_opaque_layers_close_pixels_alike():
    s = scene(n=200, thin=0.1)
    s = s._replace(leaves=(*s.leaves[:3], torch.ones(200), *s.leaves[4:]))
    fast, exact = render(s), render(s, "reference", torch.float64)
    assert (fast.alpha > 0.9998).any()
    assert_same_picture(s, fast, exact, False)
    assert_same_gradients(fast, exact)


def test_cameras_are_rendered_one_by_one():
    s = scene(cameras=3)
    whole = rasterize(*s.leaves, s.Ks, s.width, s.height, backgrounds=s.backgrounds, meta=False)
    for k in range(3):
        leaves = (*s.leaves[:5], s.leaves[5][k : k + 1])
        one = rasterize(*leaves, s.Ks[k : k + 1], s.width, s.height, backgrounds=s.backgrounds[k : k + 1])
        assert torch.equal(one[0][0], whole[0][k]) and torch.equal(one[1][0], whole[1][k])


@pytest.mark.parametrize("render_mode, rasterize_mode", [("RGB", "classic"), ("RGB+D", "antialiased"), ("ED", "classic")])
def test_reference_passes_gradcheck(render_mode, rasterize_mode):
    s = scene(n=4, channels=2, cameras=1, seed=11, size=(7, 5), spread=0.5, thin=0.15, thick=0.6)

    def call(*leaves):
        return rasterize(
            *leaves, s.Ks.double(), s.width, s.height, backgrounds=s.backgrounds.double(), render_mode=render_mode,
            rasterize_mode=rasterize_mode, backend="reference", near_plane=0.1,
        )[:2]  # fmt: skip

    leaves = [x.double().requires_grad_() for x in s.leaves]
    assert float(call(*leaves)[1].mean()) > 0.2
    assert torch.autograd.gradcheck(call, leaves, eps=1e-6, atol=1e-6, rtol=1e-5)


def test_reference_follows_finite_differences_through_the_whole_scene():
    s = scene(n=20, cameras=1, seed=2, size=(24, 18))
    exact, g = render(s, "reference", torch.float64, render_mode="RGB+D"), generator(3)
    for k, (name, x, grad) in enumerate(zip(NAMES, s.leaves, exact.grads)):
        direction = torch.randn(x.shape, generator=g).double()
        ends = []
        for e in (1e-6, -1e-6):
            leaves = [y.double() + (e * direction if j == k else 0) for j, y in enumerate(s.leaves)]
            image, alpha, _ = rasterize(*leaves, s.Ks.double(), s.width, s.height, backgrounds=s.backgrounds.double(),
                                        render_mode="RGB+D", backend="reference")  # fmt: skip
            ends.append(loss_of(image, alpha))
        slope = (ends[0] - ends[1]) / 2e-6
        assert float((slope - (grad * direction).sum()).abs()) <= 1e-4 * float(slope.abs()) + 1e-6, name


def gsplat_composite(leaves, s: Scene, antialiased: bool, depth: bool) -> tuple[Tensor, Tensor]:
    """gsplat's own projection and a loop over depth-sorted Gaussians with the cut-offs of its CUDA kernel."""
    oracle = pytest.importorskip("gsplat.cuda._torch_impl", reason="gsplat is not installed: no oracle for the projection")
    means, quats, scales, opacities, colors, views = leaves
    covars, _ = oracle._quat_scale_to_covar_preci(quats, scales, True, False)
    radii, uv, depths, conics, factors = oracle._fully_fused_projection(
        means, covars, views, s.Ks.double(), s.width, s.height, calc_compensations=antialiased
    )
    ys, xs = torch.meshgrid(torch.arange(s.height).double() + 0.5, torch.arange(s.width).double() + 0.5, indexing="ij")
    images, alphas = [], []
    for c in range(len(views)):
        light, image = torch.ones_like(xs), torch.zeros(*xs.shape, colors.shape[1] + depth, dtype=torch.float64)
        closed = torch.zeros_like(xs, dtype=torch.bool)
        for i in torch.argsort(depths[c]).tolist():
            if int(radii[c, i].min()) <= 0:
                continue
            dx, dy, (qa, qb, qc) = uv[c, i, 0] - xs, uv[c, i, 1] - ys, conics[c, i]
            sigma = 0.5 * (qa * dx**2 + qc * dy**2) + qb * dx * dy
            alpha = (opacities[i] * (factors[c, i] if antialiased else 1) * torch.exp(-sigma)).clamp_max(ALPHA_CAP)
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
    image = torch.cat([image[..., :3] + (1 - alpha) * s.backgrounds.double()[:, None, None], image[..., 3:]], -1)
    oracle = Result(image.detach(), alpha.detach(), gradients(leaves, image, alpha))
    options = {"render_mode": f"RGB+{depth}" if depth else "RGB", "rasterize_mode": "antialiased" if antialiased else "classic"}
    exact, fast = render(s, "reference", torch.float64, **options), render(s, **options)
    assert assert_same_picture(s, exact, oracle, antialiased, 1e-10) == 0
    assert_same_gradients(exact, oracle, 1e-9)
    assert_same_picture(s, fast, oracle, antialiased)
    assert_same_gradients(fast, oracle)


def test_projected_means_and_depths_are_gsplats():
    oracle = pytest.importorskip("gsplat.cuda._torch_impl", reason="gsplat is not installed: no oracle for the projection")
    s = scene(n=60, cameras=1, spread=1.0)
    covars, _ = oracle._quat_scale_to_covar_preci(*(x.double() for x in s.leaves[1:3]), True, False)
    view = s.leaves[5].double()
    _, uv, z, conics, _ = oracle._fully_fused_projection(s.leaves[0].double(), covars, view, s.Ks.double(), s.width, s.height)
    ours = project(*(x.double() for x in s.leaves[:3]), view[0], s.Ks[0].double(), s.width, s.height, 0.3)
    inverse = torch.linalg.inv(ours[3])
    assert torch.allclose(ours[0], uv[0]) and torch.allclose(ours[1], z[0])
    assert torch.allclose(torch.stack([inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]], -1), conics[0])
    info = rasterize(*s.leaves, s.Ks, s.width, s.height)[2]["cameras"][0]
    seen = info["depths"] > 0
    assert seen.sum() > 40
    assert (info["means2d"].double() - uv[0])[seen].abs().max() < 1e-4 and (info["depths"].double() - z[0])[seen].abs().max() < 1e-5


def test_gradient_of_pixel_means_is_the_gradient_of_shifting_the_principal_point():
    s = scene(n=40, cameras=1, spread=0.6)
    leaves = [x.clone().requires_grad_() for x in s.leaves]
    image, alpha, info = rasterize(*leaves, s.Ks, s.width, s.height)
    loss_of(image, alpha).backward()
    ends = []
    for e in (1e-5, -1e-5):
        Ks = s.Ks.double()
        Ks[:, :2, 2] += e
        picture = rasterize(*(x.double() for x in s.leaves), Ks, s.width, s.height, backend="reference")
        ends.append(loss_of(*picture[:2]))
    slope = float((ends[0] - ends[1]) / 2e-5)
    assert abs(float(info["cameras"][0]["means2d_grad"].sum()) - slope) < 1e-3 * abs(slope)


float32 = lambda low, high: st.floats(low, high, width=32)
row = st.tuples(*[float32(-2, 2)] * 2, st.one_of(float32(-2, 0), float32(1, 6)), *[float32(-1, 1)] * 4)
extremes = st.one_of(st.sampled_from([0.0, 1.0]), float32(0, 1))


@st.composite
def scenes(draw) -> Scene:
    """Up to eight Gaussians before and behind a camera at the origin; classic scenes may have scales of zero."""
    thin = st.one_of(st.just(0.0), float32(0.0078125, 0.25)) if draw(st.booleans()) else float32(0.0078125, 0.25)
    n = draw(st.integers(0, 8))
    column = lambda strategy, *shape: torch.tensor(draw(st.lists(strategy, min_size=n, max_size=n)), dtype=torch.float32).reshape(n, *shape)
    pose, scales = column(row, 7), column(st.tuples(thin, thin, thin), 3)
    w, h = draw(st.sampled_from([(9, 21), (20, 17), (33, 8)]))
    Ks = torch.tensor([[[30.0, 0, w / 2], [0, 28, h / 2], [0, 0, 1]]])
    colors = column(st.tuples(extremes, float32(-2, 2)), 2)
    return Scene((pose[:, :3], pose[:, 3:], scales, column(extremes), colors, torch.eye(4)[None]), Ks, torch.tensor([[0.5, 1]]), w, h)


@given(scenes(), st.sampled_from(["classic", "antialiased"]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_scene_renders_like_the_reference(s, rasterize_mode):
    antialiased = rasterize_mode == "antialiased"
    fast, exact = (render(s, b, d, render_mode="RGB+D", rasterize_mode=rasterize_mode) for b, d in
                   (("cpu", torch.float32), ("reference", torch.float64)))  # fmt: skip
    assert_same_picture(s, fast, exact, antialiased)
    assert all(torch.isfinite(d).all() for d in fast.grads)
    assert float(fast.alpha.min(initial=0.0) if False else fast.alpha.min()) >= 0 and float(fast.alpha.max()) <= 1 - 0.9 * T_STOP
    singular = antialiased and bool((s.leaves[2] == 0).any())
    if not singular and not borderline(s, antialiased, 2e-7).any():
        assert_same_gradients(fast, exact, floor=2e-4)
