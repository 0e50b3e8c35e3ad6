"""`explore(f, alpha=(0.5, 20.0, 5.0))`: a picture that follows sliders, and shows its starting state to readers without a kernel."""

import asyncio
import html
import inspect
import math
import shlex
from collections.abc import Callable

from stkit.io.images import png, show
from stkit.progress import silent
from stkit.viewers.charts import show_live

SETTLE = 0.35  # seconds without a move after which the full picture is made


def explore(f: Callable, alt: str, caption: str = "", **sliders) -> None:
    """Show f(**values) with controls: (low, high, start) of floats or ints becomes a slider, a list a menu (its first entry starts).

    `f` is pure and returns an image (H, W, 3). If it takes `draft`, it is called with draft=True while a slider moves and
    draft=False when it rests. The starting picture is shown first and stays for static readers; then the controls, with a button
    that prints the values as a line of papermill parameters.
    """
    controls = {name: _control(name, spec) for name, spec in sliders.items()}
    takes_draft = "draft" in inspect.signature(f).parameters
    full = lambda values: f(**values, **({"draft": False} if takes_draft else {}))
    first = full({name: c.value for name, c in controls.items()})
    if silent():  # nbval: nobody moves sliders
        show(first, alt, caption)
        return
    show_live(lambda: _box(f, full, takes_draft, controls, png(first), caption), first, alt)


def parameter_line(values: dict) -> str:
    """The values as options of papermill, quoted for a shell."""
    return " ".join(f"-p {name} {shlex.quote(str(value))}" for name, value in values.items())


def _control(name: str, spec):
    import ipywidgets as w

    look = {
        "description": name,
        "style": {"description_width": "8em"},
        "layout": {"width": "420px"},
    }
    if isinstance(spec, (list, tuple)) and spec and isinstance(spec[0], str):
        return w.Dropdown(options=list(spec), value=spec[0], **look)
    if not (
        isinstance(spec, tuple)
        and len(spec) == 3
        and all(isinstance(v, (int, float)) for v in spec)
    ):
        raise ValueError(
            f"explore: {name}={spec!r} is neither (low, high, start) nor a list of words"
        )
    low, high, start = spec
    if not low <= start <= high:
        raise ValueError(f"explore: {name} starts at {start}, outside {low} to {high}")
    if all(isinstance(v, int) for v in spec):
        return w.IntSlider(min=low, max=high, value=start, **look)
    step = 10 ** round(math.log10((high - low) / 200)) if high > low else 0.1
    return w.FloatSlider(min=low, max=high, value=start, step=step, **look)


def _box(
    f: Callable, full: Callable, takes_draft: bool, controls: dict, start: bytes, caption: str
):
    import ipywidgets as w

    picture, button, said = (
        w.Image(
            value=start, format="png", layout={"align_self": "flex-start", "max_width": "100%"}
        ),
        w.Button(description="as parameters"),
        w.HTML(),
    )
    waiting: list[asyncio.TimerHandle] = []
    now = lambda: {name: c.value for name, c in controls.items()}

    def moved(_):
        for handle in waiting:
            handle.cancel()
        waiting.clear()
        if not takes_draft:
            picture.value = png(full(now()))
            return
        picture.value = png(f(**now(), draft=True))
        waiting.append(
            asyncio.get_event_loop().call_later(
                SETTLE, lambda: setattr(picture, "value", png(full(now())))
            )
        )

    def pressed(_):
        said.value = f"<code>{html.escape(parameter_line(now()))}</code>"

    for c in controls.values():
        c.observe(moved, "value")
    button.on_click(pressed)
    return w.VBox(
        [
            *controls.values(),
            picture,
            w.HTML(f"<i>{html.escape(caption)}</i>"),
            w.HBox([button, said]),
        ]
    )
