"""Keep MediaPipe's log lines off the terminal without hiding what Python writes there."""

import contextlib
import os
import sys
from collections.abc import Iterator

STDERR = 2  # the descriptor that C++ code logs to


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within this block what C++ code writes to the process's stderr is lost; progress bars and
    warnings are not.

    MediaPipe logs from threads of its own, when a model loads and when it first sees a face, and
    has no switch for it. So the descriptor leads nowhere meanwhile, and `sys.stderr` writes to a
    duplicate of what it was.
    """
    real, nowhere = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDERR)
    os.close(nowhere)
    try:
        with _python_stderr(real):
            yield
    finally:
        os.dup2(real, STDERR)
        os.close(real)


@contextlib.contextmanager
def _python_stderr(descriptor: int) -> Iterator[None]:
    """Within this block `sys.stderr` writes to `descriptor`, if it wrote to the process's stderr
    before.
    """
    usual = sys.stderr
    try:
        redirected = usual.fileno() == STDERR
    except (AttributeError, OSError, ValueError):  # none, or one that is no file: a notebook's
        redirected = False
    if not redirected:
        yield
        return
    usual.flush()
    copy = os.dup(descriptor)
    with open(copy, "w", 1, usual.encoding, usual.errors) as stream:  # noqa: PTH123 (a descriptor)
        sys.stderr = stream
        try:
            yield
        finally:
            sys.stderr = usual
