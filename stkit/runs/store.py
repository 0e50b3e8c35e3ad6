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

from stkit import __version__
from stkit.assets import repository, sha256

STAGES = ("preprocess", "mesh", "gaussians", "weights", "edit", "animate")


def runs_root() -> Path:
    """`STKIT_RUNS`, or runs/ in the checkout."""
    return Path(os.environ.get("STKIT_RUNS") or repository() / "runs")


def run_folder(name: str) -> Path:
    """runs/<name>. Raises ValueError for names that are not plain folder names."""
    if not name or name in (".", "..") or set(name) & set('/\\:*?"<>| '):
        raise ValueError(f"run name {name!r}: use letters, digits, '-', '_' and '.'")
    return runs_root() / name






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

        from stkit.io.images import u8

        Image.fromarray(u8(image)).save(self.work / f"{name}.png", optimize=True)
        self.figures.append({"file": f"{name}.png", "alt": alt, "caption": caption})

    def video(self, name: str, frames: np.ndarray, fps: float, alt: str, caption: str) -> None:
        """Keep frames (F, H, W, 3) uint8 as an mp4 with its middle frame as poster, for the run's page."""
        from PIL import Image

        from stkit.io.video import write_video

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
        }
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






