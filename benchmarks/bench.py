"""`make bench`: how fast the renderers and the training steps are here. One table, lines that a script can read, under a minute.

Ratios come from one interleaved run of both codes, so other load on the machine changes them less than the times. Results go to
benchmarks/results.md and results.json with the machine's description.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from functools import cache
from pathlib import Path

START = time.perf_counter()
import stkit  # noqa: E402, I001  (before torch: it sets OMP_WAIT_POLICY)

import numpy as np  # noqa: E402
import torch  # noqa: E402

from gsplat_torch import rasterize as gsplat_torch  # noqa: E402
from stkit.cameras import front_camera  # noqa: E402
from stkit.render import rasterize  # noqa: E402
from stkit.render.threads import thread_count  # noqa: E402

HERE = Path(__file__).parent
LINES: dict[str, float] = {}


def scene(n: int, size: int, channels: int) -> tuple[list[torch.Tensor], object]:
    """A head-like shell: n flat-ish Gaussians on an ellipsoid 1.6 x 2.2 x 1.8 dm, opacity 0.3 to 0.9, as wide as their spacing."""
    g = torch.Generator().manual_seed(0)
    axes = torch.tensor([0.8, 1.1, 0.9])
    spacing = (4 * np.pi * 0.93**2 / n) ** 0.5
    leaves = [
        torch.nn.functional.normalize(torch.randn(n, 3, generator=g), dim=1) * axes,
        torch.randn(n, 4, generator=g),
        spacing * (0.4 + 0.8 * torch.rand(n, 3, generator=g)),
        0.3 + 0.6 * torch.rand(n, generator=g),
        torch.rand(n, channels, generator=g),
    ]
    return [x.requires_grad_() for x in leaves], front_camera(size)


def timed(render, leaves, weight) -> float:
    for x in leaves:
        x.grad = None
    start = time.perf_counter()
    (image, *_) = render()
    image.backward(weight)
    return 1e3 * (time.perf_counter() - start)


def ours(leaves, camera):
    size = camera.width
    return lambda: (
        rasterize(*leaves, camera.viewmat[None], camera.K[None], size, size, meta=False)[0][0],
    )


def theirs(leaves, camera):
    return lambda: gsplat_torch(*leaves, camera.viewmat, camera.K, camera.width, camera.height)


def compare(n: int, size: int, channels: int, rounds: int) -> None:
    """Milliseconds of both codes, forward and backward, and their ratio, from interleaved rounds."""
    leaves, camera = scene(n, size, channels)
    weight = torch.rand(size, size, channels)
    fast, slow = ours(leaves, camera), theirs(leaves, camera)
    a, b = fast()[0], slow()[0]
    assert (a - b).abs().max() < 2e-2 and (a - b).abs().mean() < 1e-4, (
        "the two codes draw different pictures"
    )
    times = [
        (timed(slow, leaves, weight), *(timed(fast, leaves, weight) for _ in range(5)))
        for _ in range(rounds)
    ]
    reference, best = np.median([t[0] for t in times]), np.median([x for t in times for x in t[1:]])
    key = f"{n // 1000}k_{size}_{channels}"
    LINES[f"cpu_ms_{key}"], LINES[f"gsplat_torch_ms_{key}"], LINES[f"ratio_{key}"] = (
        best,
        reference,
        reference / best,
    )


def growth() -> None:
    """Cost against the number of Gaussians and of pixels: times and the exponents of a fitted power law."""
    for name, grid in (
        ("gaussians", [(5_000, 256), (20_000, 256), (80_000, 256)]),
        ("pixels", [(20_000, 128), (20_000, 256), (20_000, 512)]),
    ):
        points = []
        for n, size in grid:
            leaves, camera = scene(n, size, 3)
            render, weight = ours(leaves, camera), torch.rand(size, size, 3)
            render()
            t = float(np.median([timed(render, leaves, weight) for _ in range(9)]))
            LINES[f"alone_ms_{n // 1000}k_{size}_3"] = t
            points.append((n if name == "gaussians" else size * size, t))
        x, y = np.log(np.array(points)).T
        LINES[f"exponent_{name}"] = float(np.polyfit(x, y, 1)[0])


def memory() -> None:
    """Bytes that one more (tile, Gaussian) entry costs: as stated by the renderer, and the slope of the measured peak."""
    import tracemalloc

    from stkit.render.gaussians_cpu import entry_bytes

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
    LINES["entry_bytes_stated"], LINES["entry_bytes_measured"] = (
        entry_bytes(3),
        float(np.polyfit(entries, peak, 1)[0]),
    )


def first_use() -> None:
    """Seconds until the first picture with its gradient in a new process: compiling everything, and with the cache."""
    code = (
        f"import stkit, time, torch, sys; sys.path.insert(0, {str(HERE)!r}); t = time.perf_counter()\n"
        "from stkit.cameras import front_camera; from stkit.render import rasterize\n"
        "x = [torch.randn(9, k, requires_grad=True) for k in (3, 4, 3, 3)]; o = torch.full((9,), .5, requires_grad=True); c = front_camera(32)\n"
        "r = rasterize(x[0], x[1], x[2].abs(), o, x[3], c.viewmat[None], c.K[None], 32, 32, meta=False)[0]; r.sum().backward()\n"
        "print(time.perf_counter() - t)"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as empty:
        for name in ("cold", "warm"):
            environment = {**os.environ, "NUMBA_CACHE_DIR": empty, "STKIT_QUIET": "1"}
            out = subprocess.run(
                [sys.executable, "-c", code],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            LINES[f"jit_{name}_s"] = float(out.split()[-1])
    code = "import time; t = time.perf_counter(); import stkit; print(time.perf_counter() - t)"
    LINES["import_stkit_s"] = float(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
    )


@cache
def clip():
    """A short synthetic clip, tracked: what the steps are measured on."""
    from stkit.capture.preprocess import PreprocessSettings, preprocess

    return preprocess(
        "synthetic", PreprocessSettings(size=256, max_frames=10, fit_steps=40, refine_steps=20)
    )[0]


def stage_loops(nets: str = "laptop") -> dict:
    """Short runs of each stage with the laptop profile at 256 px and a profile's nets, each a function of a progress bar.

    The three share one synthetic clip and go from stage to stage: call them in order.
    """
    from dataclasses import replace

    from stkit.diffusion.editors import get_editor
    from stkit.editing.loop import EditSettings, edit_head
    from stkit.heads.fit_gaussians import fit_gaussians
    from stkit.heads.fit_mesh import fit_mesh
    from stkit.runs.profiles import get_profile

    laptop, capture = get_profile("laptop"), clip()
    chosen = get_profile(nets).mesh.model
    widths = {"width": chosen.width, "pose_width": chosen.pose_width, "feature": chosen.feature}
    frames = capture.split()[0]
    made = {}

    def mesh(progress) -> None:
        settings = replace(
            laptop.mesh,
            steps=16,
            warm_steps=2,
            refine_at=0.0,
            model=replace(laptop.mesh.model, **widths),
        )
        made["mesh"] = fit_mesh(capture, settings, frames, progress=progress)[0]

    def gaussians(progress) -> None:
        model = replace(
            laptop.gaussians.model,
            surface_points=20_000 - laptop.gaussians.model.mouth_points,
            **widths,
        )
        settings = replace(laptop.gaussians, steps=40, track_steps=0, track_from=0.0, model=model)
        made["head"] = fit_gaussians(
            capture, made["mesh"], None, settings, frames, progress=progress
        )[0]
        LINES["step_gaussians"] = len(made["head"].xyz)

    def edit(progress) -> None:
        settings = EditSettings(
            "turn her into a clown", steps=30, frames=2, edit_every=10**6, refresh_every=10**6
        )
        edit_head(
            made["head"], capture, None, get_editor("paint"), settings, frames, progress=progress
        )

    return {"mesh": mesh, "gaussians": gaussians, "edit": edit}


class Clock:
    """A progress bar that notes when each step begins."""

    def __init__(self):
        self.marks: list[list[float]] = []

    def __call__(self, items, **_):
        self.marks.append([])
        for item in items:
            self.marks[-1].append(time.perf_counter())
            yield item
        self.marks[-1].append(time.perf_counter())

    def median(self) -> float:
        """Milliseconds a step of the longest loop, its first three left out."""
        return 1e3 * float(np.median(np.diff(max(self.marks, key=len))[3:]))


def training_steps() -> None:
    """Milliseconds of one optimisation step of each stage, and what the paper's schedule would take at this speed."""
    for nets, line, total in (
        ("laptop", "step_ms", "paper_schedule_hours"),
        ("paper", "paper_nets_step_ms", "paper_nets_schedule_hours"),
    ):
        hours = 0.0
        for (name, loop), steps in zip(stage_loops(nets).items(), (10_000, 2_000, 20_000)):
            clock = Clock()
            loop(clock)
            LINES[f"{line}_{name}"] = clock.median()
            hours += steps * clock.median() / 3.6e6
        LINES[total] = hours


