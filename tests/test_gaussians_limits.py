"""The Gaussian rasterisers at their limits: nothing in view, degenerate and refused input, size."""

import math
from types import SimpleNamespace

import pytest
import torch
from gaussian_scenes import NAMES, arguments, assert_same_picture, lone, render, scene

from stkit.geometry import generator
from stkit.render import gaussians_cpu, rasterize

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize(
    ("backend", "dtype"), [("cpu", torch.float32), ("reference", torch.float64)]
)
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


@pytest.mark.parametrize(
    ("changes", "message"),
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

    monkeypatch.setattr(
        gaussians_cpu, "entry_bytes", lambda channels: 1e6
    )  # as if the scene were 20,000 times larger
    monkeypatch.setattr(gaussians_cpu, "available_memory", lambda: 1e8)
    with pytest.raises(MemoryError, match=r"tile entries need .* GB .* are free"):
        render(scene(n=200))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_planes_cut_near_and_far_gaussians(backend):
    s = lone()

    def seen(**planes):
        return float(
            rasterize(*s.leaves, s.Ks, s.width, s.height, backend=backend, **planes)[1].max()
        )

    assert seen() > 0.8 and seen(far_plane=4.5) > 0.8
    assert seen(far_plane=3.5) == 0 == seen(near_plane=4.5)


def test_compilation_is_announced_once_and_only_without_a_cache(monkeypatch, tmp_path, capsys):

    cache = SimpleNamespace(cache_path=str(tmp_path), _impl=SimpleNamespace(filename_base="kernel"))
    monkeypatch.setattr(
        gaussians_cpu.compositing, "render_tiles_backward", SimpleNamespace(_cache=cache)
    )
    for made, expected in ((False, 1), (True, 0)):
        monkeypatch.setattr(gaussians_cpu, "_announced", False)
        if made:
            (tmp_path / "kernel-1.nbi").touch()
        gaussians_cpu.announce_compilation()
        gaussians_cpu.announce_compilation()
        assert capsys.readouterr().err.count("compiling the CPU kernels") == expected
