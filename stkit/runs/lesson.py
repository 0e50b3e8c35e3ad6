"""What the notebooks call besides the method: opening a run, showing figures, checking results."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from stkit.errors import RequestError
from stkit.io.images import show
from stkit.progress import silent
from stkit.runs.folders import remembered
from stkit.runs.notebooks import declared, find_notebook
from stkit.runs.road import Road
from stkit.runs.shipped import MARA, ShippedRun
from stkit.viewers import live_bar

__all__ = ["checks", "open_road", "record", "show"]

CHECK_TYPE = "application/vnd.stkit.check+json"  # of the outputs that record a failed check
RECORD_TYPE = "application/vnd.stkit.numbers+json"  # and of those that record numbers


def open_road(run: str, source: str, profile: str, seed: int) -> Road | ShippedRun:
    """The run a notebook works on: the finished one that ships, or one of the reader's own.

    Of a run of the reader's own what is missing is made; '' as profile means the run's own, else
    STKIT_PROFILE, else quick. A run that is there keeps the seed it was made with: a notebook's
    seed is then that of its own cells, so that many seeds may share a head. Raises RequestError
    where the shipped run's name is given to another source.
    """
    if run == MARA:
        if source not in ("", "synthetic", f"synthetic:{MARA}"):
            raise RequestError(f"'{MARA}' is the run that ships; give yours a name: -p run=me")
        shipped = ShippedRun(MARA)
        print(shipped.origin)
        return shipped
    own_seed = remembered(run).get("seed", seed)
    road = Road(run, source, profile or None, own_seed, quiet=silent())
    if not road.quiet:
        road.progress = live_bar
        where, name = os.path.relpath(road.folder), road.settings.name
        print(f"run '{run}' from {Path(source).name}, profile {name}: results in {where}")
    return road


def checks(notebook: str, values: Mapping[str, object]) -> Callable[[bool, str], None]:
    """The function that checks a lesson's claims on the run beside them.

    values: the notebook's globals(). With the parameters as the notebook has them a claim must
    hold; where one was changed, a claim that does not hold is a finding, printed and recorded in
    the notebook.
    """
    defaults = declared(find_notebook(notebook))
    changed = [name for name, value in defaults.items() if values.get(name, value) != value]

    def check(condition: bool, claim: str) -> None:
        if bool(condition):
            print(f"ok: {claim}")
        elif changed:
            _record(claim, changed)
        else:
            raise AssertionError(f"not so here: {claim}")

    return check


def record(**numbers: float) -> None:
    """Show numbers by name, and keep them where a sweep finds them in the executed notebook."""
    from IPython.display import display

    values = {name: float(x) for name, x in numbers.items()}
    text = ", ".join(f"{name} {x:.4g}" for name, x in values.items())
    display({"text/plain": text, RECORD_TYPE: values}, raw=True)


def _record(claim: str, changed: list[str]) -> None:
    """Show a claim that fails with changed parameters, so that people and programs can find it."""
    from IPython.display import display

    text = f"warning: not so with this {', '.join(changed)}: {claim}"
    display({"text/plain": text, CHECK_TYPE: {"claim": claim, "changed": changed}}, raw=True)
