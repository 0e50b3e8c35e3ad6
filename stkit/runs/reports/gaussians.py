"""Stage 03's report: the Gaussian head beside held-out frames, from other sides, its views and
losses.
"""

from stkit.capture import Capture
from stkit.heads.gaussian import GaussianHead
from stkit.io.images import curves, evenly, sheet
from stkit.io.label import MIXED, SYNTHETIC
from stkit.runs.scores import absent_because, held_out_scores, novel_view_score
from stkit.runs.store import Work
from stkit.views import Views

SIDES = (-60.0, -30.0, 0.0, 30.0, 60.0)  # degrees
MESH_PRIOR = (
    "mesh-prior views (stand-in for V3D). The neutral frame's colours on the fitted mesh; hidden "
    "parts by mirror and smooth fill"
)

ONE_PICTURE = "one picture is all there is: no frame is held out"
ONE_PICTURE_STAND_IN = (
    "one picture instead of a video: sides are mirrored, and expressions are the face model's own"
)
ONE_PICTURE_SHOWN = "The one picture there is: the training saw it."


def gaussians(
    work: Work,
    head: GaussianHead,
    raw: Capture,
    capture: Capture,
    views: Views | None,
    history: dict[str, list[float]],
) -> None:
    """Scores on held-out frames and true side views; views, held-out frames, turned views,
    losses.
    """
    train, test = capture.split()
    scores = held_out_scores(head, capture, raw, train, test)
    scores["head.psnr_novel"] = novel_view_score(head, capture, test)
    for name, value in scores.items():
        unseen = not (capture.still and "heldout" in name)
        work.record(
            name, value if unseen else None, absent_because(name) if unseen else ONE_PICTURE
        )
    if capture.still:
        work.fact("one_picture", ONE_PICTURE_STAND_IN)
    if views is not None:
        _views_figure(work, views)
    _held_out_figure(work, head, capture, test)
    turned = [head.render_frame(capture, capture.neutral, c) for c in capture.orbit_cameras(SIDES)]
    work.figure(
        "orbit",
        sheet([turned], [f"{a:+.0f} deg" for a in SIDES]),
        "The Gaussian head at the neutral frame, from five sides",
        "Novel views. Beyond what the video showed they are as good as the training views.",
        label=SYNTHETIC,
    )
    work.figure(
        "losses",
        curves(history, "stage 03"),
        "Loss curves of the Gaussian stage",
        "Image and mask loss over the steps.",
    )


def _views_figure(work: Work, views: Views) -> None:
    farthest = max(abs(a) for a in views.azimuths)
    source = MESH_PRIOR if views.source == "mesh-prior" else views.source
    work.figure(
        "views",
        sheet([list(views.images)], [f"{a:+.0f} deg" for a in views.azimuths]),
        f"{len(views.images)} views of the head, turned by up to {farthest:.0f} degrees",
        f"Training views: {source}.",
        label=SYNTHETIC,
    )


def _held_out_figure(work: Work, head: GaussianHead, capture: Capture, test: list[int]) -> None:
    frames = evenly(test, 5)
    truth = [capture.image(t) for t in frames]
    ours = [head.render_frame(capture, t) for t in frames]
    error = [1 - 3 * (a - b).abs() for a, b in zip(truth, ours)]
    work.figure(
        "held_out",
        sheet([truth, ours, error], [f"frame {t}" for t in frames], ["truth", "ours", "error x3"]),
        "Frames of the clip, the Gaussian head in the same poses, and where they differ",
        ONE_PICTURE_SHOWN if capture.still else "Frames the training never saw.",
        label=MIXED,
    )
