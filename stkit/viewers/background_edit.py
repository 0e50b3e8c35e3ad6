"""A studio's step, and the full edit that goes on from it in a thread."""

import threading
import time
from dataclasses import dataclass

from stkit.capture.capture import Capture
from stkit.diffusion.protocols import Editor
from stkit.editing.loop import edit_head
from stkit.editing.preview import STRONG
from stkit.editing.settings import EditSettings
from stkit.heads.gaussian import GaussianHead
from stkit.views import Views

SHOW_EVERY = 1.0  # seconds between two pictures of an optimisation that goes on


@dataclass(frozen=True)
class Step:
    """A head after a request: prompt and shape as `shape_words.divide` found them; b its strength.

    plain: the head without edits, in the present shape; capture: with that shape's landmarks.
    """

    head: GaussianHead
    plain: GaussianHead
    capture: Capture
    prompt: str = ""
    shape: str = ""
    b: float = STRONG
    settings: EditSettings | None = None


class StoppedError(Exception):
    """Raised inside an optimisation that shall end."""


class Optimisation:
    """The full edit in a thread, going on from a step's head; `newest` is what it has reached."""

    def __init__(self, step: Step, views: Views | None, editor: Editor, settings: EditSettings):
        self._newest: GaussianHead | None = None
        self._at, self._failed, self._stop = 0, "", threading.Event()
        self._steps, self._begun, self._ended = settings.steps, time.monotonic(), 0.0
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self._run, args=(step, views, editor, settings), daemon=True
        )
        self._thread.start()

    def _run(self, step: Step, views: Views | None, editor: Editor, settings: EditSettings) -> None:
        last = time.monotonic()

        def watch(k: int, head: GaussianHead) -> None:
            nonlocal last
            self._at = k + 1
            if self._stop.is_set() or time.monotonic() - last > SHOW_EVERY:
                self._take(head)
                last = time.monotonic()
            if self._stop.is_set():
                raise StoppedError

        try:
            train, _ = step.capture.split()
            done = edit_head(
                step.head,
                step.capture,
                views,
                editor,
                settings,
                train,
                watch=watch,
                unedited=step.plain,
            )
            self._take(done.head)
        except StoppedError:
            pass
        except Exception as e:  # told in the studio: a thread has nobody else to tell
            self._failed = str(e)
        self._ended = time.monotonic()

    def _take(self, head: GaussianHead) -> None:
        copy = GaussianHead.restored(
            {name: x.detach().clone() for name, x in head.state_dict().items()},
            {"gaussians": vars(head.settings)},
        )
        with self._lock:
            self._newest = copy

    def newest(self) -> GaussianHead | None:
        """The head as it was last taken; None before the first."""
        with self._lock:
            return self._newest

    def running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End it after the present step, and wait for that."""
        self._stop.set()
        self._thread.join()

    def status(self) -> str:
        """How far it is, in words."""
        if self._failed:
            return f"error: {self._failed}"
        seconds = (self._ended or time.monotonic()) - self._begun
        return f"optimised {self._at} of {self._steps} steps, {seconds:.0f} s"
