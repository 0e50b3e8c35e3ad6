"""What was measured for one table: numbers by head, variant and seed, and where they come from.

A record is a JSON file that grows head by head: what was measured before stays, with its own
commit, until the same head is measured again.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stkit.errors import RequestError
from stkit.io.tensors import read_json, write_json
from stkit.studies.reproduce.intervals import Interval, paired

Numbers = dict[str, float | None]
Rows = dict[str, list[Numbers]]  # by variant, one entry a seed


@dataclass
class Record:
    """rows: by head; origin: by head, what its numbers were computed on (commit, machine, profile,
    minutes, stand-ins).
    """

    name: str
    rows: dict[str, Rows] = field(default_factory=dict)
    origin: dict[str, dict[str, Any]] = field(default_factory=dict)

    @staticmethod
    def load(folder: Path, name: str) -> "Record":
        """The record in a folder, or an empty one."""
        found = read_json(folder / f"{name}.json")
        return Record(name, found.get("rows", {}), found.get("origin", {}))

    def save(self, folder: Path) -> Path:
        """Write NAME.json."""
        path = folder / f"{self.name}.json"
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, {"rows": self.rows, "origin": self.origin})
        return path

    def check(self, prompt: str, editor: str, folder: Path) -> None:
        """RequestError where heads stand here that were edited otherwise: no average of both."""
        for head, origin in self.origin.items():
            if (origin["prompt"], origin["editor"]) != (prompt, editor):
                raise RequestError(
                    f"{folder / self.name}.json holds {head}, edited by {origin['editor']} with "
                    f"{origin['prompt']!r}: take another folder for {editor} with {prompt!r}"
                )

    def put(self, head: str, rows: Rows, origin: dict[str, Any]) -> None:
        """Take a head's numbers, in place of those it had."""
        self.rows[head], self.origin[head] = rows, origin

    @property
    def variants(self) -> list[str]:
        """All variants, in the order in which they came."""
        return list(dict.fromkeys(v for rows in self.rows.values() for v in rows))

    def mean(self, variant: str, metric: str) -> float | None:
        """Mean over the heads of the mean over the seeds; None where nothing was measured."""
        means = [sum(x) / len(x) for x in self._values(variant, metric) if x]
        return sum(means) / len(means) if means else None

    def difference(self, metric: str, variant: str, than: str) -> Interval | None:
        """The interval of `pairs`; None where there are fewer than two."""
        return paired(self.pairs(metric, variant, than))

    def pairs(self, metric: str, variant: str, than: str) -> list[list[float]]:
        """`variant` minus `than`, paired over heads and seeds: by head, one number a seed."""
        pairs = []
        for rows in self.rows.values():
            both = zip(rows.get(variant, []), rows.get(than, []))
            numbers = [(a.get(metric), b.get(metric)) for a, b in both]
            pairs.append([a - b for a, b in numbers if a is not None and b is not None])
        return pairs

    def _values(self, variant: str, metric: str) -> list[list[float]]:
        rows = [head.get(variant, []) for head in self.rows.values()]
        return [[x for n in seeds if (x := n.get(metric)) is not None] for seeds in rows]


def check_heads(heads: list[str]) -> None:
    """RequestError where no head is named, or one twice."""
    if not heads:
        raise RequestError("name at least one head: a video, 'synthetic' or 'synthetic:SEED'")
    if len(set(heads)) < len(heads):
        raise RequestError(f"a head is named twice: {', '.join(heads)}")
