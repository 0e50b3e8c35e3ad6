"""The Gaussian rasterisers: numba kernels against PyTorch, PyTorch against finite differences."""

import pytest
import torch
from gaussian_scenes import (
    NAMES,
    Scene,
    assert_same_gradients,
    assert_same_picture,
    borderline,
    loss_of,
    render,
    scene,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit.geometry import generator
from stkit.render import MODES, rasterize
from stkit.render.gaussians_constants import T_STOP

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
@pytest.mark.parametrize(
    ("render_mode", "channels", "backgrounds"),
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
    mode = MODES[render_mode]
    assert fast.image.shape == (2, 37, 53, channels * mode.colors + (mode.depth is not None))
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
    ("render_mode", "rasterize_mode"),
    [("RGB", "classic"), ("RGB+D", "antialiased"), ("ED", "classic")],
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


def float32(low, high):
    return st.floats(low, high, width=32)


# quaternions are small integers: they may be 0, but not so near it that the floor decides
row = st.tuples(
    *[float32(-2, 2)] * 2, st.one_of(float32(-2, 0), float32(1, 6)), *[st.integers(-9, 9)] * 4
)


extremes = st.one_of(st.sampled_from([0.0, 1.0]), float32(0, 1))


@st.composite
def scenes(draw) -> Scene:
    """Up to eight Gaussians before and behind a camera at the origin; scales may be zero."""
    thin = (
        st.one_of(st.just(0.0), float32(0.0078125, 0.25))
        if draw(st.booleans())
        else float32(0.0078125, 0.25)
    )
    n = draw(st.integers(0, 8))

    def column(strategy, *shape):
        return torch.tensor(
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
