"""What the notebooks call besides the method: opening a run, showing figures, checking results."""

from stkit.io.images import show
from stkit.runs.road import Road

__all__ = ["check", "open_road", "show", "tried"]


def open_road(run: str, source: str, profile: str, seed: int) -> Road:
    """The run a notebook works on; '' as profile means STKIT_PROFILE or quick. Says where results will be; losses are drawn live."""
    import os

    from stkit.progress import silent

    road = Road(run, source, profile or None, seed, quiet=silent())
    if not road.quiet:
        from stkit.viewers import live_bar

        road.progress = live_bar
        print(f"run '{run}' from {os.path.basename(source)}, profile {road.settings.name}: results in {os.path.relpath(road.folder)}")
    return road


def check(condition: bool, claim: str) -> None:
    """Print 'ok: claim', or raise AssertionError with the claim: a lesson's text must be true of the run beside it."""
    if not bool(condition):
        raise AssertionError(f"not so here: {claim}")
    print(f"ok: {claim}")


def tried(answer, right, hint: str) -> None:
    """Tell an exercise's answer: nothing yet, right, or a hint."""
    if answer is None:
        print("Your turn: replace None above and run the cell again.")
    elif right(answer):
        print("Right.")
    else:
        print(f"Not yet. Hint: {hint}")
