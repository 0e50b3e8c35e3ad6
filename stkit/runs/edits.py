"""One edit of a finished head, with its numbers, for experiments over many edits.

Other than `Road.edit` it leaves the run as it is: no link changes, so that many processes may edit
the same head at the same time. Head and clip are read once a process.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from stkit.capture import Capture
from stkit.diffusion.editors import get_editor
from stkit.editing.loop import EditSettings, check_request
from stkit.editing.methods import get_method
from stkit.heads.gaussian import GaussianHead
from stkit.io.images import evenly, u8
from stkit.metrics.identity import has_embedding
from stkit.runs import stages
from stkit.runs.identity_scores import head_embeddings, median_distance
from stkit.runs.road import Road
from stkit.runs.scores import edit_change
from stkit.runs.shipped import MARA, ShippedRun
from stkit.runs.store import Artifact, Recipe, Work, results

IDENTITY_FRAMES = 4  # of the held-out frames, evenly
THUMBNAIL = "edited"  # the picture of the neutral frame


def open_base(run: str) -> Road | ShippedRun:
    """The run whose head is edited: the one that ships, or one of the reader's own, as it
    remembers itself.
    """
    return ShippedRun(MARA) if run == MARA else Road(run, quiet=True)


@dataclass(frozen=True)
class Base:
    """A run's head, clip and views in memory."""

    road: Road | ShippedRun
    head: GaussianHead
    capture: Capture

    def edited(self, folder: Path) -> GaussianHead:
        """The edited head of an artifact."""
        return GaussianHead.load(folder / stages.EDITED_HEAD)


@lru_cache(maxsize=2)
def base_of(run: str) -> Base:
    """Read a run's head and clip; what is missing is made."""
    road = open_base(run)
    return Base(road, road.gaussian_head(), road.capture())


def edit_artifact(run: str, settings: EditSettings, editor: str) -> Artifact:
    """Where an edit of a run's head is, or will be."""
    return open_base(run).edit_artifact(settings, editor)


def scores_artifact(edit: Artifact) -> Artifact:
    """Where the numbers of an edit are, or will be."""
    modules = ("stkit.runs.scores", "stkit.runs.identity_scores")
    return Artifact(Recipe("edit-scores", {}, {"of": edit.key}, modules))


def measured_edit(run: str, settings: EditSettings, editor: str) -> tuple[Artifact, Artifact]:
    """An edit of a run's head and its scores, each found in the store or made.

    Scores: mean change of colour where w >= 0.5 (`edit.inside`) and where w < 0.15
    (`edit.outside`); `edit.identity`, the distance of dlib's embeddings before and after, where
    dlib is installed.
    """
    edit = edit_artifact(run, settings, editor)
    scores = scores_artifact(edit)
    if not edit.finished():
        edit.make(lambda work: _edit(work, run, settings, editor, edit.device), _silent)
    if not scores.finished():
        scores.make(lambda work: _score(work, run, edit), _silent)
    return edit, scores


def numbers_of(*artifacts: Artifact) -> dict[str, float]:
    """All numbers of artifacts by name."""
    return {name: x for a in artifacts for name, x in results(a.folder)["numbers"].items()}


def _silent(text: str) -> None:
    """Say nothing: many processes would speak at once."""


def _no_bar(items, **_):
    return items


def _edit(work: Work, run: str, settings: EditSettings, editor: str, device: str) -> None:
    base = base_of(run)
    tool, rig = get_editor(editor, device), base.road.rig()
    check_request(get_method(settings.method), tool, settings)
    views = None if rig else base.road.views()
    stages.make_edit(work, base.head, base.capture, views, rig, tool, settings, device, _no_bar)


@torch.no_grad()
def _score(work: Work, run: str, edit: Artifact) -> None:
    base = base_of(run)
    capture, edited = base.capture, base.edited(edit.folder)
    _, test = capture.split()
    for name, value in edit_change(base.head, edited, capture, test).items():
        work.record(name, value)
    if has_embedding():
        frames = evenly(test, IDENTITY_FRAMES)
        before, after = (head_embeddings(h, capture, frames) for h in (base.head, edited))
        work.record("edit.identity", median_distance(before, after))
    picture = edited.render_frame(capture, capture.neutral)
    work.figure(THUMBNAIL, u8(picture), "The edited head in the neutral frame", "Neutral frame.")
