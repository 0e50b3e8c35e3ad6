"""Artifacts: what a stage makes, found by a key and by nothing else.

An artifact's key is the hash of its stage, all its settings, all its inputs and the code that makes
it. It lies in runs/.store/STAGE/KEY, whole or not at all; runs share what has the same key.
`runs/NAME/STAGE` is a link to it.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from stkit.errors import RequestError
from stkit.io.images import u8
from stkit.io.label import SYNTHETIC, labelled
from stkit.io.tensors import read_json, write_json
from stkit.io.video import write_video
from stkit.runs.digests import code_digest, digest_text, plain
from stkit.runs.folders import STORE, runs_root
from stkit.runs.machine import circumstances, machine, peak_gb, reset_peak
from stkit.training import reproducible

KEY_LENGTH = 20  # hex digits of a folder's name: 80 bits


@dataclass(frozen=True)
class Recipe:
    """All that decides what a stage makes.

    settings: JSON-like, see `digests.plain`; inputs: what was read, by label: an artifact's key or
    a digest of files; modules: the stkit modules that make it.
    """

    stage: str
    settings: object
    inputs: dict[str, str]
    modules: tuple[str, ...]

    @property
    def key(self) -> str:
        """The artifact's name in the store."""
        parts = [self.stage, plain(self.settings), self.inputs, code_digest(*self.modules)]
        return digest_text(json.dumps(parts, sort_keys=True))[:KEY_LENGTH]


