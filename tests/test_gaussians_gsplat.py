"""The Gaussian rasterisers against gsplat: its projection, and what our wrapper hands on to it."""

import inspect
import sys
from types import SimpleNamespace

import pytest
import torch
from gaussian_scenes import (
    Result,
    Scene,
    arguments,
    assert_same_gradients,
    assert_same_picture,
    gradients,
    render,
    scene,
)
from torch import Tensor

from stkit.render import rasterize
from stkit.render.gaussians_constants import ALPHA_MAX, ALPHA_MIN, T_STOP
from stkit.render.gaussians_reference import project

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def gsplat_composite(leaves, s: Scene, antialiased: bool, depth: bool) -> tuple[Tensor, Tensor]:
    """Draw with gsplat's own projection and a loop with the cut-offs of its CUDA kernel."""
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
        light = torch.ones_like(xs)
        image = torch.zeros(*xs.shape, colors.shape[1] + depth, dtype=torch.float64)
        closed = torch.zeros_like(xs, dtype=torch.bool)
        for i in torch.argsort(depths[c]).tolist():
            if int(radii[c, i].min()) <= 0:
                continue
            dx, dy, (qa, qb, qc) = uv[c, i, 0] - xs, uv[c, i, 1] - ys, conics[c, i]
            sigma = 0.5 * (qa * dx**2 + qc * dy**2) + qb * dx * dy
            factor = factors[c, i] if antialiased else 1
            alpha = (opacities[i] * factor * torch.exp(-sigma)).clamp_max(ALPHA_MAX)
            drawn = (sigma >= 0) & (alpha >= ALPHA_MIN) & ~closed
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


@pytest.mark.parametrize("render_mode", ["D", "ED"])
def test_gsplat_backend_leaves_depth_without_a_background(monkeypatch, render_mode):
    depth, alpha = torch.full((2, 37, 53, 1), 4.0), torch.full((2, 37, 53, 1), 0.25)
    monkeypatch.setitem(
        sys.modules, "gsplat", SimpleNamespace(rasterization=lambda *_, **__: (depth, alpha, {}))
    )
    image, _, _ = rasterize(**arguments(render_mode=render_mode, backend="gsplat"))
    assert torch.equal(image, depth)


@pytest.mark.parametrize("render_mode", ["RGB", "D", "ED", "RGB+D", "RGB+ED"])
@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
def test_every_argument_reaches_gsplat_by_its_name(monkeypatch, render_mode, rasterize_mode):
    real = pytest.importorskip("gsplat", reason="gsplat is not installed: no signature to follow")
    calls = []

    def rasterization(*arguments, **options):
        calls.append(inspect.signature(real.rasterization).bind(*arguments, **options).arguments)
        return torch.zeros(2, 37, 53, 3), torch.zeros(2, 37, 53, 1), {"radii": 7}

    monkeypatch.setitem(sys.modules, "gsplat", SimpleNamespace(rasterization=rasterization))
    given = arguments(render_mode=render_mode, rasterize_mode=rasterize_mode, backend="gsplat")
    planes = {"near_plane": 0.1, "far_plane": 50.0, "eps2d": 0.2, "packed": True}
    info = rasterize(**given, **planes)[2]
    assert info == {"radii": 7}
    expected = {k: v for k, v in given.items() if k not in ("backgrounds", "backend")} | planes
    assert len(calls) == 1 and calls[0].keys() == expected.keys()
    for name, value in expected.items():
        assert calls[0][name] is value or calls[0][name] == value, name


def test_gsplats_picture_is_laid_over_the_background(monkeypatch):
    picture, alpha = torch.full((2, 37, 53, 4), 0.5), torch.full((2, 37, 53, 1), 0.25)
    fake = SimpleNamespace(rasterization=lambda **_: (picture, alpha, {}))
    monkeypatch.setitem(sys.modules, "gsplat", fake)
    given = arguments(render_mode="RGB+D", backend="gsplat")
    image, _, _ = rasterize(**given)
    assert torch.equal(image[..., 3:], picture[..., 3:])
    expected = 0.5 + 0.75 * given["backgrounds"][:, None, None].expand(2, 37, 53, 3)
    assert torch.allclose(image[..., :3], expected)
