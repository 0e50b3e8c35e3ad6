"""The rows of a sweep as one tidy table: CSV, parquet, and questions to it."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd

from stkit.errors import RequestError
from stkit.studies.sweeps.ledger import COSTS, DONE, Ledger

RESAMPLES = 2000  # of the bootstrap
FIRST = ("number", "status")  # columns, then the parameters, then the others by name


def table_of(ledger: Ledger) -> pd.DataFrame:
    """One line for each task that has a row; columns: number, status, parameters, numbers, costs,
    paths, commit. Paths are relative to the sweep's folder.
    """
    rows = ledger.rows()
    names = list(ledger.about()["tasks"][0]["setting"])
    others = sorted({name for row in rows for name in row} - set(names) - set(FIRST) - set(COSTS))
    columns = [*FIRST, *names, *others, *COSTS]
    return pd.DataFrame(rows, columns=columns)


def write_tables(ledger: Ledger) -> pd.DataFrame:
    """Write table.csv and table.parquet into the sweep's folder; returns the table."""
    table = table_of(ledger)
    for name, write in (("csv", _csv), ("parquet", _parquet)):
        part = ledger.folder / f".table.{name}.part"
        write(table, part)
        part.replace(ledger.folder / f"table.{name}")
    return table


def _csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")


def _parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, index=False)


def read_table(name: str) -> pd.DataFrame:
    """A sweep's table as it is now."""
    return table_of(Ledger.of(name))


HARMLESS = (
    *(ast.Expression, ast.BoolOp, ast.boolop, ast.Compare, ast.cmpop, ast.UnaryOp, ast.unaryop),
    *(ast.BinOp, ast.operator, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple),
)


def chosen(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """The lines for which a condition holds, such as `alpha > 2 and seed == 0`.

    Names with a dot (`edit.inside`) may be written as they are.
    """
    text, plain = where, {}
    for k, name in enumerate(sorted(table.columns, key=len, reverse=True)):
        if not name.isidentifier():
            plain[name] = f"column_{k}"
            text = text.replace(f"`{name}`", plain[name]).replace(name, plain[name])
    try:
        _only_compares(ast.parse(text.strip(), mode="eval"))
        named = table.rename(columns=plain)
        return table[named.eval(text, engine="python", local_dict={}, global_dict={})]
    except Exception as e:  # pandas raises whatever the text leads it to
        columns = ", ".join(table.columns)
        raise RequestError(f"--where {where!r}: {e}. Columns: {columns}") from e


def _only_compares(tree: ast.AST) -> None:
    """Raise RequestError where a condition does more than compare and compute."""
    for node in ast.walk(tree):
        if not isinstance(node, HARMLESS):
            kind = type(node).__name__
            raise RequestError(f"a condition compares columns; {kind} is not for it")


def means(table: pd.DataFrame, by: list[str], numbers: list[str]) -> pd.DataFrame:
    """Mean and 95 % interval (percentile bootstrap over the lines) of numbers, for each value of
    `by`; columns: by, lines, then NAME, NAME low, NAME high.
    """
    for name in (*by, *numbers):
        if name not in table.columns:
            raise RequestError(f"no column {name!r}; there are: {', '.join(table.columns)}")
    done = table[table["status"] == DONE]
    out = []
    for value, part in done.groupby(by, sort=True):
        line = dict(zip(by, value)) | {"lines": len(part)}
        for name in numbers:
            line |= _interval(name, part[name].dropna().to_numpy(float))
        out.append(line)
    return pd.DataFrame(out)


def _interval(name: str, values: np.ndarray) -> dict[str, float]:
    """Mean and interval; no interval where there is one value."""
    if len(values) < 2:
        mean = float(values[0]) if len(values) else float("nan")
        return {name: mean, f"{name} low": float("nan"), f"{name} high": float("nan")}
    picks = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(1), (2.5, 97.5))
    return {name: float(values.mean()), f"{name} low": float(low), f"{name} high": float(high)}


def joined(names: list[str]) -> pd.DataFrame:
    """Several sweeps in one table, such as those of a class; column `sweep` says whose line it is.

    A name may be a sweep here, or the path of a table.csv or table.parquet that somebody sent.
    """
    parts = []
    for name in names:
        path = Path(name)
        part = _read_file(path) if path.suffix in (".csv", ".parquet") else read_table(name)
        label = path.parent.name if path.stem == "table" and path.parent.name else path.stem
        parts.append(part.assign(sweep=label if path.suffix else name))
    table = pd.concat(parts, ignore_index=True)
    return table[["sweep", *(c for c in table.columns if c != "sweep")]]


def _read_file(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as e:
        raise RequestError(f"{path}: not a table that can be read ({e})") from e
    if not {"status", "number"} <= set(table.columns):
        raise RequestError(f"{path}: not the table of a sweep: columns number, status are missing")
    return table
