"""What a sweep knows about its tasks, in files: one row for each finished task.

runs/sweeps/NAME/ holds sweep.json (what is tried), rows/KEY.json, attempts/KEY.json while a task
runs, logs/KEY.txt where one failed, notebooks/, table.csv, table.parquet and index.html. Every file
is written whole or not at all, by the process that did the work, so that killing any of them, the
one that plans included, loses at most the tasks that were running.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stkit.errors import RequestError
from stkit.io.tensors import read_json, write_json, write_text
from stkit.runs.folders import run_folder, runs_root

SWEEPS = "sweeps"
DONE, FAILED, SET_ASIDE = "done", "failed", "set aside"
ATTEMPTS = 2  # deaths of the worker after which a task is set aside
COSTS = ("seconds", "peak_gb", "finished", "machine")  # columns that differ from time to time


def sweep_folder(name: str) -> Path:
    """runs/sweeps/NAME. RequestError for names that are no plain folder names."""
    return runs_root() / SWEEPS / run_folder(name).name


@dataclass(frozen=True)
class Ledger:
    """A sweep's folder."""

    folder: Path

    @staticmethod
    def of(name: str) -> "Ledger":
        """The ledger of a sweep that was made. RequestError where there is none."""
        ledger = Ledger(sweep_folder(name))
        if not ledger.about():
            there = sorted(p.parent.name for p in (runs_root() / SWEEPS).glob("*/sweep.json"))
            known = ", ".join(there) or "none"
            raise RequestError(f"no sweep named {name!r}; there are: {known}")
        return ledger

    def about(self) -> dict[str, Any]:
        """What the sweep tries: its spec and its tasks in order."""
        return read_json(self.folder / "sweep.json")

    def begin(self, spec: dict[str, Any], tasks: list[dict[str, Any]]) -> None:
        """Write what will be tried."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "sweep.json", {"spec": spec, "tasks": tasks})

    # ---- rows
    def row(self, key: str) -> dict[str, Any]:
        """A task's row, or {}."""
        return read_json(self.folder / "rows" / f"{key}.json")

    def finished(self, key: str) -> bool:
        """Whether nothing is left to do for a task: it is done, or its cells fail."""
        return self.row(key).get("status") in (DONE, FAILED)

    def write_row(self, key: str, row: dict[str, Any]) -> None:
        """Keep a task's row."""
        (self.folder / "rows").mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "rows" / f"{key}.json", row)

    def write_log(self, key: str, text: str) -> Path:
        """Keep what a task said when it failed."""
        path = self.folder / "logs" / f"{key}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
        return path

    def rows(self) -> list[dict[str, Any]]:
        """The rows of all tasks that have one, in the tasks' order."""
        found = [(task, self.row(task["key"])) for task in self.about().get("tasks", [])]
        return [{"number": task["number"]} | row for task, row in found if row]

    # ---- attempts
    def attempt(self, key: str, session: str) -> bool:
        """Note that a task starts; False where it took its worker with it too often in this
        session.
        """
        file = self.folder / "attempts" / f"{key}.json"
        before = read_json(file)
        count = before.get("count", 0) if before.get("session") == session else 0
        if count >= ATTEMPTS:
            return False
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"session": session, "count": count + 1})
        return True

    def settled(self, key: str) -> None:
        """Note that a task came to its end."""
        (self.folder / "attempts" / f"{key}.json").unlink(missing_ok=True)