def machine() -> str:
    """Processor, cores and versions."""
    from importlib.metadata import version

    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = next(
        (x.split(":")[1].strip() for x in text.splitlines() if x.startswith("model name")),
        platform.processor(),
    )
    wide = "AVX-512" if "avx512f" in text else "AVX2" if "avx2" in text else "no AVX2"
    packages = ", ".join(f"{p} {version(p)}" for p in ("torch", "numba", "gsplat"))
    return f"{name}, {wide}, {thread_count()} threads for the kernels, {torch.get_num_threads()} for torch; {packages}; stkit {stkit.__version__}"


MEANING = {
    "alone_ms": "stkit's CPU rasteriser with nothing between its calls, ms",
    "cpu_ms": "stkit's CPU rasteriser, forward + backward, ms",
    "gsplat_torch_ms": "gsplat's torch functions in the same run, ms",
    "ratio": "how many times faster",
    "exponent": "cost ~ x^this",
    "jit": "first picture in a new process, s",
    "import": "`import stkit`, s",
    "step_ms": "one step of the laptop profile (edit: without the editor), ms",
    "step_gaussians": "Gaussians in that step",
    "paper_nets_step_ms": "the same with the paper's nets: 256 wide, 128 features, ms",
    "paper_nets_schedule": "the paper's schedule with the paper's nets, still at 256 px and on the laptop's grid, hours",
    "paper_schedule": "10,000 mesh + 2,000 Gaussian + 20,000 edit steps at these speeds, hours (editor not counted)",
    "entry_bytes": "memory of one (tile, Gaussian) entry, forward + backward, 3 channels, bytes",
    "peak_gb": "peak memory of this benchmark, GB",
    "seconds": "this benchmark, s",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--write", action="store_true", help="write benchmarks/results.md and results.json"
    )
    write = parser.parse_args().write
    compare(20_000, 256, 3, rounds=4)
    compare(20_000, 256, 32, rounds=2)
    growth()
    memory()
    training_steps()
    first_use()
    import resource

    LINES["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    LINES["seconds"] = time.perf_counter() - START
    for key, value in LINES.items():
        print(f"{key} {value:.4g}")
    if write:
        record(machine())


def record(where: str) -> None:
    """Write the results with the machine's description."""
    (HERE / "results.json").write_text(
        json.dumps(
            {
                "machine": where,
                "date": str(date.today()),
                **{k: float(v) for k, v in LINES.items()},
            },
            indent=1,
        )
    )
    rows = [
        f"| `{k}` | {v:.4g} | {next(m for start, m in MEANING.items() if k.startswith(start))} |"
        for k, v in LINES.items()
    ]
    text = [
        "# Measured speed",
        "",
        f"Written by `make bench` on {date.today()}: {where}. Medians; times move with other load, ratios less.",
        "",
        "| line | value | what |",
        "|---|---|---|",
        *rows,
        "",
    ]
    (HERE / "results.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
