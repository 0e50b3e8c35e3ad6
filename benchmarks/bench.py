"""`make bench`: how fast the renderers and the training steps are here, in under a minute.

One table, and lines that a script can read. Ratios come from one interleaved run of both codes, so
other load on the machine changes them less than the times. With --write, results go to
benchmarks/results.md and results.json with the machine's description.
"""

import stkit  # noqa: F401, I001  (before torch: it sets OMP_WAIT_POLICY)

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gsplat_torch import rasterize as gsplat_torch
from records import machine, record
from stages import training_steps
from stkit.cameras import Camera, front_camera
from stkit.render import rasterize
from stkit.render.gaussians_cpu import entry_bytes

HERE = Path(__file__).parent
AXES = (0.8, 1.1, 0.9)  # dm: half the width, height and depth of the shell of Gaussians
RADIUS = 0.93  # dm: of a sphere with about the shell's area

# seconds until the first picture with its gradient, in a new process
FIRST_PICTURE = """
import sys, time
import stkit, torch
start = time.perf_counter()
from stkit.cameras import front_camera
from stkit.render import rasterize
means, quats, scales, colors = [torch.randn(9, k, requires_grad=True) for k in (3, 4, 3, 3)]
opacities = torch.full((9,), 0.5, requires_grad=True)
camera = front_camera(32)
image, _, _ = rasterize(
    means, quats, scales.abs(), opacities, colors, camera.viewmat[None], camera.K[None], 32, 32,
    meta=False,
)
image.sum().backward()
print(time.perf_counter() - start)
"""
IMPORT = "import time; t = time.perf_counter(); import stkit; print(time.perf_counter() - t)"


def scene(n: int, size: int, channels: int) -> tuple[list[Tensor], Camera]:
    """A head-like shell of n Gaussians, as wide as their spacing, opacity 0.3 to 0.9."""
    g = torch.Generator().manual_seed(0)
    spacing = (4 * np.pi * RADIUS**2 / n) ** 0.5
    leaves = [
        torch.nn.functional.normalize(torch.randn(n, 3, generator=g), dim=1) * torch.tensor(AXES),
        torch.randn(n, 4, generator=g),
        spacing * (0.4 + 0.8 * torch.rand(n, 3, generator=g)),
        0.3 + 0.6 * torch.rand(n, generator=g),
        torch.rand(n, channels, generator=g),
    ]
    return [x.requires_grad_() for x in leaves], front_camera(size)


def ours(leaves: list[Tensor], camera: Camera) -> Callable[[], Tensor]:
    """The image (H, W, D) by stkit's CPU kernels."""

    def render() -> Tensor:
        view, K, size = camera.viewmat[None], camera.K[None], camera.width
        return rasterize(*leaves, view, K, size, size, meta=False)[0][0]

    return render


def theirs(leaves: list[Tensor], camera: Camera) -> Callable[[], Tensor]:
    """The image (H, W, D) by gsplat's torch functions."""

    def render() -> Tensor:
        return gsplat_torch(*leaves, camera.viewmat, camera.K, camera.width, camera.height)[0]

    return render


def timed(render: Callable[[], Tensor], leaves: list[Tensor], weight: Tensor) -> float:
    """Milliseconds of a picture with its gradients."""
    for x in leaves:
        x.grad = None
    start = time.perf_counter()
    render().backward(weight)
    return 1e3 * (time.perf_counter() - start)


def compare(n: int, size: int, channels: int, rounds: int) -> dict[str, float]:
    """Milliseconds of both codes, forward and backward, and their ratio: interleaved, medians."""
    leaves, camera = scene(n, size, channels)
    weight = torch.rand(size, size, channels)
    fast, slow = ours(leaves, camera), theirs(leaves, camera)
    error = (fast() - slow()).abs()
    assert error.max() < 2e-2 and error.mean() < 1e-4, "the two codes draw different pictures"
    fast_ms, slow_ms = [], []
    for _ in range(rounds):
        slow_ms.append(timed(slow, leaves, weight))
        fast_ms.extend(timed(fast, leaves, weight) for _ in range(5))
    best, reference = float(np.median(fast_ms)), float(np.median(slow_ms))
    key = f"{n // 1000}k_{size}_{channels}"
    return {
        f"cpu_ms_{key}": best,
        f"gsplat_torch_ms_{key}": reference,
        f"ratio_{key}": reference / best,
    }


def growth() -> dict[str, float]:
    """Cost by the number of Gaussians and of pixels, and the exponents of fitted power laws."""
    by_gaussians, first = _times([(5_000, 256), (20_000, 256), (80_000, 256)])
    by_pixels, second = _times([(20_000, 128), (20_000, 256), (20_000, 512)])
    return {
        **first,
        "exponent_gaussians": _exponent([(n, ms) for n, _, ms in by_gaussians]),
        **second,
        "exponent_pixels": _exponent([(size * size, ms) for _, size, ms in by_pixels]),
    }


def _times(grid: list[tuple[int, int]]) -> tuple[list[tuple[int, int, float]], dict[str, float]]:
    """Milliseconds for each number of Gaussians and image size: as rows, and as named lines."""
    rows, lines = [], {}
    for n, size in grid:
        leaves, camera = scene(n, size, 3)
        render, weight = ours(leaves, camera), torch.rand(size, size, 3)
        render()
        ms = float(np.median([timed(render, leaves, weight) for _ in range(9)]))
        rows.append((n, size, ms))
        lines[f"alone_ms_{n // 1000}k_{size}_3"] = ms
    return rows, lines


def _exponent(points: list[tuple[int, float]]) -> float:
    x, y = np.log(np.array(points)).T
    return float(np.polyfit(x, y, 1)[0])


def memory() -> dict[str, float]:
    """Bytes of one more (tile, Gaussian) entry: as the renderer states, and as the peak grows."""
    points = []
    for factor in (1.0, 2.0, 4.0):
        leaves, camera = scene(20_000, 256, 3)
        with torch.no_grad():
            leaves[2].mul_(factor)
        tracemalloc.start()
        image, _, info = rasterize(*leaves, camera.viewmat[None], camera.K[None], 256, 256)
        image.sum().backward()
        points.append((info["cameras"][0]["entries"], tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    entries, peak = np.array(points, float).T
    slope = float(np.polyfit(entries, peak, 1)[0])
    return {"entry_bytes_stated": entry_bytes(3), "entry_bytes_measured": slope}


def first_use() -> dict[str, float]:
    """Seconds until a first picture, compiling everything and with the cache, and of an import."""
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "NUMBA_CACHE_DIR": empty, "STKIT_QUIET": "1"}
        cold = _printed(FIRST_PICTURE, environment)
        warm = _printed(FIRST_PICTURE, environment)
    return {"jit_cold_s": cold, "jit_warm_s": warm, "import_stkit_s": _printed(IMPORT)}


def _printed(code: str, environment: dict[str, str] | None = None) -> float:
    """The number that the code prints in a new process."""
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(out.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--write", action="store_true", help="write benchmarks/results.md and results.json"
    )
    write = parser.parse_args().write
    start = time.perf_counter()
    lines = compare(20_000, 256, 3, rounds=4)
    lines |= compare(20_000, 256, 32, rounds=2)
    lines |= growth()
    lines |= memory()
    lines |= training_steps()
    lines |= first_use()
    lines["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    lines["seconds"] = time.perf_counter() - start
    for key, value in lines.items():
        print(f"{key} {value:.4g}")
    if write:
        record(lines, machine(), HERE)


if __name__ == "__main__":
    main()
