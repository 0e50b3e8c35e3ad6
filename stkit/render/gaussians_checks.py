"""What `rasterize` refuses: shapes that do not fit, and values that are not finite."""

import torch
from torch import Tensor

from stkit.errors import RequestError


def check_inputs(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    backgrounds: Tensor | None,
) -> None:
    """Raise ValueError naming the tensor, and the first row that is not finite."""
    n, cameras = len(means), len(viewmats)
    _check_shape("means", means, (n, 3))
    _check_shape("quats", quats, (n, 4))
    _check_shape("scales", scales, (n, 3))
    _check_shape("opacities", opacities, (n,))
    _check_shape("viewmats", viewmats, (cameras, 4, 4))
    _check_shape("Ks", Ks, (cameras, 3, 3))
    if backgrounds is not None:
        _check_shape("backgrounds", backgrounds, (cameras, colors.shape[-1]))
    if colors.ndim != 2 or len(colors) != n:
        raise RequestError(
            f"rasterize: colors has shape {tuple(colors.shape)}, expected ({n}, channels)"
        )
    _check_rows("means", means)
    _check_rows("quats", quats)
    _check_rows("scales", scales)
    _check_rows("opacities", opacities)
    _check_rows("colors", colors)
    _check_cameras("viewmats", viewmats)
    _check_cameras("Ks", Ks)
    if backgrounds is not None:
        _check_cameras("backgrounds", backgrounds)


def _check_shape(name: str, x: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(x.shape) != shape:
        raise RequestError(f"rasterize: {name} has shape {tuple(x.shape)}, expected {shape}")


def _check_rows(name: str, x: Tensor) -> None:
    """Refuse rows that are not finite. The sum is a quick test, which large values may overflow."""
    x = x.detach()
    if torch.isfinite(x.sum()):
        return
    bad = torch.nonzero(~torch.isfinite(x).reshape(len(x), -1).all(1))
    if len(bad):
        raise RequestError(
            f"rasterize: {name}[{int(bad[0])}] is not finite ({len(bad)} of {len(x)} rows); "
            "check the step before"
        )


def _check_cameras(name: str, x: Tensor) -> None:
    finite = torch.isfinite(x.detach())
    if not finite.all():
        bad = int(torch.nonzero(~finite.flatten(1).all(1))[0])
        raise RequestError(f"rasterize: {name}[{bad}] is not finite; check the camera")