@dataclass
class Work:
    """An artifact while it is made: `folder` takes its files, the rest is written at the end.

    labels: whether pictures of made or changed faces carry the visible word.
    """

    folder: Path
    numbers: dict[str, float] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    figures: list[dict[str, str]] = field(default_factory=list)
    labels: bool = True

    @property
    def checkpoint(self) -> Path:
        """Where an interrupted optimisation goes on from."""
        return self.folder / "checkpoint.safetensors"

    def record(self, name: str, value: float | None, reason: str = "") -> None:
        """Keep a number; None with the reason why it is not there."""
        if value is None:
            self.absent[name] = reason
        else:
            self.numbers[name] = float(value)

    def fact(self, name: str, text: str) -> None:
        """Keep a short text about how the artifact came about."""
        self.facts[name] = text

    def labelled(self, frames: np.ndarray, word: str = SYNTHETIC) -> np.ndarray:
        """Frames (F, H, W, 3) uint8 with the visible word, unless the run goes without."""
        return labelled(frames, word) if self.labels else frames

    def figure(self, name: str, image: np.ndarray, alt: str, caption: str, label: str = "") -> None:
        """Keep a picture (H, W, 3) as PNG with its alt text and caption, for the run's page; label:
        the visible word, where it shows made or changed faces.
        """
        picture = self.labelled(u8(image)[None], label)[0] if label else u8(image)
        Image.fromarray(picture).save(self.folder / f"{name}.png", optimize=True)
        self.figures.append({"file": f"{name}.png", "alt": alt, "caption": caption})

    def video(self, name: str, frames: np.ndarray, fps: float, alt: str, caption: str) -> None:
        """Keep frames (F, H, W, 3) uint8 as an mp4 with its middle frame as poster, for the run's
        page.
        """
        write_video(self.folder / f"{name}.mp4", frames, fps)
        poster = f"{name}_poster.png"
        Image.fromarray(frames[len(frames) // 2]).save(self.folder / poster, optimize=True)
        entry = {"file": f"{name}.mp4", "poster": poster, "alt": alt, "caption": caption}
        self.figures.append(entry)


@dataclass(frozen=True)
class Artifact:
    """One artifact's place in the store; it may or may not be there. `device`: where it is, or was,
    made.
    """

    recipe: Recipe
    device: str = "cpu"

    @property
    def key(self) -> str:
        """See `Recipe.key`."""
        return self.recipe.key

    @property
    def folder(self) -> Path:
        """runs/.store/STAGE/KEY."""
        return runs_root() / STORE / self.recipe.stage / self.key

    def finished(self) -> bool:
        """Whether the whole artifact is there: its run.json names this key, and its files have
        their sizes.
        """
        info = read_json(self.folder / "run.json")
        if info.get("key") != self.key:
            return False
        files = info.get("files")
        if not isinstance(files, dict):
            return False
        return all(_size(self.folder / name) == size for name, size in files.items())

    def make(self, write: Callable[[Work], None], say: Callable[[str], None] = print) -> None:
        """Make the artifact with `write`, unless it is there.

        Where another process is making it already, this one says so, waits, and takes what the
        other made.
        """
        with self._alone(say):
            if not self.finished():
                with self._working() as work:
                    write(work)

    @contextmanager
    def _alone(self, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the artifact's lock, which goes with the process."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = self.folder.with_name(f".{self.key}.lock")
        held = FileLock(lock)
        try:
            held.acquire(timeout=0)
        except Timeout:
            say(f"{self.recipe.stage}: another process is making this; waiting for it")
            held.acquire()
        try:
            yield
        finally:
            held.release()
        lock.unlink(missing_ok=True)

    @contextmanager
    def _working(self) -> Iterator[Work]:
        """Work in a folder of its own; on success it gets the artifact's name, else it is kept to
        go on from.
        """
        part = self.folder.with_name(f".{self.key}.part")
        part.mkdir(exist_ok=True)
        work = Work(part)
        reset_peak()
        start = time.monotonic()
        with reproducible():
            yield work
        self._finish(work, time.monotonic() - start)

    def _finish(self, work: Work, seconds: float) -> None:
        work.checkpoint.unlink(missing_ok=True)
        results = {"numbers": work.numbers, "absent": work.absent, "facts": work.facts}
        write_json(work.folder / "results.json", results)
        write_json(work.folder / "figures.json", {"figures": work.figures})
        files = {
            str(f.relative_to(work.folder)): _size(f)
            for f in sorted(work.folder.rglob("*"))
            if f.is_file()
        }
        info = {
            "stage": self.recipe.stage,
            "key": self.key,
            "settings": plain(self.recipe.settings),
            "inputs": self.recipe.inputs,
            "seconds": round(seconds, 2),
            "peak_gb": round(peak_gb(), 3),
            "machine": machine(self.device),
            **circumstances(),
            "files": files,
        }
        write_json(work.folder / "run.json", info)
        if self.folder.exists():  # damaged: `finished` said so
            shutil.rmtree(self.folder)
        work.folder.rename(self.folder)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def results(folder: Path) -> dict[str, dict]:
    """An artifact's numbers, what is absent and why, and facts in words; empty ones where there is
    none.
    """
    found = read_json(folder / "results.json")
    kinds: dict[str, type | tuple[type, ...]]
    kinds = {"numbers": (int, float), "absent": str, "facts": str}
    plain = {name: found.get(name) or {} for name in kinds}
    for name, kind in kinds.items():
        fits = isinstance(plain[name], dict)
        if not fits or not all(isinstance(x, kind) for x in plain[name].values()):
            raise RequestError(
                f"{folder / 'results.json'}: {name!r} is not what a stage writes; delete {folder} "
                "and run the stage again"
            )
    return plain


def clean(run: str = "") -> list[Path]:
    """Delete a run, if one is named, and every artifact that no run refers to any more. Returns
    what was deleted.

    Unfinished artifacts that no process is making go too.
    """
    root = runs_root()
    gone = []
    if run:
        folder = root / run
        shutil.rmtree(folder)
        gone.append(folder)
    used = {
        place.resolve()
        for folder in root.iterdir()
        if folder.is_dir() and folder.name != STORE
        for place in folder.rglob("*")
        if place.is_symlink()
    }
    for folder in sorted((root / STORE).glob("*/*")):
        if folder.is_dir() and folder.resolve() not in used and not _locked(folder):
            shutil.rmtree(folder)
            gone.append(folder)
    return gone


def _locked(folder: Path) -> bool:
    """Whether a process is making the artifact of this finished or unfinished folder."""
    key = folder.name.strip(".").removesuffix(".part")
    lock = folder.with_name(f".{key}.lock")
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
