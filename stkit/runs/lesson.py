"""What the notebooks call besides the method: opening a run, showing figures, checking results."""

import os
from collections.abc import Callable
from pathlib import Path

from stkit.io.images import show
from stkit.progress import silent
from stkit.runs.road import Road
from stkit.viewers import live_bar

__all__ = ["check", "open_road", "show", "tried"]


def open_road(run: str, source: str, profile: str, seed: int) -> Road:
    """The run a notebook works on; '' as profile means the run's own, else STKIT_PROFILE, else
    quick.

    Says where results will be; losses are drawn while cells train.
    """
    road = Road(run, source, profile or None, seed, quiet=silent())
    if not road.quiet:
        road.progress = live_bar
        where, name = os.path.relpath(road.folder), road.settings.name
        print(f"run '{run}' from {Path(source).name}, profile {name}: results in {where}")
    return road


def check(condition: bool, claim: str) -> None:
    """Print 'ok: claim', or raise AssertionError with the claim: a lesson's text must be true of
    the run beside it.
    """
    if not bool(condition):
        raise AssertionError(f"not so here: {claim}")
    print(f"ok: {claim}")


def tried(answer: object, right: Callable[[object], bool], hint: str) -> None:
    """Say to an exercise's answer: nothing yet, right, or a hint."""
    if answer is None:
        print("Your turn: replace None above and run the cell again.")
    elif right(answer):
        print("Right.")
    else:
        print(f"Not yet. Hint: {hint}")
