"""Watch a sweep from a notebook: how far it is, what its first numbers say, where its pages are."""

import threading
import time

import ipywidgets as widgets

from stkit.studies.sweeps.ledger import DONE, FAILED, SET_ASIDE, Ledger

LOOK_SECONDS = 1.0  # between two looks into the sweep's folder
LATEST = 3  # rows that are shown


class SweepWatch(widgets.VBox):
    """A bar and the latest rows of a sweep, read from its folder: another process, or another
    machine with the same folder, may run it.

    dashboard: the address of Dask's own pages, where there is one. stop() ends the watching.
    """

    def __init__(self, name: str, dashboard: str = ""):
        self.ledger = Ledger.of(name)
        self.total = len(self.ledger.about()["tasks"])
        self.bar = widgets.IntProgress(max=self.total, description=name)
        self.words, self.rows = widgets.HTML(), widgets.HTML()
        link = f'<a href="{dashboard}" target="_blank">Dask\'s dashboard</a>' if dashboard else ""
        super().__init__([self.bar, self.words, self.rows, widgets.HTML(link)])
        self._over = threading.Event()
        self.look()

    def look(self) -> bool:
        """Read the folder once; whether every task has a row."""
        rows = self.ledger.rows()
        counts = {s: sum(r["status"] == s for r in rows) for s in (DONE, FAILED, SET_ASIDE)}
        self.bar.value = len(rows)
        self.words.value = ", ".join(f"{n} {s}" for s, n in counts.items()) + f" of {self.total}"
        done = sorted((r for r in rows if r["status"] == DONE), key=lambda r: r["finished"])
        self.rows.value = "<br>".join(map(_line, done[-LATEST:]))
        return len(rows) == self.total

    def follow(self) -> "SweepWatch":
        """Look every second in the background until all is done, or stop() is called."""
        threading.Thread(target=self._follow, daemon=True).start()
        return self

    def _follow(self) -> None:
        while not self._over.is_set() and not self.look():
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()


def _line(row: dict) -> str:
    """A row's numbers in words."""
    shown = {k: v for k, v in row.items() if isinstance(v, int | float) and k != "number"}
    return f"{row['number']}: " + ", ".join(f"{k} {v:.4g}" for k, v in shown.items())
