"""What was stated about the consent of the person in a source: asked once, kept with the runs.

The kit cannot know whether a statement is true. It asks, so that nobody forgets the question, and
passes the answer on in the mark of every file (see `export.marks`).
"""

import sys
from datetime import date
from pathlib import Path

from stkit.export.statement import NOT_ASKED
from stkit.io.tensors import read_json, write_json
from stkit.runs.folders import STORE, runs_root
from stkit.runs.source import Source

PEOPLE = ("video", "images", "photo", "insta")  # kinds of sources that show a person
NOBODY = "no person is shown: the face is made up"
LONGEST = 500  # letters of a statement
QUESTION = (
    "Who is shown in {name}, and how did they agree to a head that can be made to do anything?\n"
    "One line, kept in the mark of every file; Enter alone: not stated\n> "
)


def _place(source: Source) -> Path:
    return runs_root() / STORE / "consent" / f"{source.digest()[:40]}.json"


def consent_of(source: Source) -> str:
    """What was stated, in words."""
    if source.kind not in PEOPLE:
        return NOBODY
    return str(read_json(_place(source)).get("statement") or NOT_ASKED)


def settle_consent(source: Source, given: str | None) -> None:
    """Keep what was given; where nothing is known and a person sits at the terminal, ask."""
    if source.kind not in PEOPLE:
        return
    place = _place(source)
    if given is None and place.exists():
        return
    if given is None and sys.stdin.isatty() and sys.stdout.isatty():
        given = input(QUESTION.format(name=source.name))
    words = "".join(c if c.isprintable() else " " for c in given or "").split()
    statement = " ".join(words)[:LONGEST]
    if not statement and place.exists():
        print(f"note: what was stated about {source.name} before stays: {consent_of(source)!r}")
        return
    if not statement:
        print(f"note: consent of the person in {source.name} is not stated; --consent states it")
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    about = {"source": source.name, "statement": statement, "date": date.today().isoformat()}
    write_json(place, about)
