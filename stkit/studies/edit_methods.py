"""Editing methods side by side on one head: the same prompt, editor, frames and steps; pictures and
numbers.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from stkit.diffusion.editors import get_editor
from stkit.editing.loop import check_request
from stkit.editing.methods import METHODS, get_method
from stkit.errors import MissingFileError, RequestError
from stkit.heads.gaussian import GaussianHead
from stkit.io.images import sheet, u8
from stkit.io.tensors import write_json, write_text
from stkit.runs.folders import is_run, run_folder
from stkit.runs.road import Road
from stkit.runs.scores import every
from stkit.runs.store import Artifact, Recipe, Work, results
from stkit.studies.edit_scores import COLUMNS, Performance, edit_scores, perform

SHOWN = 3  # held-out frames in the picture

Numbers = dict[str, list[dict[str, float | None]]]


@dataclass(frozen=True)
class Comparison:
    """Several methods on a run's head.

    numbers: by method, one row a seed, see `edit_scores.COLUMNS`; pictures: the head's and each
    method's first seed, on the held-out frames `frames`.
    """

    folder: Path
    source: str
    title: str
    frames: list[int]
    numbers: Numbers
    pictures: list[list[Tensor]]

    def table(self) -> str:
        """Markdown: mean and, with several seeds, the standard deviation of every number."""
        return methods_table(self.numbers)

    def write(self) -> Path:
        """compare.md, compare.json and compare.png in the run's compare/; returns the first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        columns = [list(column) for column in zip(*self.pictures)]
        picture = sheet(columns, ["head", *self.numbers], [f"frame {t}" for t in self.frames])
        Image.fromarray(u8(picture)).save(self.folder / "compare.png")
        write_json(self.folder / "compare.json", self.numbers)
        alt = "The head and each method's edit of it"
        head = f"# Editing methods on {self.source}\n\n{self.title}\n\n"
        path = self.folder / "compare.md"
        write_text(path, head + self.table() + f"\n\n![{alt}](compare.png)\n")
        return path


def compare_run(
    name: str, prompt: str, editor: str, methods: list[str], seeds: int, change: dict
) -> Comparison:
    """Compare methods on a finished run, by its name. FileNotFoundError where there is no such
    run.
    """
    if not is_run(name):
        raise MissingFileError(
            f"{run_folder(name)}: no run here; `stkit run VIDEO --name {name}` makes one"
        )
    return compare(Road(name, quiet=True), prompt, editor, methods, seeds, **change)


def compare(
    road: Road, prompt: str, editor: str, methods: list[str], seeds: int = 1, **change
) -> Comparison:
    """Edit a run's head by each method with seeds 0 to seeds - 1; what is in the store already is
    read.

    `change`: to the settings of every edit. Raises ValueError for unknown methods and for no seeds,
    before any edit.
    """
    if seeds < 1:
        raise RequestError(f"seeds {seeds}: at least one is needed")
    tool = get_editor(editor)
    for name in methods:
        settings = road.plan.edit_settings(prompt, method=name, **change)
        check_request(get_method(name), tool, settings)
    original, capture = road.gaussian_head(), road.capture()
    frames = every(capture.split()[1], SHOWN)[:SHOWN]
    pictures = [[original.render_frame(capture, t) for t in frames]]
    numbers: Numbers = {}
    for name in methods:
        for seed in range(seeds):
            words = {"method": name, "seed": seed, **change}
            head, scores = scored_edit(road, prompt, editor, **words)
            numbers.setdefault(name, []).append(scores)
            if seed == 0:
                pictures.append([head.render_frame(capture, t) for t in frames])
    title = f"'{prompt}' by {tool.name}, {settings.steps} steps, held-out frames."
    return Comparison(road.folder / "compare", capture.source, title, frames, numbers, pictures)


def scored_edit(
    road: Road, prompt: str, editor: str, **change
) -> tuple[GaussianHead, dict[str, float | None]]:
    """A run's head after an edit, and the edit's numbers; both from the store where they are
    there.
    """
    original, capture = road.gaussian_head(), road.capture()
    edited = road.edited_head(prompt, editor, **change)
    edit = road.plan.edited(road.plan.edit_settings(prompt, **change), editor)
    artifact = Artifact(
        Recipe("edit-scores", {}, {"edit": edit.key}, ("stkit.studies.edit_scores",))
    )

    def make(work: Work) -> None:
        before = _unedited_performance(road, road.plan.coloured().key)
        for name, value in edit_scores(original, edited, capture, before, prompt).items():
            work.record(name, value, "not measured")

    folder = road.made(artifact, f"edit-scores/{edit.key}", make)
    found = results(folder)["numbers"]
    return edited, {name: found.get(name) for name in COLUMNS}


@lru_cache(maxsize=1)
def _unedited_performance(road: Road, key: str) -> Performance:
    """What a run's head does before any edit, kept for the next edit of the same head; `key` is the
    head's in the store.
    """
    capture = road.capture()
    return perform(road.gaussian_head(), capture, capture.split()[1])


def methods_table(numbers: Numbers) -> str:
    """Markdown: mean and, with several seeds, the standard deviation of every number that was
    measured.
    """
    known = [
        key
        for key in COLUMNS
        if any(row[key] is not None for rows in numbers.values() for row in rows)
    ]
    head = ["method", *[COLUMNS[key] for key in known]]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, rows in numbers.items():
        cells = [_cell([row[key] for row in rows]) for key in known]
        lines.append(f"| {name}: {METHODS[name].idea} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: list[float | None]) -> str:
    found = [x for x in values if x is not None]
    if not found:
        return "n/a"
    spread = f" ± {np.std(found):.3f}" if len(values) > 1 else ""
    return f"{np.mean(found):.3f}{spread}"
