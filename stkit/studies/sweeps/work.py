"""One task of a sweep, carried out by a worker: it always ends with a row."""

import os
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil

from stkit.runs.edits import THUMBNAIL, measured_edit, numbers_of
from stkit.runs.lesson import CHECK_TYPE, RECORD_TYPE
from stkit.runs.machine import circumstances, machine
from stkit.runs.notebooks import NotebookError, execute
from stkit.runs.store import results
from stkit.studies.sweeps.ledger import DONE, FAILED, SET_ASIDE, Ledger
from stkit.studies.sweeps.targets import EditTarget, NotebookTarget, Target

STARTS = 3  # tries to start a kernel: ports are taken by chance now and then
WATCH_SECONDS = 0.2  # between two looks at the memory of this process and its children


@dataclass(frozen=True)
class Task:
    """number: its place in the sweep; setting: checked parameters; key: of its result."""

    number: int
    key: str
    setting: dict[str, Any]
    target: Target

    @property
    def name(self) -> str:
        """A file name for people: the number, then the key's beginning."""
        return f"{self.number:05}-{self.key[:8]}"


def run_task(task: Task, folder: str, session: str) -> str:
    """Do a task and write its row into the sweep's folder; returns the row's status.

    What the task raises becomes its row: nothing is tried again that failed by itself. A task whose
    worker died twice is set aside.
    """
    ledger = Ledger(Path(folder))
    if ledger.finished(task.key):
        return ledger.row(task.key)["status"]
    if not ledger.attempt(task.key, session):
        return _keep(ledger, task, SET_ASIDE, {"error": "its worker died twice while it ran"})
    start = time.monotonic()
    try:
        with watched_memory(isinstance(task.target, NotebookTarget)) as peak:
            found = _do(task, ledger)
        costs = {"seconds": round(time.monotonic() - start, 3), "peak_gb": round(peak[0], 3)}
        status = _keep(ledger, task, DONE, found | costs)
    except Exception as e:
        log = ledger.write_log(task.key, traceback.format_exc())
        words = {"error": f"{type(e).__name__}: {e}"[:500], "log": str(log.relative_to(folder))}
        status = _keep(ledger, task, FAILED, words)
    ledger.settled(task.key)
    return status


def _keep(ledger: Ledger, task: Task, status: str, found: dict[str, Any]) -> str:
    about = circumstances()
    where = {"commit": about["code"], "finished": about["finished"], "machine": machine()}
    row = {"key": task.key, "status": status} | task.setting | found | where
    ledger.write_row(task.key, row)
    return status


def _do(task: Task, ledger: Ledger) -> dict[str, Any]:
    if isinstance(task.target, EditTarget):
        return _edit(task, task.target, ledger)
    return _notebooks(task, task.target, ledger)


def _edit(task: Task, target: EditTarget, ledger: Ledger) -> dict[str, Any]:
    """Numbers of an edit; links keep its artifacts from being cleaned away."""
    edit, scores = measured_edit(target.base, *target.settings(task.setting))
    for kind, artifact in (("edits", edit), ("scores", scores)):
        place = ledger.folder / kind / task.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(os.path.relpath(artifact.folder, place.parent), target_is_directory=True)
    paths = {"result": f"edits/{task.name}", "picture": f"scores/{task.name}/{THUMBNAIL}.png"}
    editor = results(edit.folder)["facts"]["editor"]  # says whether it is a stand-in
    return numbers_of(edit, scores) | {"edited_by": editor} | paths


def _notebooks(task: Task, target: NotebookTarget, ledger: Ledger) -> dict[str, Any]:
    """What the notebooks recorded; the executed copies are kept."""
    found: dict[str, Any] = {"claims_failed": 0}
    for path in target.notebooks:
        copy = ledger.folder / "notebooks" / f"{task.name}-{path.name}"
        _started(path, target.parameters(path, task.setting), copy)
        numbers, failed = recorded(copy)
        found |= numbers
        found["claims_failed"] += failed
        found["result"] = f"notebooks/{copy.name}"
    return found


def _started(path: Path, parameters: dict[str, object], copy: Path) -> None:
    """Execute a notebook; where its kernel cannot be started, once more after a while."""
    for k in range(STARTS):
        try:
            execute(path, parameters, copy)
            return
        except NotebookError:
            raise
        except RuntimeError:  # "Kernel died before replying", a port that is taken
            if k + 1 == STARTS:
                raise
            time.sleep(1 + k)


def recorded(copy: Path) -> tuple[dict[str, float], int]:
    """The numbers that an executed notebook recorded, and how many of its claims failed."""
    numbers: dict[str, float] = {}
    failed = 0
    for cell in nbformat.read(copy, 4).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            numbers |= data.get(RECORD_TYPE, {})
            failed += CHECK_TYPE in data
    return numbers, failed


@contextmanager
def watched_memory(with_children: bool) -> Iterator[list[float]]:
    """Within this block a list's one number grows to the peak memory, in GB, of this process and,
    if asked for, of its children: a notebook's kernel is one. To find children costs milliseconds.
    """
    peak, over, here = [0.0], threading.Event(), psutil.Process()

    def look() -> None:
        processes = [here, *(here.children(recursive=True) if with_children else [])]
        peak[0] = max(peak[0], sum(map(_resident, processes)))

    def watch() -> None:
        while not over.wait(WATCH_SECONDS):
            look()

    look()
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _resident(process: psutil.Process) -> float:
    """GB; 0 where the process has gone."""
    try:
        return process.memory_info().rss / 1e9
    except psutil.NoSuchProcess:
        return 0.0
