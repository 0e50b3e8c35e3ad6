"""One edit of a finished head, with its numbers, for experiments over many edits.

Other than `Road.edit` it leaves the run as it is: no link changes, so that many processes may edit
the same head at the same time. Head and clip are read once a process.
"""

from functools import cached_property, lru_cache

import numpy as np
import torch

from stkit.diffusion.editors import get_editor
from stkit.editing.loop import check_request
from stkit.editing.methods import get_method
from stkit.editing.settings import EditSettings
from stkit.heads.gaussian import GaussianHead
from stkit.io.images import evenly, u8
from stkit.io.label import SYNTHETIC
from stkit.metrics.identity import has_embedding
from stkit.runs import stages
from stkit.runs.identity_scores import head_embeddings, median_distance
from stkit.runs.road import Road
from stkit.runs.scores import edit_change
from stkit.runs.shipped import MARA, ShippedRun
from stkit.runs.store import Artifact, Recipe, Work, results
from stkit.views import Views

IDENTITY_FRAMES = 4  # of the held-out frames, evenly
THUMBNAIL = "edited"  # the picture of the neutral frame


def open_base(run: str) -> Road | ShippedRun:
    """The run whose head is edited: the one that ships, or one of the reader's own, as it
    remembers itself.
    """
    return ShippedRun(MARA) if run == MARA else Road(run, quiet=True)


def shown_head(run: Road | ShippedRun, edited: bool) -> GaussianHead:
    """A run's head; `edited`: after its last edit, where it has one."""
    changed = run.current_edit() if edited and run.last_edit else None
    return changed or run.gaussian_head()


class Base:
    """A run's head, and what all of its edits share, read or computed once."""

    def __init__(self, run: str):
        self.road = open_base(run)
        self.head, self.capture = self.road.gaussian_head(), self.road.capture()

    @cached_property
    def views(self) -> Views | None:
        """Views of the sides; None where a rig has other cameras."""
        return None if self.road.rig() else self.road.views()

    @cached_property
    def identity_frames(self) -> list[int]:
        """Held-out frames on which identity is measured."""
        return evenly(self.capture.split()[1], IDENTITY_FRAMES)

    @cached_property
    def embeddings(self) -> list[np.ndarray]:
        """Of the head before any edit, on those frames."""
        return head_embeddings(self.head, self.capture, self.identity_frames)


def base_of(run: str) -> Base:
    """A run whose head is edited; what is missing of it is made.

    A process that lives long meets a run's next head under the same name, so it is the head's key
    that says whether it was read before.
    """
    return _read(run, open_base(run).head_key)


@lru_cache(maxsize=2)
def _read(run: str, head_key: str) -> Base:
    return Base(run)


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
    head, capture, views = base.head, base.capture, base.views
    stages.make_edit(work, head, capture, views, rig, tool, settings, device, _no_bar)


@torch.no_grad()
def _score(work: Work, run: str, edit: Artifact) -> None:
    base = base_of(run)
    capture, edited = base.capture, GaussianHead.load(edit.folder / stages.EDITED_HEAD)
    _, test = capture.split()
    for name, value in edit_change(base.head, edited, capture, test).items():
        work.record(name, value)
    if has_embedding():
        after = head_embeddings(edited, capture, base.identity_frames)
        work.record("edit.identity", median_distance(base.embeddings, after))
    picture = edited.render_frame(capture, capture.neutral)
    alt, caption = "The edited head in the neutral frame", "Neutral frame."
    work.figure(THUMBNAIL, u8(picture), alt, caption, label=SYNTHETIC)
