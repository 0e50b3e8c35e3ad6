"""Plotly charts of weights and strengths to hover over. Static readers get each as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stkit.editing.weights import weight
from stkit.io.images import figure
from stkit.viewers.interactive import COLOURS, LAYOUT, show_interactive

DISTANCE_TITLE = "distance to the nearest landmark, cm"
CM = 10  # centimetres in a decimetre
SAMPLES = 151  # points of a curve


def weight_chart(alphas: Sequence[float] = (1.0, 2.5, 5.0, 10.0, 20.0), reach: float = 1.5) -> None:
    """w(d) = 2 sigmoid(-alpha d) of Eq. 8, and dashed 1 - w, for several alphas (1/dm), up to
    `reach` decimetres.
    """
    d = np.linspace(0, reach, SAMPLES)
    curves = {alpha: weight(torch.from_numpy(d), alpha).numpy() for alpha in alphas}

    def chart():
        import plotly.graph_objects as go

        chart = go.FigureWidget(layout={**LAYOUT, "hovermode": "x unified"})
        for (alpha, w), colour in zip(curves.items(), COLOURS):
            line = {"color": colour}
            chart.add_scatter(x=CM * d, y=w, name=f"w, alpha {alpha:g}", line=line)
            dashed = {**line, "dash": "dash"}
            name = f"1 - w, alpha {alpha:g}"
            chart.add_scatter(x=CM * d, y=1 - w, name=name, line=dashed, visible="legendonly")
        chart.update_layout(xaxis_title=DISTANCE_TITLE, yaxis_title="weight")
        return chart

    def draw(fig):
        ax = fig.add_subplot(xlabel=DISTANCE_TITLE, ylabel="weight")
        for (alpha, w), colour in zip(curves.items(), COLOURS):
            ax.plot(CM * d, w, color=colour, label=f"w, alpha {alpha:g}")
        ax.legend(frameon=False, fontsize=8)

    names = ", ".join(f"{alpha:g}" for alpha in alphas)
    alt = (
        f"Curves of w against distance for alpha {names}: "
        "all start at 1; the larger alpha, the faster they fall"
    )
    show_interactive(chart, figure(draw, 6.4, 3.4), alt)


@dataclass(frozen=True)
class _StrengthHistograms:
    """Histograms of strengths b, one for each sampler: counts (bins,) by name, titles by name,
    edges (bins + 1,), a colour for each bin.
    """

    counts: dict[str, np.ndarray]
    titles: dict[str, str]
    edges: np.ndarray
    colours: list[str]
    b_boundary: float

    @property
    def width(self) -> float:
        """Of a bin."""
        return 1 / len(self.colours)

    def chart(self) -> Any:
        """Side by side in plotly."""
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots

        titles = list(self.titles.values())
        subplots = make_subplots(1, len(titles), shared_yaxes=True, subplot_titles=titles)
        chart = go.FigureWidget(subplots)
        centres = self.edges[:-1] + 0.5 * self.width
        for k, (name, count) in enumerate(self.counts.items(), 1):
            chart.add_bar(x=centres, y=count, name=name, marker_color=self.colours, row=1, col=k)
            chart.add_vline(x=self.b_boundary, line={"dash": "dash"}, row=1, col=k)
        layout = {**LAYOUT, "width": 220 * len(titles) + 80, "height": 300}
        chart.update_layout(**layout, showlegend=False, bargap=0)
        chart.update_xaxes(title_text="b")
        return chart

    def draw(self, fig: Any) -> None:
        """Side by side in a matplotlib figure."""
        axes = fig.subplots(1, len(self.counts), sharey=True, squeeze=False)[0]
        for ax, (name, count) in zip(axes, self.counts.items()):
            ax.bar(self.edges[:-1], count, self.width, align="edge", color=self.colours)
            ax.axvline(self.b_boundary, color="k", ls="--")
            ax.set_title(self.titles[name], fontsize=9)
            ax.set_xlabel("b")


def strength_chart(samples: dict[str, Tensor], b_boundary: float = 0.5, bins: int = 40) -> None:
    """Histograms of sampled strengths b, one for each named sampler, with the boundary between weak
    and strong edits.
    """
    edges = np.linspace(0, 1, bins + 1)
    centres = edges[:-1] + 0.5 / bins
    counts = {name: np.histogram(b.numpy(), edges)[0] / len(b) for name, b in samples.items()}
    titles = {}
    for name, b in samples.items():
        strong = float((b >= b_boundary).float().mean())
        titles[name] = f"{name}: {100 * strong:.0f} % strong"
    colours = [COLOURS[1] if x >= b_boundary else COLOURS[0] for x in centres]
    histograms = _StrengthHistograms(counts, titles, edges, colours, b_boundary)
    alt = (
        "Histograms of sampled strengths b, weak ones blue and strong ones orange, "
        f"parted at {b_boundary:g}: {'; '.join(titles.values())}"
    )
    poster = figure(histograms.draw, 2.3 * len(samples), 2.4)
    show_interactive(histograms.chart, poster, alt)
