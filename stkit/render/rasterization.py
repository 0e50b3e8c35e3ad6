"""`rasterize`: one call, with gsplat's argument names, for all Gaussian renderers.

render_mode says what a picture holds: RGB, D (accumulated depth), ED (expected depth), RGB+D or
RGB+ED. rasterize_mode: classic, or antialiased, where opacities make up for the blur of eps2d.
backend: gsplat (CUDA), cpu (numba), reference (PyTorch, small scenes), or auto: gsplat for tensors
on CUDA, else cpu. packed is a memory layout of gsplat's for scenes that a camera sees little of;
the other backends keep visible entries only, whatever it says.

The dict that comes third is gsplat's own there. On the other backends it holds "cameras", one dict
a camera: means2d (N, 2) pixels, depths (N,), entries, and after a backward pass of cpu means2d_grad
(N, 2). meta=False spares these and leaves None.

Sources: 3D Gaussian Splatting (Kerbl et al. 2023); the paper's Eq. 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stkit.errors import RequestError
from stkit.render import gaussians_cpu, gaussians_gsplat, gaussians_reference
from stkit.render.gaussians_checks import check_inputs
from stkit.render.gaussians_constants import MIN_ALPHA_FOR_DEPTH
from stkit.render.picture_settings import PictureSettings

BACKENDS = ("auto", "gsplat", "cpu", "reference")
RASTERIZE_MODES = ("classic", "antialiased")


@dataclass(frozen=True)
class RenderMode:
    """What a picture holds: colours, and depth as the weighted "sum" or "mean", or not at all."""

    colors: bool
    depth: str | None


MODES = {
    "RGB": RenderMode(True, None),
    "D": RenderMode(False, "sum"),
    "ED": RenderMode(False, "mean"),
    "RGB+D": RenderMode(True, "sum"),
    "RGB+ED": RenderMode(True, "mean"),
}


def rasterize(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    eps2d: float = 0.3,
    packed: bool = False,
    backgrounds: Tensor | None = None,
    render_mode: str = "RGB",
    rasterize_mode: str = "classic",
    backend: str = "auto",
    meta: bool = True,
) -> tuple[Tensor, Tensor, dict]:
    """Render N Gaussians from C cameras; names and shapes are those of gsplat.rasterization.

    means (N, 3) and scales (N, 3) in world units, quats (N, 4) w, x, y, z of any length, opacities
    (N,) in [0, 1], colors (N, D), viewmats (C, 4, 4) world-to-camera (OpenCV), Ks (C, 3, 3), width
    and height in pixels, depth range near_plane to far_plane, eps2d: blur in pixels^2, backgrounds
    (C, D) or None for 0. render_mode, rasterize_mode, backend, packed, meta: see this module.

    Returns pictures (C, H, W, D [+ 1 depth]), alphas (C, H, W, 1) and a dict (see this module).
    Raises ValueError for wrong shapes, unknown modes and values that are not finite (naming the
    first), and MemoryError (cpu) where a scene would not fit.
    """
    mode = _checked_mode(render_mode, rasterize_mode, backend)
    check_inputs(means, quats, scales, opacities, colors, viewmats, Ks, backgrounds)
    smooth, depth = rasterize_mode == "antialiased", mode.depth is not None
    settings = PictureSettings(width, height, near_plane, far_plane, eps2d, smooth, depth)
    gaussians = (means, quats, scales, opacities)
    if backend == "gsplat" or (backend == "auto" and means.is_cuda):
        images, alphas, info = gaussians_gsplat.rasterize(
            *gaussians, colors, viewmats, Ks, settings, render_mode, packed
        )
    else:
        render = (
            gaussians_reference.rasterize if backend == "reference" else gaussians_cpu.rasterize
        )
        values = colors if mode.colors else colors[:, :0]
        images, alphas, info = _one_by_one(
            render, (*gaussians, values), viewmats, Ks, settings, mode, meta
        )
    return _over(images, alphas, backgrounds if mode.colors else None), alphas, info


def _checked_mode(render_mode: str, rasterize_mode: str, backend: str) -> RenderMode:
    """The entry of MODES. Raises ValueError for a mode or backend that does not exist."""
    if render_mode not in MODES:
        raise RequestError(
            f"rasterize: render_mode {render_mode!r} is not one of {', '.join(MODES)}"
        )
    if rasterize_mode not in RASTERIZE_MODES:
        known = " or ".join(repr(name) for name in RASTERIZE_MODES)
        raise RequestError(f"rasterize: rasterize_mode {rasterize_mode!r} is not {known}")
    if backend not in BACKENDS:
        raise RequestError(f"rasterize: backend {backend!r} is not one of {', '.join(BACKENDS)}")
    return MODES[render_mode]


def _one_by_one(
    render: Callable[..., tuple[Tensor, Tensor]],
    gaussians: tuple[Tensor, ...],
    viewmats: Tensor,
    Ks: Tensor,
    settings: PictureSettings,
    mode: RenderMode,
    meta: bool,
) -> tuple[Tensor, Tensor, dict]:
    """Pictures, alphas and infos of all cameras, from a backend that renders one at a time."""
    images, alphas, infos = [], [], []
    for viewmat, K in zip(viewmats, Ks):
        info: dict | None = {} if meta else None
        image, alpha = render(*gaussians, viewmat, K, settings, info)
        if mode.depth == "mean":
            mean = image[..., -1:] / alpha.clamp_min(MIN_ALPHA_FOR_DEPTH)
            image = torch.cat([image[..., :-1], mean], -1)
        images.append(image)
        alphas.append(alpha)
        infos.append(info)
    return _stack(images), _stack(alphas), {"cameras": infos}


def _stack(pictures: list[Tensor]) -> Tensor:
    """(C, ...) without a copy for a single camera."""
    return torch.stack(pictures) if len(pictures) > 1 else pictures[0][None]


def _over(images: Tensor, alphas: Tensor, backgrounds: Tensor | None) -> Tensor:
    """Images over their backgrounds (C, D); a channel after the D-th (depth) is left as it is."""
    if backgrounds is None:
        return images
    channels = backgrounds.shape[-1]
    filled = images[..., :channels] + (1 - alphas) * backgrounds[:, None, None]
    if images.shape[-1] == channels:
        return filled
    return torch.cat([filled, images[..., channels:]], -1)
