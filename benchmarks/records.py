"""Results of a benchmark with the machine they were measured on, for people and for scripts."""

import json
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

import stkit
from stkit.render.threads import thread_count

# what a line means, by how its name begins
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
    "paper_nets_schedule": "the paper's schedule with the paper's nets, still at 256 px and on the "
    "laptop's grid, hours",
    "paper_schedule": "10,000 mesh + 2,000 Gaussian + 20,000 edit steps at these speeds, hours "
    "(editor not counted)",
    "entry_bytes": "memory of one (tile, Gaussian) entry, forward + backward, 3 channels, bytes",
    "peak_gb": "peak memory of this benchmark, GB",
    "seconds": "this benchmark, s",
}


def machine() -> str:
    """Processor, threads and versions."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    names = [x.split(":")[1].strip() for x in text.splitlines() if x.startswith("model name")]
    name = names[0] if names else platform.processor()
    wide = "AVX-512" if "avx512f" in text else "AVX2" if "avx2" in text else "no AVX2"
    packages = ", ".join(f"{p} {version(p)}" for p in ("torch", "numba", "gsplat"))
    threads = f"{thread_count()} threads for the kernels, {torch.get_num_threads()} for torch"
    return f"{name}, {wide}, {threads}; {packages}; stkit {stkit.__version__}"


def meaning(key: str) -> str:
    """What the line says. Raises KeyError for one that nothing explains."""
    for start, text in MEANING.items():
        if key.startswith(start):
            return text
    raise KeyError(key)


def record(lines: dict[str, float], where: str, folder: Path) -> None:
    """Write results.json and results.md into the folder, with the machine's description."""
    numbers = {key: float(value) for key, value in lines.items()}
    values = {"machine": where, "date": str(date.today()), **numbers}
    (folder / "results.json").write_text(json.dumps(values, indent=1))
    text = [
        "# Measured speed",
        "",
        f"Written by `make bench` on {date.today()}: {where}. Medians; times move with other load, "
        "ratios less.",
        "",
        "| line | value | what |",
        "|---|---|---|",
        *(f"| `{key}` | {value:.4g} | {meaning(key)} |" for key, value in lines.items()),
        "",
    ]
    (folder / "results.md").write_text("\n".join(text))
