"""The CPU backend of `rasterize`: numba kernels behind one autograd function."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from stkit.render import gaussians_binning as binning
from stkit.render import gaussians_compositing as compositing
from stkit.render.gaussians_constants import TILE
from stkit.render.gaussians_projection import project
from stkit.render.gaussians_projection_backward import project_backward
from stkit.render.picture_settings import PictureSettings
from stkit.render.threads import parallel, parallel_blocks

FLAT = 8  # numbers a projected Gaussian has, see `gaussians_projection.project`
ENTRY_GRADIENTS = 6  # numbers a list entry's gradient has before its colours
UNCHECKED_BYTES = 1e8  # lists up to this size are not compared with the free memory
USABLE = 0.8  # of the free memory may be taken by the lists

_announced = False


def rasterize(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmat: Tensor,
    K: Tensor,
    settings: PictureSettings,
    info: dict | None = None,
) -> tuple[Tensor, Tensor]:
    """Render one camera: image (H, W, D [+ 1 depth]) without background, and alpha (H, W, 1).

    `info` is filled with means2d, depths and entries, and by a backward pass with means2d_grad.
    Raises MemoryError where the tiles' lists would not fit.
    """
    announce_compilation()
    return _Rasterize.apply(
        means, quats, scales, opacities, colors, viewmat, K.detach().numpy(), settings, info
    )


def entry_bytes(channels: int) -> int:
    """Bytes that one (tile, Gaussian) entry needs in a forward and backward pass.

    That is its place in two lists (an int32 and an int64) and a row of float32 gradients.
    """
    return 4 + 8 + 4 * (ENTRY_GRADIENTS + channels)


def available_memory() -> float:
    """Bytes that can be taken without swapping."""
    return float(psutil.virtual_memory().available)


def announce_compilation() -> None:
    """Say once that numba is compiling, if its cache on disk is empty."""
    global _announced
    if _announced:
        return
    _announced = True
    cache = compositing.render_tiles_backward._cache
    if not any(Path(cache.cache_path).glob(f"{cache._impl.filename_base}*.nbi")):
        print(
            "stkit: compiling the CPU kernels, once on this machine (about 10 seconds)",
            file=sys.stderr,
            flush=True,
        )


def _refuse_too_large(entries: int, channels: int) -> None:
    """MemoryError with the number, before the machine starts to swap."""
    need = entries * entry_bytes(channels)
    if need <= UNCHECKED_BYTES:
        return
    free = available_memory()
    if need > USABLE * free:
        raise MemoryError(
            f"rasterize: {entries:,} tile entries need {need / 1e9:.1f} GB and {free / 1e9:.1f} GB "
            "are free; use smaller scales, fewer Gaussians or a smaller picture"
        )


@dataclass(frozen=True)
class _Lists:
    """The tiles' lists of Gaussians, see `gaussians_binning`."""

    starts: np.ndarray
    counts: np.ndarray
    ids: np.ndarray
    rows: np.ndarray


def _bin_into_tiles(box: np.ndarray, depths: np.ndarray, width: int, height: int, channels: int):
    """The tiles' lists from the Gaussians' tile boxes (N, 4) and depths (N,)."""
    tiles_x, tiles_y = -(-width // TILE), -(-height // TILE)
    starts = np.empty(tiles_x * tiles_y + 1, np.int64)
    counts = np.empty(len(box) + 1, np.int64)
    total = binning.count_tiles(box, tiles_x, starts, counts)
    _refuse_too_large(total, channels)
    ids = np.empty(total, np.int32)
    rows = np.empty(total, np.int64)
    order = binning.depth_order(counts, depths)
    binning.fill_tiles(order, box, tiles_x, starts, counts, ids, rows)
    return _Lists(starts, counts, ids, rows)


class _Rasterize(torch.autograd.Function):
    """One camera. Channels are composited without a background; alpha is returned beside them."""

    @staticmethod
    def forward(
        ctx, means, quats, scales, opacities, colors, viewmat, K, settings: PictureSettings, info
    ):
        arrays = [_float32(x) for x in (means, quats, scales, opacities)]
        values = _float32(colors)
        view = _float32(viewmat)[:3]
        width, height = settings.width, settings.height
        fx, fy, cx, cy = (np.float32(K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
        lens = (fx, fy, cx, cy, width, height, np.float32(settings.eps2d))
        n = len(means)
        flat = np.zeros((n, FLAT), np.float32)
        depths = np.zeros(n, np.float32)
        box = np.empty((n, 4), np.int32)
        limits = (np.float32(settings.near), np.float32(settings.far), settings.antialiased)
        parallel_blocks(project, n, *arrays, view, *lens, *limits, flat, depths, box)
        lists = _bin_into_tiles(box, depths, width, height, values.shape[1] + settings.depth)
        if settings.depth:
            values = np.ascontiguousarray(np.concatenate([values, depths[:, None]], 1))
        image = np.empty((height, width, values.shape[1]), np.float32)
        trans = np.empty((height, width), np.float32)
        last = np.empty((height, width), np.int32)
        scene = (flat, arrays[3], values, width, height)
        tiles = len(lists.starts) - 1
        parallel(
            compositing.render_tiles, tiles, lists.starts, lists.ids, *scene, image, trans, last
        )
        ctx.saved = arrays, view, lens, settings, lists, scene, trans, last
        ctx.info = info
        if info is not None:
            info["means2d"] = torch.from_numpy(flat[:, :2].copy())
            info["depths"] = torch.from_numpy(depths)
            info["entries"] = len(lists.ids)
        return torch.from_numpy(image), torch.from_numpy(1 - trans)[..., None]

    @staticmethod
    def backward(ctx, d_image, d_alpha):
        arrays, view, lens, settings, lists, scene, trans, last = ctx.saved
        flat, _, values, _, _ = scene
        d_image = _float32(d_image)
        d_trans = -_float32(d_alpha)[..., 0]
        grads = np.empty((len(lists.ids), ENTRY_GRADIENTS + values.shape[1]), np.float32)
        found = (trans, last, d_image, d_trans, grads)
        parallel(
            compositing.render_tiles_backward,
            len(lists.starts) - 1,
            lists.starts,
            lists.ids,
            lists.rows,
            *scene,
            *found,
        )
        d_arrays = [np.zeros_like(a) for a in arrays]
        d_values = np.zeros_like(values)
        n = len(arrays[0])
        want_view = ctx.needs_input_grad[5]
        d_view = np.zeros((n if want_view else 0, 12), np.float32)
        d_flat = np.zeros((n, 2), np.float32)
        options = (settings.antialiased, flat, lists.counts, grads, settings.depth, want_view)
        outputs = (*d_arrays, d_values, d_view, d_flat)
        parallel_blocks(project_backward, n, *arrays, view, *lens, *options, *outputs)
        if ctx.info is not None:
            ctx.info["means2d_grad"] = torch.from_numpy(d_flat)
        d_colors = d_values[:, :-1] if settings.depth else d_values
        back = [torch.from_numpy(np.ascontiguousarray(x)) for x in (*d_arrays, d_colors)]
        d_viewmat = None
        if want_view:
            d_viewmat = torch.zeros(4, 4)
            d_viewmat[:3] = torch.from_numpy(d_view.sum(0, dtype=np.float64).reshape(3, 4))
        return (*back, d_viewmat, None, None, None)


def _float32(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().numpy(), dtype=np.float32)
