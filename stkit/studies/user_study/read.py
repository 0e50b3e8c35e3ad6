"""Count the answers: which share of the votes each method has, with intervals."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stkit.errors import MissingFileError, RequestError
from stkit.io.tensors import read_json

DRAWS, LEVEL = 10_000, 0.95  # of the bootstrap over volunteers


@dataclass(frozen=True)
class Share:
    """A method's share of the votes, and the interval that 95 % of bootstrap draws lie in."""

    method: str
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Votes:
    """shares: of each method; raters and votes: how many there were; notes: what was left out."""

    shares: list[Share]
    raters: int
    votes: int
    notes: list[str]

    def table(self) -> str:
        """Markdown, as the paper's Tables 1, 2 and 4 have it, with intervals."""
        lines = ["| method | votes | 95 % interval |", "|---|---|---|"]
        lines += [
            f"| {s.method} | {s.share:.1%} | {s.low:.1%} to {s.high:.1%} |" for s in self.shares
        ]
        lines += ["", f"{self.votes} votes of {self.raters} volunteers."]
        return "\n".join([*lines, *self.notes])


def read_answers(files: Sequence[Path], key_file: Path) -> Votes:
    """Count answer files with the study's key. Volunteers are drawn anew for the intervals: the
    votes of one person are not independent.

    A volunteer whose file comes twice counts once, and a question without an answer does not
    count. Raises RequestError naming a file that is not of this study.
    """
    key = read_json(key_file)
    if not key:
        raise MissingFileError(
            f"{key_file}: no key here; `stkit study make` wrote one beside the page"
        )
    notes: list[str] = []
    if not isinstance(key.get("questions"), dict) or "study" not in key:
        raise RequestError(f"{key_file}: not the key of a study")
    raters: dict[str, list[str]] = {}
    for file in files:
        rater, chosen = _answers(Path(file), key)
        if rater in raters:
            notes.append(f"Left out: {Path(file).name}, volunteer {rater} is there already.")
            continue
        raters[rater] = chosen
    if not any(raters.values()):
        raise RequestError(f"{', '.join(map(str, files))}: no votes in these files")
    methods = sorted({m for q in key["questions"].values() for m in q["methods"].values()})
    counted = [chosen for chosen in raters.values() if chosen]  # others answered nothing
    counts = np.array([[chosen.count(m) for m in methods] for chosen in counted], float)
    return Votes(_shares(methods, counts), len(counted), int(counts.sum()), notes)


def _answers(file: Path, key: dict) -> tuple[str, list[str]]:
    """A file's volunteer and the methods that they chose."""
    try:
        found = json.loads(file.read_text())
        rater, study = str(found["rater"]), found["study"]
        answers = {a["question"]: a["chosen"] for a in found["answers"]}.items()
        if not rater.isprintable():
            raise RequestError("the volunteer's name holds letters that cannot be printed")
    except FileNotFoundError:
        raise MissingFileError(f"{file}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as e:
        raise RequestError(f"{file}: not an answer file of the study's page ({e})") from e
    if study != key["study"]:
        raise RequestError(f"{file}: answers to another study; take the key.json of that one")
    try:
        return rater, [key["questions"][q]["methods"][c] for q, c in answers if c is not None]
    except (KeyError, TypeError) as e:
        raise RequestError(f"{file}: names {e}, which this study does not have") from e


def _shares(methods: list[str], counts: np.ndarray) -> list[Share]:
    """Shares of votes counted by volunteer and method (R, M), the largest first."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(counts), size=(DRAWS, len(counts)))
    sums = counts[drawn].sum(1)
    shares = sums / sums.sum(1, keepdims=True)
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    mean = counts.sum(0) / counts.sum()
    out = [Share(m, *map(float, numbers)) for m, *numbers in zip(methods, mean, low, high)]
    return sorted(out, key=lambda s: -s.share)
