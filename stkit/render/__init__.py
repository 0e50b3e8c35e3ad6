"""Differentiable renderers behind two calls: `rasterize` for Gaussians, `render_mesh` for triangle meshes."""

import torch
from torch import Tensor

from stkit.render.mesh_image import MeshImage
from stkit.render.meshes import render_mesh

__all__ = ["rasterize", "render_mesh", "MeshImage", "backends", "pick_device"]

MODES = {
    "RGB": (True, None),
    "D": (False, "sum"),
    "ED": (False, "mean"),
    "RGB+D": (True, "sum"),
    "RGB+ED": (True, "mean"),
}


def backends() -> list[str]:
    """The Gaussian backends this machine can run, best first."""
    found = ["cpu", "reference"]
    if torch.cuda.is_available():
        try:
            import gsplat  # noqa: F401

            found.insert(0, "gsplat")
        except ImportError:
            pass
    return found


def pick_device(name: str = "auto") -> str:
    """'cuda' where torch sees a GPU and gsplat and kaolin can be imported, else 'cpu'; a name is taken as it is.

    Raises ValueError with the reason if 'cuda' is asked for and cannot be had.
    """
    from importlib.util import find_spec

    missing = [m for m in ("gsplat", "kaolin") if find_spec(m) is None]
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device {name!r} is not one of auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device 'cuda': torch sees no GPU here; `stkit doctor` says more. Leave --device out to run on the CPU"
        )
    if name == "cuda" and missing:
        raise ValueError(
            f"device 'cuda' needs {' and '.join(missing)}, not installed here; environment.yml has them"
        )
    return "cuda" if name != "cpu" and torch.cuda.is_available() and not missing else "cpu"


def _check(means, quats, scales, opacities, colors, viewmats, Ks, backgrounds):
    n, c = len(means), len(viewmats)
    wanted = [
        ("means", means, (n, 3)),
        ("quats", quats, (n, 4)),
        ("scales", scales, (n, 3)),
        ("opacities", opacities, (n,)),
        ("viewmats", viewmats, (c, 4, 4)),
        ("Ks", Ks, (c, 3, 3)),
    ]
    if backgrounds is not None:
        wanted.append(("backgrounds", backgrounds, (c, colors.shape[-1])))
    for name, x, shape in wanted:
        if tuple(x.shape) != shape:
            raise ValueError(f"rasterize: {name} has shape {tuple(x.shape)}, expected {shape}")
    if colors.ndim != 2 or len(colors) != n:
        raise ValueError(
            f"rasterize: colors has shape {tuple(colors.shape)}, expected ({n}, channels)"
        )
    for name, x in (
        ("means", means),
        ("quats", quats),
        ("scales", scales),
        ("opacities", opacities),
        ("colors", colors),
    ):
        if not torch.isfinite(x.detach().sum()):
            bad = torch.nonzero(~torch.isfinite(x.detach()).reshape(n, -1).all(1))
            if len(bad):
                raise ValueError(
                    f"rasterize: {name}[{int(bad[0])}] is not finite ({len(bad)} of {n} rows); check the step before"
                )
    for name, x in (("viewmats", viewmats), ("Ks", Ks), ("backgrounds", backgrounds)):
        if x is not None and not torch.isfinite(x.detach()).all():
            bad = int(torch.nonzero(~torch.isfinite(x.detach()).flatten(1).all(1))[0])
            raise ValueError(f"rasterize: {name}[{bad}] is not finite; check the camera")


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
):
    """Render Gaussians from C cameras, with the argument names and shapes of `gsplat.rasterization`.

    means (N, 3) and scales (N, 3) in world units, quats (N, 4) w,x,y,z (need not be unit), opacities (N,) in [0, 1],
    colors (N, D) with any D, viewmats (C, 4, 4) world-to-camera (OpenCV), Ks (C, 3, 3) in pixels, backgrounds (C, D).
    render_mode: RGB, D (accumulated depth), ED (expected depth), RGB+D, RGB+ED. rasterize_mode: classic or antialiased.
    Gaussians nearer than near_plane or beyond far_plane are left out. packed: a memory layout of gsplat's, for scenes that a
    camera sees little of; without effect on the other backends, which keep visible entries only.
    backend: auto, gsplat (CUDA), cpu (numba), reference (PyTorch, small scenes).

    Returns renders (C, H, W, D [+1]), alphas (C, H, W, 1) and a dict. Raises ValueError for wrong shapes, unknown modes,
    and values that are not finite (naming the first index), MemoryError (cpu) where a scene would not fit. Source: 3DGS (Kerbl 2023); paper Eq. 1.
    """
    if render_mode not in MODES:
        raise ValueError(f"rasterize: render_mode {render_mode!r} is not one of {', '.join(MODES)}")
    if rasterize_mode not in ("classic", "antialiased"):
        raise ValueError(
            f"rasterize: rasterize_mode {rasterize_mode!r} is not 'classic' or 'antialiased'"
        )
    _check(means, quats, scales, opacities, colors, viewmats, Ks, backgrounds)
    if backend == "auto":
        backend = "gsplat" if means.is_cuda else "cpu"
    if backend == "gsplat":
        import gsplat

        renders, alphas, info = gsplat.rasterization(
            means,
            quats,
            scales,
            opacities,
            colors,
            viewmats,
            Ks,
            width,
            height,
            near_plane=near_plane,
            far_plane=far_plane,
            eps2d=eps2d,
            render_mode=render_mode,
            rasterize_mode=rasterize_mode,
            packed=packed,
        )
        return _over(renders, alphas, backgrounds if MODES[render_mode][0] else None), alphas, info
    if backend == "cpu":
        from stkit.render.gaussians_cpu import rasterize as run
    elif backend == "reference":
        from stkit.render.gaussians_reference import rasterize as run
    else:
        raise ValueError(
            f"rasterize: backend {backend!r} is not one of auto, {', '.join(backends())}"
        )
    with_colour, depth = MODES[render_mode]
    values = colors if with_colour else colors[:, :0]
    images, alphas, infos = [], [], []
    for viewmat, K in zip(viewmats, Ks):
        info = {} if meta else None
        image, alpha = run(
            means,
            quats,
            scales,
            opacities,
            values,
            viewmat,
            K,
            width,
            height,
            depth is not None,
            eps2d,
            near_plane,
            far_plane,
            rasterize_mode == "antialiased",
            info,
        )
        if depth == "mean":
            image = torch.cat([image[..., :-1], image[..., -1:] / alpha.clamp_min(1e-10)], -1)
        images.append(image)
        alphas.append(alpha)
        infos.append(info)
    stack = lambda x: torch.stack(x) if len(x) > 1 else x[0][None]
    alphas = stack(alphas)
    return (
        _over(stack(images), alphas, backgrounds if with_colour else None),
        alphas,
        {"cameras": infos},
    )


def _over(renders: Tensor, alphas: Tensor, backgrounds: Tensor | None) -> Tensor:
    if backgrounds is None:
        return renders
    d = backgrounds.shape[-1]
    filled = renders[..., :d] + (1 - alphas) * backgrounds[:, None, None]
    return torch.cat([filled, renders[..., d:]], -1) if renders.shape[-1] > d else filled
