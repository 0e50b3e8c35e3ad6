"""The CPU backend: numba kernels behind one autograd function. See `stkit.render.rasterize` for the contract."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.render import gaussians_projection as projection
from stkit.render import gaussians_tiles as tiles
from stkit.render.gaussians_common import TILE
from stkit.render.threads import parallel, parallel_blocks


def _np(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().numpy(), dtype=np.float32)


def entry_bytes(channels: int) -> int:
    """Bytes that one (tile, Gaussian) entry needs in a forward and backward pass: list, place, and a row of gradients."""
    return 4 + 8 + 4 * (6 + channels)


def _refuse_too_large(entries: int, channels: int) -> None:
    """MemoryError with the number, before the machine starts to swap. Below 0.1 GB nobody is asked: that costs as much as a small picture."""
    need = entries * entry_bytes(channels)
    if need > 1e8 and need > 0.8 * (free := available_memory()):
        raise MemoryError(
            f"rasterize: {entries:,} tile entries need {need / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; use smaller scales, "
            "fewer Gaussians or a smaller picture"
        )


def available_memory() -> float:
    """Bytes that can be taken without swapping; infinite where the system does not say (no /proc/meminfo)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    return next(
        (1024.0 * int(x.split()[1]) for x in lines if x.startswith("MemAvailable")), float("inf")
    )


def announce_compilation() -> None:
    """Say once that numba is compiling, if its cache on disk is empty."""
    global _announced
    if _announced:
        return
    _announced = True
    cache = tiles.render_tiles_backward._cache
    if not any(Path(cache.cache_path).glob(f"{cache._impl.filename_base}*.nbi")):
        print(
            "stkit: compiling the CPU kernels, once on this machine (about 10 seconds)",
            file=sys.stderr,
            flush=True,
        )


_announced = False


class _Rasterize(torch.autograd.Function):
    """One camera. Channels are composited without a background; alpha is returned beside them."""

    @staticmethod
    def forward(
        ctx,
        means,
        quats,
        scales,
        opacities,
        colors,
        viewmat,
        depth_channel,
        K,
        width,
        height,
        eps2d,
        near,
        far,
        antialiased,
        info,
    ):
        arrays = [_np(x) for x in (means, quats, scales, opacities, colors)]
        view = _np(viewmat)[:3]
        fx, fy, cx, cy = (np.float32(K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
        n = len(means)
        flat, depths = np.zeros((n, 8), np.float32), np.zeros(n, np.float32)
        box = np.empty((n, 4), np.int32)
        lens = (fx, fy, cx, cy, width, height, np.float32(eps2d))
        parallel_blocks(
            projection.project,
            n,
            *arrays[:4],
            view,
            *lens,
            np.float32(near),
            np.float32(far),
            antialiased,
            flat,
            depths,
            box,
        )
        tiles_x, tiles_y = -(-width // TILE), -(-height // TILE)
        starts = np.empty(tiles_x * tiles_y + 1, np.int64)
        counts = np.empty(n + 1, np.int64)
        total = tiles.count_tiles(box, tiles_x, starts, counts)
        _refuse_too_large(total, colors.shape[1] + depth_channel)
        ids = np.empty(total, np.int32)
        rows = np.empty(total, np.int64)
        order = tiles.depth_order(counts, depths)
        tiles.fill_tiles(order, box, tiles_x, starts, counts, ids, rows)
        values = arrays[4]
        if depth_channel:
            values = np.ascontiguousarray(np.concatenate([values, depths[:, None]], 1))
        image = np.empty((height, width, values.shape[1]), np.float32)
        trans = np.empty((height, width), np.float32)
        last = np.empty((height, width), np.int32)
        parallel(
            tiles.render_tiles,
            len(starts) - 1,
            starts,
            ids,
            flat,
            arrays[3],
            values,
            width,
            height,
            image,
            trans,
            last,
        )
        ctx.saved = (
            arrays,
            view,
            lens,
            antialiased,
            depth_channel,
            flat,
            counts,
            rows,
            starts,
            ids,
            values,
            trans,
            last,
        )
        if info is not None:
            info.update(
                means2d=torch.from_numpy(flat[:, :2].copy()),
                depths=torch.from_numpy(depths),
                entries=int(total),
            )
            ctx.info = info
        else:
            ctx.info = None
        return torch.from_numpy(image), torch.from_numpy(1 - trans)[..., None]

    @staticmethod
    def backward(ctx, d_image, d_alpha):
        (
            arrays,
            view,
            lens,
            antialiased,
            depth_channel,
            flat,
            counts,
            rows,
            starts,
            ids,
            values,
            trans,
            last,
        ) = ctx.saved
        width, height = lens[4], lens[5]
        d_image = _np(d_image)
        d_trans = -_np(d_alpha)[..., 0]
        grads = np.empty((len(ids), 6 + values.shape[1]), np.float32)
        parallel(
            tiles.render_tiles_backward,
            len(starts) - 1,
            starts,
            ids,
            rows,
            flat,
            arrays[3],
            values,
            width,
            height,
            trans,
            last,
            d_image,
            d_trans,
            grads,
        )
        out = [np.zeros_like(a) for a in arrays[:4]]
        d_values = np.zeros_like(values)
        n = len(arrays[0])
        want_view = ctx.needs_input_grad[5]
        d_view = np.zeros((n if want_view else 0, 12), np.float32)
        d_flat = np.zeros((n, 2), np.float32)
        parallel_blocks(
            projection.project_backward,
            n,
            *arrays[:4],
            view,
            *lens,
            antialiased,
            flat,
            counts,
            grads,
            depth_channel,
            want_view,
            *out,
            d_values,
            d_view,
            d_flat,
        )
        if ctx.info is not None:
            ctx.info["means2d_grad"] = torch.from_numpy(d_flat)
        d_colors = d_values[:, :-1] if depth_channel else d_values
        back = [torch.from_numpy(np.ascontiguousarray(x)) for x in (*out, d_colors)]
        d_viewmat = None
        if want_view:
            d_viewmat = torch.zeros(4, 4)
            d_viewmat[:3] = torch.from_numpy(d_view.sum(0, dtype=np.float64).reshape(3, 4))
        return (*back, d_viewmat, *([None] * 9))


def rasterize(
    means,
    quats,
    scales,
    opacities,
    colors,
    viewmat,
    K,
    width,
    height,
    depth,
    eps2d,
    near_plane,
    far_plane,
    antialiased,
    info,
):
    """One camera: image (H, W, D [+1 accumulated depth]) without background, and alpha (H, W, 1)."""
    announce_compilation()
    return _Rasterize.apply(
        means,
        quats,
        scales,
        opacities,
        colors,
        viewmat,
        depth,
        K.detach().numpy(),
        width,
        height,
        eps2d,
        near_plane,
        far_plane,
        antialiased,
        info,
    )
