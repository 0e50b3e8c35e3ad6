"""The CUDA backend: gsplat 1.5.3 behind `rasterize`."""

from torch import Tensor

from stkit.render.picture_settings import PictureSettings


def rasterize(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    settings: PictureSettings,
    render_mode: str,
    packed: bool,
) -> tuple[Tensor, Tensor, dict]:
    """Render all cameras; shapes are those of `stkit.render.rasterize`.

    Returns pictures (C, H, W, D [+ 1]) without background, alphas (C, H, W, 1) and gsplat's dict.
    The background is left to the caller: gsplat would put its colour under the depth too.
    """
    import gsplat

    return gsplat.rasterization(
        means=means,
        quats=quats,
        scales=scales,
        opacities=opacities,
        colors=colors,
        viewmats=viewmats,
        Ks=Ks,
        width=settings.width,
        height=settings.height,
        near_plane=settings.near,
        far_plane=settings.far,
        eps2d=settings.eps2d,
        packed=packed,
        render_mode=render_mode,
        rasterize_mode="antialiased" if settings.antialiased else "classic",
    )
