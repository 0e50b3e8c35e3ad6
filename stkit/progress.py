"""Progress bars: in a terminal and in papermill's log; silent under pytest and nbval, and where
STKIT_QUIET is set.
"""

import os
import sys

from tqdm import tqdm


def silent() -> bool:
    """Whether bars should not be drawn here."""
    return bool(os.environ.get("STKIT_QUIET") or os.environ.get("PYTEST_CURRENT_TEST"))


def bar(items, desc: str = "", initial: int = 0, total: int | None = None):
    """`items` with a text progress bar on stderr that shows time left; updates slowly where nobody
    watches.
    """
    if silent():
        return items
    watched = sys.stderr.isatty()
    total = total if total is not None else (len(items) if hasattr(items, "__len__") else None)
    return tqdm(
        items,
        desc=desc,
        initial=initial,
        total=total,
        mininterval=0.3 if watched else 8.0,
        ncols=92,
        file=sys.stderr,
        leave=True,
        ascii=not watched,
    )


def hide_loading_bars() -> None:
    """Let diffusers and transformers load without progress bars: the kit's models load at once."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
