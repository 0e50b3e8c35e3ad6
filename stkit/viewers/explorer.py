"""`explore(f, alpha=(0.5, 20.0, 5.0))`: a picture that follows sliders, and shows its starting
state to readers without a kernel.
"""

import asyncio
import html
import inspect
import math
import shlex
from collections.abc import Callable
from typing import Any

from stkit.errors import RequestError
from stkit.io.images import png, show
from stkit.progress import silent
from stkit.viewers.interactive import show_interactive

SETTLE = 0.35  # seconds without a move after which the full picture is made
SLIDER_STEPS = 200  # of a float slider, about

# a slider's (low, high, start), or a menu's entries
Control = tuple[float, float, float] | tuple[int, int, int] | list[str] | tuple[str, ...]


def explore(f: Callable[..., Any], alt: str, caption: str = "", **sliders: Control) -> None:
    """Show f(**values) with controls: (low, high, start) of floats or ints becomes a slider, a list
    a menu (its first entry starts).

    `f` is pure and returns an image (H, W, 3). If it takes `draft`, it is called with draft=True
    while a slider moves and draft=False when it rests. The starting picture is shown first and
    stays for static readers; then the controls, with a button that prints the values as a line of
    papermill parameters.
    """
    explorer = Explorer(f, {name: control(name, spec) for name, spec in sliders.items()}, caption)
    first = explorer.full_picture()
    if silent():  # nbval: nobody moves sliders
        show(first, alt, caption)
        return
    show_interactive(lambda: explorer.box(png(first)), first, alt)


def parameter_line(values: dict[str, Any]) -> str:
    """The values as options of papermill, quoted for a shell."""
    return " ".join(f"-p {name} {shlex.quote(str(value))}" for name, value in values.items())


def control(name: str, spec: Any) -> Any:
    """The ipywidgets control of a specification, see `explore`. ValueError where it is none."""
    import ipywidgets as w

    look = {
        "description": name,
        "style": {"description_width": "8em"},
        "layout": {"width": "420px"},
    }
    if isinstance(spec, (list, tuple)) and spec and isinstance(spec[0], str):
        return w.Dropdown(options=list(spec), value=spec[0], **look)
    if not _is_range(spec):
        raise RequestError(
            f"explore: {name}={spec!r} is neither (low, high, start) nor a list of words"
        )
    low, high, start = spec
    if not low <= start <= high:
        raise RequestError(f"explore: {name} starts at {start}, outside {low} to {high}")
    if all(isinstance(v, int) for v in spec):
        return w.IntSlider(min=low, max=high, value=start, **look)
    step = 10 ** round(math.log10((high - low) / SLIDER_STEPS)) if high > low else 0.1
    return w.FloatSlider(min=low, max=high, value=start, step=step, **look)


def _is_range(spec: Any) -> bool:
    if not isinstance(spec, tuple) or len(spec) != 3:
        return False
    return all(isinstance(value, (int, float)) for value in spec)


class Explorer:
    """A picture, the controls that it follows, and drafts of it while they move."""

    def __init__(self, f: Callable[..., Any], controls: dict[str, Any], caption: str = ""):
        self.f = f
        self.takes_draft = "draft" in inspect.signature(f).parameters
        self.controls = controls
        self.caption = caption
        self.pending: asyncio.TimerHandle | None = None  # the full picture after a draft

    def values(self) -> dict[str, Any]:
        """What the controls stand at."""
        return {name: c.value for name, c in self.controls.items()}

    def full_picture(self) -> Any:
        """The picture at the controls' values (H, W, 3)."""
        if self.takes_draft:
            return self.f(**self.values(), draft=False)
        return self.f(**self.values())

    def box(self, start: bytes) -> Any:
        """The widget: controls, the picture (PNG `start` to begin with), caption, and the
        parameters' button.
        """
        import ipywidgets as w

        layout = {"align_self": "flex-start", "max_width": "100%"}
        self.picture = w.Image(value=start, format="png", layout=layout)
        parameters = w.HTML()
        button = w.Button(description="as parameters")

        def show_parameters(_: Any) -> None:
            parameters.value = f"<code>{html.escape(parameter_line(self.values()))}</code>"

        button.on_click(show_parameters)
        for c in self.controls.values():
            c.observe(self._move, "value")
        caption = w.HTML(f"<i>{html.escape(self.caption)}</i>")
        return w.VBox(
            [*self.controls.values(), self.picture, caption, w.HBox([button, parameters])]
        )

    def _move(self, _: Any) -> None:
        if self.pending is not None:
            self.pending.cancel()
            self.pending = None
        if not self.takes_draft:
            self._draw_full()
            return
        self.picture.value = png(self.f(**self.values(), draft=True))
        self.pending = asyncio.get_event_loop().call_later(SETTLE, self._draw_full)

    def _draw_full(self) -> None:
        self.picture.value = png(self.full_picture())
