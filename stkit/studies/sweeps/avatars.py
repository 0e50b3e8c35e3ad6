"""Heads of a sweep to turn and play: one page for each chosen setting."""

from dataclasses import replace
from pathlib import Path

from stkit.errors import RequestError
from stkit.export.marks import mark
from stkit.heads.gaussian import GaussianHead
from stkit.runs import stages
from stkit.runs.edits import base_of
from stkit.studies.sweeps.ledger import DONE, Ledger
from stkit.viewers import save_avatar

AVATARS = "avatars"  # the folder in the sweep's


def avatar_of(number: int) -> str:
    """Where a setting's page is, below the sweep's folder."""
    return f"{AVATARS}/{number:05}.html"


def write_avatar(ledger: Ledger, number: int) -> Path:
    """Write the page of an edit; the sweep's own page then leads to it. RequestError where the
    setting has no edited head.
    """
    rows = {row["number"]: row for row in ledger.rows()}
    row = rows.get(number, {})
    head = ledger.folder / row.get("result", "") / stages.EDITED_HEAD
    if row.get("status") != DONE or not head.exists():
        raise RequestError(f"{ledger.folder.name}: setting {number} has no edited head")
    base = base_of(ledger.about()["spec"]["base"])
    edited = GaussianHead.load(head)
    twins = len(edited.xyz) == len(base.head.xyz)
    path = ledger.folder / avatar_of(number)
    path.parent.mkdir(exist_ok=True)
    save_avatar(
        base.head if twins else edited,
        base.capture,
        path,
        edited if twins else None,
        title=f"Sweep {ledger.folder.name}, setting {number}",
        prompt=row.get("prompt", "the edit"),
        editor=row["edited_by"],
        provenance=f"Synthetic: made by stkit's sweep {ledger.folder.name}, setting {number}.",
    )
    stated = base.road.statement({})
    mark(path, replace(stated, edit=row.get("prompt", ""), editor=row["edited_by"]))
    return path
