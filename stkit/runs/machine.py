"""What a run was computed on: machine, memory, commit."""

import platform
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil
import torch

import stkit
from stkit.training import core_count


def reset_peak() -> None:
    """Start a new peak-memory count for this process (Linux; elsewhere it counts from the process's
    start).
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_gb() -> float:
    """Peak resident memory of this process since `reset_peak`, in GB."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        line = next(x for x in lines if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1e6
    now = psutil.Process().memory_info()
    return getattr(now, "peak_wset", now.rss) / 1e9  # Windows keeps a peak, macOS the present only


@cache
def code_version() -> str:
    """The commit that this code stands at, with a plus where files were changed since; outside git
    the version.
    """
    package = Path(stkit.__file__).resolve().parent
    if not (
        package.parent / "pyproject.toml"
    ).exists():  # installed: git would tell of somebody else's folder
        return stkit.__version__
    try:
        commit = _git(package, "rev-parse", "--short=7", "HEAD")
        changed = _git(package, "status", "--porcelain", "--untracked-files=no", ".")
    except (OSError, subprocess.CalledProcessError):
        return stkit.__version__
    return commit + ("+" if changed else "")


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def machine(device: str = "cpu") -> str:
    """What a stage was computed on, in words."""
    chip = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    return f"{chip}, {core_count()} cores, {platform.machine()}"


def circumstances() -> dict[str, str]:
    """Versions, commit and time, for the record of an artifact."""
    return {
        "stkit": stkit.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "code": code_version(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S"),
    }
