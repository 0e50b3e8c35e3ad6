"""Scenes of Gaussians for the rasteriser's tests, and what "the same picture" means there."""

from typing import NamedTuple

import torch
from torch import Tensor

from stkit.geometry import generator, so3_exp
from stkit.render import rasterize
from stkit.render.gaussians_constants import ALPHA_MAX, ALPHA_MIN, T_STOP
from stkit.render.gaussians_reference import project

NAMES = ("means", "quats", "scales", "opacities", "colors", "viewmats")


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
    """Pixels (C, H, W) with a pair that rounding may push over a threshold.

    The thresholds are the 1/255 cut, the 0.999 cap and the transmittance that closes a pixel.
    """
    means, quats, scales, opacities, _, views = (x.double() for x in s.leaves)
    ys, xs = torch.meshgrid(
        torch.arange(s.height) + 0.5, torch.arange(s.width) + 0.5, indexing="ij"
    )
    pixels = torch.stack([xs, ys], -1).reshape(-1, 1, 2).double()
    out = []
    for view, K in zip(views, s.Ks.double()):
        uv, z, sharp, blurred = project(means, quats, scales, view, K, s.width, s.height, 0.3)
        order = torch.argsort(z)[int((z <= 0.01).sum()) :]
        factor = torch.ones_like(z)
        if antialiased:
            factor = (sharp.det() / blurred.det()).clamp_min(0).sqrt()
        d = pixels - uv[order]
        sigma = 0.5 * torch.einsum("pni,nij,pnj->pn", d, blurred[order].inverse(), d)
        raw = (opacities * factor)[order] * torch.exp(-sigma)
        after = torch.cumprod(torch.where(raw >= ALPHA_MIN, 1 - raw.clamp_max(ALPHA_MAX), 1.0), 1)
        near = (
            ((raw - ALPHA_MIN).abs() < width)
            | ((raw - ALPHA_MAX).abs() < width)
            | ((after / T_STOP - 1).abs() < 250 * width)
        )
        out.append(near.any(1).reshape(s.height, s.width))
    return torch.stack(out)


def assert_same_picture(
    s: Scene, fast: Result, exact: Result, antialiased: bool, tolerance=1e-4
) -> int:
    """Equal within `tolerance`, but for verified flips of at most 0.01 % of the pixels.

    Returns the number of flips.
    """
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


def arguments(**changes) -> dict:
    s = scene(n=6)
    return (
        dict(zip(NAMES, s.leaves))
        | {"Ks": s.Ks, "width": 53, "height": 37, "backgrounds": s.backgrounds}
        | changes
    )
