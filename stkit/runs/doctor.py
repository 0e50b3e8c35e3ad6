"""What this machine can do, what is missing, and what to do about it."""

import importlib.metadata
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch

from stkit.assets import asset_path, cache_dir, manifest
from stkit.training import core_count

PACKAGES = ("torch", "numba", "mediapipe", "av", "diffusers", "papermill", "jupyterlab")
PYTHONS = ("3.11", "3.12")


def version(name: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def line(ok: bool | None, what: str, remedy: str = "") -> str:
    """One fact: True is there, False is missing and needed, None is absent and may be; with the
    remedy below.
    """
    mark = {True: "ok     ", False: "MISSING", None: "absent "}[ok]
    return f"{mark}  {what}" + (f"\n         -> {remedy}" if remedy and not ok else "")


def kaolin_line() -> str:
    """Whether kaolin can be imported, and why not."""
    try:
        import kaolin

        return line(True, f"kaolin {kaolin.__version__}")
    except Exception as e:  # kaolin's own imports fail in many ways
        why = f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"
        return line(
            None,
            f"kaolin ({why})",
            "optional; on CUDA: see environment.yml (PyPI's 'kaolin' 0.1 is an empty package)",
        )


def gpu_lines() -> list[str]:
    """CUDA, gsplat and kaolin."""
    cuda, gsplat = torch.cuda.is_available(), version("gsplat")
    name = torch.cuda.get_device_name() if cuda else "no GPU seen by torch"
    aside = "" if cuda else " (runs on CUDA only; the CPU kernels take its place)"
    return [
        line(
            cuda or None,
            f"CUDA: {name}",
            "fine: quick and laptop profiles run on the CPU; the paper profile wants a GPU",
        ),
        line(
            True if gsplat and cuda else None,
            f"gsplat {gsplat or ''}{aside}",
            "pip install 'stkit[gpu]' on a CUDA machine",
        ),
        kaolin_line(),
    ]


def doctor(say: Callable[[str], None] = print) -> bool:
    """Say facts and remedies, line by line; whether the core can run here."""
    python = platform.python_version()
    cores = core_count()
    say(f"stkit {version('stkit')} · Python {python} · {cores} cores · {platform.machine()}\n")
    good = python.startswith(PYTHONS)
    say(line(good, f"Python {' or '.join(PYTHONS)} (found {python})", "take one of these"))
    for name in PACKAGES:
        found = version(name)
        good = good and found is not None
        say(line(found is not None, f"{name} {found or ''}", "pip install -r requirements.lock"))
    for text in gpu_lines():
        say(text)
    say(f"\nweights and data (cache: {cache_dir()})")
    for name, entry in manifest().items():
        remedy = f"without it: {entry['without']}. Get it: {entry['get']}"
        say(line(True if asset_path(name) else None, f"{name}: {entry['what']}", remedy))
    free = os.statvfs(Path.cwd())
    say(f"\ndisk free here: {free.f_bavail * free.f_frsize / 1e9:.1f} GB")
    return good
