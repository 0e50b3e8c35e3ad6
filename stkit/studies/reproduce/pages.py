"""Pages for people: each table with the paper's values beside ours, and a verdict on each claim."""

from stkit.studies.reproduce.claims import CLAIMS, ENOUGH_HEADS, Records
from stkit.studies.reproduce.paper import TABLES as PAPER
from stkit.studies.reproduce.records import Record
from stkit.studies.reproduce.tables import Table

PRIVATE_TITLES = {
    "table3-minutes": "Reconstruction again, in the same minutes instead of the same steps",
    "figure6": "E1 to E4 (the numbers to Figure 6)",
    "expression": "Expressions of edited heads, with and without the mesh stage's MLP_deform",
    "identity": "Identity at an equal change of the face: ours and E1",
}
Grid = list[list[str]]


def grid(rows: Grid) -> str:
    """Markdown: the first row is the head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def number(value: float | None) -> str:
    """Three digits, or a dash."""
    return "-" if value is None else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def printed(values: tuple[float, ...]) -> list[str]:
    """The paper's numbers with all the digits that it prints."""
    digits = max(len(str(v).partition(".")[2]) for v in values)
    return [f"{v:.{digits}f}" for v in values]


def table_page(table: Table, record: Record, command: str) -> str:
    """The page of one table, or of an experiment that the paper describes without numbers."""
    title = PAPER[table.name].title if table.name in PAPER else PRIVATE_TITLES[table.name]
    heading = f"Table {table.name[-1]}: {title}" if table.name in PAPER else title
    parts = [f"# {heading}", *_paper_part(table.name), "## Ours"]
    if not record.rows:
        return "\n\n".join([*parts, "Nothing was measured yet.", ""])
    parts += [f"    {command}", _origin(record), table.note, _means(table, record)]
    if len(record.rows) > 1:
        parts += ["## Head by head", _by_head(table, record)]
    parts += ["## Differences", _differences(table, record)]
    return "\n\n".join(part for part in [*parts, ""] if part is not None)


def _paper_part(name: str) -> list[str]:
    if name not in PAPER:
        return []
    paper = PAPER[name]
    rows = [["", *paper.columns]]
    rows += [[metric, *printed(values)] for metric, values in paper.values.items()]
    return ["## The paper", f"Protocol: {paper.protocol}.", grid(rows)]


def _origin(record: Record) -> str:
    """What each head was computed on."""
    rows = [["head", "profile", "seeds", "stand-ins", "minutes", "commit", "machine"]]
    for head, origin in record.origin.items():
        minutes = f"{origin['minutes']:.0f}"
        known = (origin[k] for k in ("profile", "seeds", "stand_ins"))
        rows.append([head, *map(str, known), minutes, origin["code"], origin["machine"]])
    return grid(rows)


def _measured(table: Table, record: Record) -> dict[str, str]:
    """The metrics of which there is a number."""
    there = {
        name
        for rows in record.rows.values()
        for seeds in rows.values()
        for numbers in seeds
        for name, value in numbers.items()
        if value is not None
    }
    return {name: title for name, title in table.metrics.items() if name in there}


def _means(table: Table, record: Record) -> str:
    rows = [["mean over heads and seeds", *record.variants]]
    measured = _measured(table, record)
    for metric, title in measured.items():
        rows.append([title, *[number(record.mean(v, metric)) for v in record.variants]])
    absent = [
        title for name, title in table.metrics.items() if name not in _measured(table, record)
    ]
    note = f"\n\nNot measured here: {'; '.join(absent)}." if absent else ""
    return grid(rows) + note


def _by_head(table: Table, record: Record) -> str:
    parts = []
    for metric, title in _measured(table, record).items():
        rows = [[title, *record.variants]]
        for head, found in record.rows.items():
            alone = Record("", {head: found})
            rows.append([head, *[number(alone.mean(v, metric)) for v in record.variants]])
        parts.append(grid(rows))
    return "\n\n".join(parts)


def _differences(table: Table, record: Record) -> str:
    """Every column against ours, paired."""
    base = next((v for v in record.variants if v == "ours"), record.variants[0])
    others = [v for v in record.variants if v != base]
    if not others:
        return "There is one column only."
    rows = [[f"minus {base}", *others]]
    for metric, title in _measured(table, record).items():
        rows.append([title, *[_difference(record, metric, other, base) for other in others]])
    note = (
        "Mean difference and, in brackets, the interval that holds 95 % of 10,000 bootstrap draws "
        "over heads and their seeds. Where it holds zero, no difference was seen. With few heads "
        "it is too narrow: of two heads it gives the two values."
    )
    return f"{note}\n\n{grid(rows)}"


def _difference(record: Record, metric: str, variant: str, than: str) -> str:
    """An interval, or the one difference that there is."""
    interval = record.difference(metric, variant, than)
    if interval is not None:
        return str(interval)
    alone = [x for pair in record.pairs(metric, variant, than) for x in pair]
    return f"{alone[0]:+.3g} (one pair)" if alone else "-"


def claims_page(records: Records) -> str:
    """Every claim of the paper with its verdict and evidence."""
    rows = [["the paper claims", "where", "verdict", "evidence"]]
    for claim in CLAIMS:
        word, evidence = claim.verdict(records)
        note = [f"({claim.note})"] if claim.note and claim.comparisons else []
        rows.append([claim.text, claim.where, f"**{word}**", "<br>".join([*evidence, *note])])
    return "\n\n".join(["# The paper's claims, one by one", CLAIMS_NOTE, grid(rows), ""])


CLAIMS_NOTE = (
    "Differences are paired over heads and seeds, with 95 % bootstrap intervals in brackets. A "
    "claim is *supported* or *contradicted* where the whole interval is on one side of zero and "
    f"at least {ENOUGH_HEADS} heads were compared: a bootstrap over fewer heads is too narrow, so "
    "they only *point* to a claim or against it. Where the metrics disagree it is *mixed*. All of "
    "it was measured with the kit's stand-ins (a small editor, mesh-prior views, MakeHuman's face "
    "model) on the heads that the tables name, so a verdict is about the method as it runs here."
)
