"""Loss curves that grow while a notebook trains: `progress=live_bar` wherever the library takes
`progress`.
"""

import base64
import time
from collections.abc import Iterable, Iterator
from typing import Any

from stkit.io.images import figure, png
from stkit.progress import bar, silent
from stkit.viewers.interactive import COLOURS, LAYOUT, mime_bundle

REDRAW_INTERVAL = 0.7  # seconds


class LiveBar:
    """A text bar over `items` (see `progress.bar`) and, once losses are told by
    `set_postfix(loss=...)`, their curve (plotly).

    The curve is redrawn at most every 0.7 s; when the loop ends, or is interrupted, it stays as a
    picture for readers without a kernel.
    """

    def __init__(self, items: Iterable, desc: str = "", initial: int = 0, total: int | None = None):
        self.items = bar(items, desc, initial, total)
        self.text_bar = None if silent() else self.items  # a silent bar is the items themselves
        self.desc = desc
        self.step = initial
        self.curve = LossCurve(desc)

    def __iter__(self) -> Iterator:
        try:
            for item in self.items:
                yield item
                self.step += 1
        finally:
            self.curve.finish()

    def set_postfix(self, loss: str, refresh: bool = False) -> None:
        """Note the loss at this step."""
        if self.text_bar is not None:
            self.text_bar.set_postfix(loss=loss, refresh=refresh)
        self.curve.add(self.step, float(loss))


def live_bar(
    items: Iterable, desc: str = "", initial: int = 0, total: int | None = None
) -> LiveBar:
    """A `LiveBar` over `items`: give this function wherever the library takes `progress`."""
    return LiveBar(items, desc, initial, total)


class LossCurve:
    """Losses against steps, displayed in a notebook as soon as there is something to see."""

    def __init__(self, title: str):
        self.title = title
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.chart: Any = None  # plotly's FigureWidget
        self.handle: Any = None  # IPython's DisplayHandle
        self.drawn = time.monotonic()

    def add(self, step: int, loss: float) -> None:
        """Note a loss; redraw if the last drawing is old enough."""
        self.steps.append(step)
        self.losses.append(loss)
        if time.monotonic() - self.drawn >= REDRAW_INTERVAL:
            self._draw()

    def finish(self) -> None:
        """Draw all losses, and leave them as a picture too."""
        if self.handle is None:
            return
        self._draw()
        metadata = {"image/png": {"alt": self._alt()}}
        self.handle.update(self._bundle(), raw=True, metadata=metadata)

    def _draw(self) -> None:
        if self.chart is None:
            self._display()
        else:
            line = self.chart.data[0]
            with self.chart.batch_update():
                line.x, line.y = self.steps, self.losses
        self.drawn = time.monotonic()

    def _display(self) -> None:
        import plotly.graph_objects as go
        from IPython.display import display

        title = {"text": self.title, "font": {"size": 13}}
        self.chart = go.FigureWidget(layout={**LAYOUT, "height": 260, "title": title})
        line = {"color": COLOURS[0], "width": 1.4}
        self.chart.add_scatter(x=self.steps, y=self.losses, line=line, name="loss")
        self.chart.update_layout(xaxis_title="step", yaxis_title="loss", yaxis_type="log")
        metadata = {"image/png": {"alt": self._alt()}}
        self.handle = display(self._bundle(), raw=True, metadata=metadata, display_id=True)

    def _alt(self) -> str:
        ends = f"from {self.losses[0]:.3g} to {self.losses[-1]:.3g} in {self.steps[-1]} steps"
        return f"Loss of '{self.title}' against the step: {ends}"

    def _draw_poster(self, fig: Any) -> None:
        ax = fig.add_subplot(xlabel="step", ylabel="loss", yscale="log", title=self.title)
        ax.plot(self.steps, self.losses, color=COLOURS[0], lw=1.4)

    def _bundle(self) -> dict[str, Any]:
        poster = png(figure(self._draw_poster, 6.4, 2.8))
        picture = base64.b64encode(poster).decode()
        return {**mime_bundle(self.chart), "image/png": picture, "text/plain": self._alt()}
