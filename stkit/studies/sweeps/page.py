"""A sweep's page: runs/sweeps/NAME/index.html. It needs no network."""

from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.offline import get_plotlyjs

from stkit.io.tensors import write_text
from stkit.studies.sweeps.avatars import avatar_of
from stkit.studies.sweeps.ledger import DONE, FAILED, SET_ASIDE, Ledger
from stkit.studies.sweeps.tables import means, table_of

TEMPLATES = Path(__file__).parent
MOST_CARDS = 500  # pictures on the contact sheet
SHOWN = ("edit.inside", "edit.outside", "edit.identity")  # curves, where there are such numbers
HEIGHT = 360  # pixels of a figure


def parameters_of(ledger: Ledger) -> list[str]:
    """The swept parameters, the seed included where there are several."""
    about = ledger.about()
    swept = list(about["spec"]["values"])
    return swept + (["seed"] if about["spec"]["seeds"] > 1 else [])


def numbers_of(table: pd.DataFrame, parameters: list[str]) -> list[str]:
    """The measured numbers: the usual ones of an edit, or every number that notebooks recorded."""
    usual = [name for name in SHOWN if name in table]
    others = {"number", "seconds", "peak_gb", "edits", *parameters}
    found = [c for c in table.select_dtypes("number").columns if c not in others]
    return usual or found


def parallel(table: pd.DataFrame, parameters: list[str], numbers: list[str]) -> go.Figure:
    """Parallel coordinates: one line for each task, in the colour of its first number's fifth.

    Plotly's own kind compiles code in the page, which the page's policy forbids.
    """
    axes, fig = [*parameters, *numbers], go.Figure()
    places = pd.DataFrame({name: _placed(table[name]) for name in axes})
    fifths = pd.qcut(table[numbers[0]].rank(method="first"), min(5, len(table)), labels=False)
    for fifth in sorted(fifths.unique()):
        lines = places[fifths == fifth].assign(gap=np.nan).to_numpy().ravel()
        colour = sample_colorscale("Viridis", [fifth / max(fifths.max(), 1)])[0]
        name = f"{numbers[0]}: fifth {fifth + 1}"
        x = [*range(len(axes)), None] * int((fifths == fifth).sum())
        fig.add_scatter(x=x, y=lines, mode="lines", line_color=colour, name=name, hoverinfo="name")
    for k, name in enumerate(axes):
        for y, text in _ends(table[name]):
            fig.add_annotation(x=k, y=y, text=text, showarrow=False, xshift=6, xanchor="left")
    fig.update_xaxes(tickvals=[*range(len(axes))], ticktext=axes, showgrid=True)
    fig.update_yaxes(visible=False)
    return _plain(fig)


def _placed(column: pd.Series) -> pd.Series:
    """Values from 0 to 1: of words their place in the alphabet."""
    values = column
    if not pd.api.types.is_numeric_dtype(column):
        values = column.astype(str).map(sorted(column.astype(str).unique()).index)
    width = values.max() - values.min()
    return (values - values.min()) / width if width else values * 0 + 0.5


def _ends(column: pd.Series) -> list[tuple[float, str]]:
    """Where an axis is labelled, and with what."""
    if not pd.api.types.is_numeric_dtype(column):
        kinds = column.astype(str)
        return [(float(_placed(kinds)[i]), kinds[i][:24]) for i in kinds.drop_duplicates().index]
    low, high = column.min(), column.max()
    return [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")] if high > low else [(0.5, f"{low:.4g}")]


def curves(table: pd.DataFrame, parameter: str, numbers: list[str]) -> go.Figure:
    """Mean and 95 % interval of numbers over the values of a parameter."""
    found, fig = means(table, [parameter], numbers), go.Figure()
    for name in numbers:
        high, low = found[f"{name} high"] - found[name], found[name] - found[f"{name} low"]
        bars = {"type": "data", "array": high, "arrayminus": low}
        fig.add_scatter(x=found[parameter], y=found[name], error_y=bars, name=name)
    fig.update_xaxes(title=parameter)
    return _plain(fig)


def _plain(fig: go.Figure) -> go.Figure:
    margin = {"l": 60, "r": 60, "t": 40, "b": 40}
    return fig.update_layout(template="plotly_white", height=HEIGHT, margin=margin)


def write_page(ledger: Ledger) -> Path:
    """Write the page of what the sweep has found so far; returns its path."""
    table, parameters = table_of(ledger), parameters_of(ledger)
    done = table[table["status"] == DONE]
    numbers = numbers_of(done, parameters)
    figures = []
    if len(done) and numbers:
        if parameters:
            figures.append(("Every task is a line", parallel(done, parameters, numbers)))
        many = [name for name in parameters if name != "seed" and done[name].nunique() > 1]
        figures += [(f"Over {name}", curves(done, name, numbers)) for name in many]
    loader = jinja2.FileSystemLoader(TEMPLATES)
    template = jinja2.Environment(loader=loader, autoescape=True).get_template("page.html")
    text = template.render(
        name=ledger.folder.name,
        about=ledger.about(),
        counts={s: int((table["status"] == s).sum()) for s in (DONE, FAILED, SET_ASIDE)},
        parameters=parameters,
        numbers=numbers,
        cards=cards(ledger, done, parameters, numbers),
        failures=table[table["status"] != DONE].to_dict("records"),
        plotly=get_plotlyjs(),
        figures=[(title, fig.to_json()) for title, fig in figures],
        editors=sorted(set(done.get("edited_by", []))),
    )
    path = ledger.folder / "index.html"
    write_text(path, text)
    return path


def cards(
    ledger: Ledger, done: pd.DataFrame, parameters: list[str], numbers: list[str]
) -> list[dict]:
    """What the contact sheet shows of each task: picture, values, and where a click leads: to the
    avatar where there is one, else to the run.
    """
    out = []
    for row in done.head(MOST_CARDS).to_dict("records"):
        values = {name: row[name] for name in (*parameters, *numbers)}
        shown = {k: f"{v:.4g}" if isinstance(v, float) else str(v) for k, v in values.items()}
        avatar = avatar_of(row["number"])
        to = avatar if (ledger.folder / avatar).exists() else row["result"]
        out.append({"picture": row.get("picture"), "to": to, "values": shown})
    return out
