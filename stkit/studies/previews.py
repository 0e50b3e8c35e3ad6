"""How good is a preview of an edit: `python -m stkit.studies.previews --runs q-mara q-sami`.

Each sentence is previewed on each head (`editing.preview`) and edited in full; agreement is
1 - mean |preview - finished| / mean |finished - original| where w >= 0.5, over held-out frames and
two sides. Beside it stand previews from one view instead of three, and the seconds of all. For
some sentences the full optimisation then goes on from the preview (`Keep` in the studio), and its
distance to a cold run is compared with that between cold runs of other seeds.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.diffusion.editors import get_editor
from stkit.diffusion.protocols import Editor
from stkit.editing.loop import edit_head
from stkit.editing.preview import Base, preview
from stkit.editing.settings import EditSettings
from stkit.editing.weights import landmark_set, point_weights, weight_image
from stkit.heads.gaussian import GaussianHead
from stkit.io.images import evenly
from stkit.io.tensors import write_json
from stkit.progress import bar
from stkit.runs.machine import circumstances, machine
from stkit.runs.road import Road
from stkit.runs.scores import INSIDE, OUTSIDE

SENTENCES = (
    "turn her into a clown",
    "turn him into a joker",
    "turn him into a bronze statue",
    "turn her into a golden statue",
    "turn him into a marble statue",
    "turn it into a silver statue",
    "give her red hair",
    "give her blond hair",
    "give him blue hair",
    "give him green hair",
    "give her pink hair",
    "give him black hair",
    "give her purple hair",
    "give him grey hair",
    "give him a moustache",
    "give her freckles",
    "turn her into a mime",
    "turn her into a cat",
    "turn him into a masked hero",
    "turn her into a warrior",
    "give her red lipstick",
    "turn him into a zombie",
    "give him a sunburn",
    "make her look old",
    "turn her into a vampire",
    "give him green skin",
    "give her blue skin",
    "make him pale",
    "give him a beard",
    "turn him into a skull",
)
SIDES = (-30.0, 30.0)  # degrees
FRAMES = 5  # held-out frames
SEEDS = (0, 1, 2)  # of cold runs


class Subject:
    """A head, its pictures before any edit, and where they count."""

    def __init__(self, run: str, editor: str):
        self.run, self.editor_name = run, editor
        self.road = Road(run, quiet=True)
        self.head, self.capture = self.road.gaussian_head(), self.road.capture()
        self.editor: Editor = get_editor(editor)
        self.base = Base.of(self.head, self.capture)
        w = point_weights(self.head, landmark_set(self.capture))
        self.maps = self._views(lambda camera, frame: weight_image(self.head, w, camera, frame))
        self.before = self.pictures(self.head)

    @torch.no_grad()
    def _views(self, draw: Callable[..., Tensor]) -> list[Tensor]:
        capture = self.capture
        frames = [capture.neutral, *evenly(capture.split()[1], FRAMES)]
        front = [draw(capture.camera, capture.frame_pose(t)) for t in frames]
        neutral = capture.frame_pose(capture.neutral)
        return front + [draw(camera, neutral) for camera in capture.orbit_cameras(SIDES)]

    def pictures(self, head: GaussianHead) -> list[Tensor]:
        """A head in held-out frames and from the sides."""
        return self._views(lambda camera, frame: head.render(camera, frame)[0].clamp(0, 1))

    def distance(self, a: list[Tensor], b: list[Tensor], inside: bool = True) -> float:
        """Mean absolute difference on the face, or far from it."""
        total = count = 0.0
        for x, y, w in zip(a, b, self.maps):
            mask = (w >= INSIDE) if inside else (w < OUTSIDE)
            total += float(((x - y).abs().mean(-1, keepdim=True) * mask).sum())
            count += float(mask.sum())
        return total / count

    def settings(self, sentence: str, seed: int = 0) -> EditSettings:
        """Of the full edit."""
        return self.road.plan.edit_settings(sentence, seed=seed)

    def cold(self, sentence: str, seed: int) -> list[Tensor]:
        """Pictures of the full edit."""
        edited = self.road.edited_head(sentence, self.editor_name, seed=seed)
        return self.pictures(edited)

    def kept(self, sentence: str, start: GaussianHead) -> list[Tensor]:
        """Pictures after the full edit went on from a preview."""
        train, _ = self.capture.split()
        views = self.road.views()
        settings = self.settings(sentence)
        done = edit_head(start, self.capture, views, self.editor, settings, train)
        return self.pictures(done.head)


def measure(subject: Subject, sentence: str, keep: bool) -> dict[str, object]:
    """Numbers of one sentence on one head."""
    finished = subject.cold(sentence, 0)
    change = subject.distance(finished, subject.before)
    row: dict[str, object] = {"run": subject.run, "sentence": sentence, "change": change}
    ways = {"three views": subject.base, "one view": _first_view(subject.base)}
    for name, base in ways.items():
        begun = time.monotonic()
        head = preview(base, subject.editor, subject.settings(sentence))
        seconds = time.monotonic() - begun
        shown = subject.pictures(head)
        row[name] = {
            "seconds": seconds,
            "agreement": 1 - subject.distance(shown, finished) / change,
            "outside": subject.distance(shown, subject.before, inside=False),
        }
        if keep and name == "three views":
            kept = subject.kept(sentence, head)
            colds = [finished, *(subject.cold(sentence, seed) for seed in SEEDS[1:])]
            between = [subject.distance(a, b) for i, a in enumerate(colds) for b in colds[i + 1 :]]
            row["kept"] = {"to cold": subject.distance(kept, finished), "between seeds": between}
    return row


def _first_view(base: Base) -> Base:
    return replace(base, shots=base.shots[:1])


def summary(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Medians by way, and the largest distance after `keep` against that between seeds."""
    out: dict[str, dict[str, float]] = {}
    for way in ("three views", "one view"):
        names = ("seconds", "agreement", "outside")
        out[way] = {n: float(np.median([row[way][n] for row in rows])) for n in names}
        out[way]["outside_worst"] = max(row[way]["outside"] for row in rows)
    kept = [row["kept"] for row in rows if "kept" in row]
    if kept:
        ratios = [k["to cold"] / max(k["between seeds"]) for k in kept]
        out["kept"] = {"distance / largest between seeds, worst": max(ratios), "pairs": len(kept)}
    return out


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", nargs="+", required=True)
    parser.add_argument("--editor", default="paint")
    parser.add_argument("--keep", type=int, default=2, help="sentences that are kept, per head")
    parser.add_argument("--write", type=Path)
    a = parser.parse_args(arguments)
    rows = []
    for run in a.runs:
        subject = Subject(run, a.editor)
        for k, sentence in enumerate(bar(SENTENCES, desc=run)):
            rows.append(measure(subject, sentence, k < a.keep))
    result = {"editor": a.editor, "summary": summary(rows), "rows": rows, "machine": machine()}
    print(json.dumps(result["summary"], indent=1))
    if a.write:
        write_json(a.write, result | circumstances())


if __name__ == "__main__":
    main()
