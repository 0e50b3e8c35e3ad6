"""Run folders: runs/<name>/<stage>/ with artifacts, run.json and results.json; whole or absent, never half."""

import fcntl
import hashlib
import json
import os
import platform
import resource
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from . import __version__
from .assets import repository, sha256

STAGES = ("preprocess", "mesh", "gaussians", "weights", "edit", "animate")


def runs_root() -> Path:
    """`STKIT_RUNS`, or runs/ in the checkout."""
    return Path(os.environ.get("STKIT_RUNS") or repository() / "runs")


def run_folder(name: str) -> Path:
    """runs/<name>. Raises ValueError for names that are not plain folder names."""
    if not name or name in (".", "..") or set(name) & set('/\\:*?"<>| '):
        raise ValueError(f"run name {name!r}: use letters, digits, '-', '_' and '.'")
    return runs_root() / name


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], meta: dict) -> None:
    """Write safetensors with a JSON header entry, under a temporary name first."""
    temporary = Path(path).with_suffix(".tmp")
    save_file({k: v.detach().contiguous().cpu() for k, v in tensors.items()}, temporary, {"stkit": json.dumps(meta)})
    temporary.replace(path)


def load_tensors(path: Path, kind: str) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and header of a file of ours. Raises ValueError naming the file when it is not a `kind`."""
    try:
        with safe_open(path, "pt") as f:
            meta = json.loads((f.metadata() or {}).get("stkit", "{}"))
            tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, json.JSONDecodeError) as e:
        raise ValueError(f"{path}: cannot be read as safetensors ({e}); delete its stage folder and run the stage again") from e
    if kind not in meta:
        raise ValueError(f"{path}: holds {sorted(meta) or 'no stkit data'}, not a {kind}; was a file copied between stages?")
    return tensors, meta


def _plain(value):
    if is_dataclass(value):
        return {k: _plain(v) for k, v in asdict(value).items()}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def fingerprint(parameters, inputs: dict[str, str]) -> str:
    """One hash of what a stage's result depends on: parameters, the hashes of its inputs, and the package's version."""
    return hashlib.sha256(json.dumps([_plain(parameters), inputs, __version__], sort_keys=True).encode()).hexdigest()


def reset_peak() -> None:
    """Start a new peak-memory count for this process (Linux; elsewhere the peak counts from the process's start)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_gb() -> float:
    """Peak resident memory of this process since `reset_peak`, in GB."""
    with suppress(OSError, StopIteration):
        line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


class Stage:
    """One stage of one run. `folder` is where results will be; `work` is where they are made."""

    def __init__(self, run: str, name: str, parameters, inputs: dict[str, Path]):
        self.run, self.name, self.parameters = run, name, _plain(parameters)
        self.folder = run_folder(run) / name
        for label, path in inputs.items():
            if not Path(path).exists():
                raise FileNotFoundError(f"{path}: stage '{name}' needs {label}, which is missing; run the stage before it")
        self.inputs = {label: sha256(Path(path)) for label, path in inputs.items()}
        self.key = fingerprint(self.parameters, self.inputs)
        self.work = self.folder.with_name(f".{name}.{self.key[:10]}.part")
        self.results: dict[str, object] = {}
        self.figures: list[dict[str, str]] = []

    def finished(self) -> bool:
        """Whether a whole result with the same parameters, inputs and version is already there."""
        try:
            return json.loads((self.folder / "run.json").read_text())["key"] == self.key
        except (OSError, json.JSONDecodeError, KeyError):
            return False

    @property
    def checkpoint(self) -> Path:
        """Where an interrupted optimisation goes on from; another set of parameters has another one."""
        return self.work / "checkpoint.pt"

    def record(self, name: str, value) -> None:
        """Keep a number or short text for results.json."""
        self.results[name] = _plain(value)

    def figure(self, name: str, image, alt: str, caption: str) -> None:
        """Keep a picture (PNG in the stage's folder) with its alt text and caption, for the run's page."""
        from PIL import Image

        from .plots import u8

        Image.fromarray(u8(image)).save(self.work / f"{name}.png", optimize=True)
        self.figures.append({"file": f"{name}.png", "alt": alt, "caption": caption})

    def video(self, name: str, frames: np.ndarray, fps: float, alt: str, caption: str) -> None:
        """Keep frames (F, H, W, 3) uint8 as an mp4 with its middle frame as poster, for the run's page."""
        from PIL import Image

        from .capture.video import write_video

        write_video(self.work / f"{name}.mp4", frames, fps)
        Image.fromarray(frames[len(frames) // 2]).save(self.work / f"{name}_poster.png", optimize=True)
        self.figures.append({"file": f"{name}.mp4", "poster": f"{name}_poster.png", "alt": alt, "caption": caption})

    @contextmanager
    def making(self):
        """Work in `work`; on success write run.json and results.json and rename the folder into place.

        ValueError where another process is making this stage of this run: they would write over each other.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_name(f".{self.name}.lock").open("w") as lock:  # released with the file, or with the process
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(
                    f"{self.folder}: another process is making this stage; wait for it, then run the same command: what it made is reused"
                ) from None
            yield from self._make()

    def _make(self):
        self.work.mkdir(parents=True, exist_ok=True)
        reset_peak()
        start = time.monotonic()
        yield self.work
        self.checkpoint.unlink(missing_ok=True)
        info = {
            "stage": self.name, "run": self.run, "key": self.key, "parameters": self.parameters, "inputs": self.inputs,
            "seconds": round(time.monotonic() - start, 2), "peak_gb": round(peak_gb(), 3), "stkit": __version__,
            "torch": torch.__version__, "python": platform.python_version(), "machine": machine(),
            "code": code_version(), "finished": time.strftime("%Y-%m-%dT%H:%M:%S"),
        }  # fmt: skip
        (self.work / "results.json").write_text(json.dumps(self.results, indent=1))
        (self.work / "figures.json").write_text(json.dumps(self.figures, indent=1))
        (self.work / "run.json").write_text(json.dumps(info, indent=1))
        old = self.folder.with_name(f".{self.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(old)
        self.work.rename(self.folder)
        shutil.rmtree(old, ignore_errors=True)
        for stale in self.folder.parent.glob(f".{self.name}.*.part"):  # unfinished work with other parameters
            shutil.rmtree(stale, ignore_errors=True)


@cache
def code_version() -> str:
    """The commit that this code stands at, with a plus where files were changed since; the package's version outside git."""
    here = Path(__file__).resolve().parent
    git = lambda *words: subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True).stdout.strip()
    try:
        return git("rev-parse", "--short=7", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return __version__


def machine() -> str:
    """What this run was computed on, in words."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return f"{device}, {len(os.sched_getaffinity(0))} cores, {platform.machine()}"


def read_json(path: Path) -> dict:
    """A JSON file's object, or {} where there is none."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, json.JSONDecodeError):
        return {}
