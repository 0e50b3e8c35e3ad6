"""Loss curves that grow while a notebook trains: `progress=live_bar` wherever the library takes `progress`."""

import base64
import time

from stkit.io.images import figure, png
from stkit.progress import bar
from stkit.viewers.charts import COLOURS, LAYOUT

EVERY = 0.7  # seconds between two redraws


class live_bar:
    """A text bar over `items` (see `progress.bar`) and, once losses are told by `set_postfix(loss=...)`, their curve (plotly).

    The curve is redrawn at most every 0.7 s; when the loop ends, or is interrupted, it stays as a picture for readers without a kernel.
    """

    def __init__(self, items, desc: str = "", initial: int = 0, total: int | None = None):
        self.bar, self.desc, self.step = bar(items, desc, initial, total), desc, initial
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.chart = self.handle = None
        self.drawn = time.monotonic()

    def __iter__(self):
        try:
            for item in self.bar:
                yield item
                self.step += 1
        finally:
            if self.handle is not None:
                self._draw()
                self.handle.update(
                    self._bundle(), raw=True, metadata={"image/png": {"alt": self._alt()}}
                )

    def set_postfix(self, loss: str, refresh: bool = False) -> None:
        """Note the loss at this step."""
        if hasattr(self.bar, "set_postfix"):
            self.bar.set_postfix(loss=loss, refresh=refresh)
        self.steps.append(self.step)
        self.losses.append(float(loss))
        if time.monotonic() - self.drawn >= EVERY:
            self._draw()

    def _draw(self) -> None:
        import plotly.graph_objects as go
        from IPython.display import display

        if self.chart is None:
            self.chart = go.FigureWidget(
                layout={**LAYOUT, "height": 260, "title": {"text": self.desc, "font": {"size": 13}}}
            )
            self.chart.add_scatter(
                x=self.steps, y=self.losses, line={"color": COLOURS[0], "width": 1.4}, name="loss"
            )
            self.chart.update_layout(xaxis_title="step", yaxis_title="loss", yaxis_type="log")
            self.handle = display(
                self._bundle(),
                raw=True,
                metadata={"image/png": {"alt": self._alt()}},
                display_id=True,
            )
        else:
            line = self.chart.data[0]
            with self.chart.batch_update():
                line.x, line.y = self.steps, self.losses
        self.drawn = time.monotonic()

    def _alt(self) -> str:
        return f"Loss of '{self.desc}' against the step: from {self.losses[0]:.3g} to {self.losses[-1]:.3g} in {self.steps[-1]} steps"

    def _still(self, fig) -> None:
        ax = fig.add_subplot(xlabel="step", ylabel="loss", yscale="log", title=self.desc)
        ax.plot(self.steps, self.losses, color=COLOURS[0], lw=1.4)

    def _bundle(self) -> dict:
        live = self.chart._repr_mimebundle_()
        live = live[0] if isinstance(live, tuple) else live
        still = png(figure(self._still, 6.4, 2.8))
        return {**live, "image/png": base64.b64encode(still).decode(), "text/plain": self._alt()}
