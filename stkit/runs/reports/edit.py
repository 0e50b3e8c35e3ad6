"""Stage 05's report: before and after, what the strength b does, losses."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from stkit.capture import Capture
from stkit.diffusion.protocols import Editor
from stkit.editing.settings import EditSettings
from stkit.editing.shots import make_shots, shot_landmarks
from stkit.editing.strength import sample_strength
from stkit.geometry import generator
from stkit.heads.gaussian import GaussianHead
from stkit.io.images import evenly, figure, sheet
from stkit.io.label import MIXED, SYNTHETIC
from stkit.runs.scores import edit_change
from stkit.runs.store import Work

SIDES = (-60.0, -30.0, 0.0, 30.0, 60.0)  # degrees
STRENGTHS = (0.1, 0.3, 0.5, 0.7, 0.9)
SMOOTH = 9  # steps of the running mean of the loss


@dataclass(frozen=True)
class EditRequest:
    """What was asked for and what was done: settings, the editor, and every edit (step, shot,
    b).
    """

    settings: EditSettings
    editor: Editor
    log: list[dict]

    @property
    def label(self) -> str:
        """For captions."""
        settings, shape = self.settings, f"'{self.settings.shape}' by shapes of the face model"
        if settings.only_shape:
            return shape
        prompt = f"'{settings.prompt}' by {self.editor.name}"
        return f"{shape}, {prompt}" if settings.shape else prompt


def edit(
    work: Work,
    original: GaussianHead,
    edited: GaussianHead,
    capture: Capture,
    request: EditRequest,
    history: dict[str, list[float]],
) -> None:
    """How much changed inside and outside the face; before and after, strengths, losses."""
    _, test = capture.split()
    for name, value in edit_change(original, edited, capture, test).items():
        work.record(name, value)
    _before_and_after(work, original, edited, capture, request, evenly(test, 5))
    if request.settings.only_shape:
        return
    if not request.editor.wants_depth:
        _strengths(work, original, capture, request)
    work.figure(
        "edit_curves",
        figure(lambda fig: _draw_curves(fig, request, history)),
        "The edit's loss over the steps, and a histogram of the strengths with the boundary",
        "Right of the dashed line targets weigh w, left of it 1 - w.",
    )


def _before_and_after(
    work: Work,
    original: GaussianHead,
    edited: GaussianHead,
    capture: Capture,
    request: EditRequest,
    frames: list[int],
) -> None:
    heads = (original, edited)
    frames_are = "The picture's" if capture.still else "Held-out"
    rows = [[capture.image(t) for t in frames]]
    rows += [[head.render_frame(capture, t) for t in frames] for head in heads]
    work.figure(
        "before_after",
        sheet(rows, [f"frame {t}" for t in frames], ["video", "head", "edited"]),
        f"{frames_are} frames, the head before, and the head after the edit "
        f"{request.settings.words!r}",
        f"{frames_are} frames before and after {request.label}.",
        label=MIXED,
    )
    cameras = capture.orbit_cameras(SIDES)
    rows = [[head.render_frame(capture, capture.neutral, c) for c in cameras] for head in heads]
    work.figure(
        "edited_orbit",
        sheet(rows, [f"{a:+.0f} deg" for a in SIDES], ["head", "edited"]),
        "The head before and after the edit, from five sides",
        f"The edit is in 3D. {request.label}.",
        label=SYNTHETIC,
    )


def _strengths(work: Work, original: GaussianHead, capture: Capture, request: EditRequest) -> None:
    image, settings = capture.image(capture.neutral), request.settings
    shot = make_shots(capture, None, [capture.neutral], 1)[0]
    pictures = [
        request.editor.edit(
            image,
            settings.prompt,
            b,
            image,
            generator(settings.seed, "grid"),
            landmarks=shot_landmarks(original, shot),
        )
        for b in STRENGTHS
    ]
    work.figure(
        "strengths",
        sheet([[image, *pictures]], ["original", *[f"b = {b}" for b in STRENGTHS]]),
        "One frame edited at five strengths, from hardly visible to strong",
        f"What strength b does (paper Fig. 2, bottom): {request.label}.",
        label=MIXED,
    )


def _draw_curves(fig: Figure, request: EditRequest, history: dict[str, list[float]]) -> None:
    loss, strengths = fig.subplots(1, 2)
    loss.plot(np.convolve(history["loss"], np.ones(SMOOTH) / SMOOTH, "valid"), lw=1)
    loss.set(xlabel="step", ylabel="weighted L1", title="edit loss")
    settings = request.settings
    many = sample_strength(4000, generator(0, "b"), settings.sampler).numpy()
    strengths.hist(many, bins=40, density=True, alpha=0.4, label=settings.sampler)
    drawn = [entry["b"] for entry in request.log]
    strengths.hist(drawn, bins=20, density=True, histtype="step", label="this run")
    strengths.axvline(settings.b_boundary, color="k", ls="--", label="boundary")
    strengths.set(xlabel="b", title="strengths")
    strengths.legend(fontsize=8, frameon=False)
