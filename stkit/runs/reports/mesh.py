"""Stage 02's report: the mesh head beside the video, from other sides, and its losses."""

from stkit.capture import Capture
from stkit.heads.mesh import MeshHead
from stkit.io.images import curves, evenly, sheet
from stkit.io.label import MIXED, SYNTHETIC
from stkit.runs.scores import mesh_scores
from stkit.runs.store import Work

SIDES = (-60.0, -30.0, 30.0, 60.0, 90.0, 180.0)  # degrees


def mesh(work: Work, head: MeshHead, capture: Capture, history: dict[str, list[float]]) -> None:
    """Scores on held-out frames; frames beside the mesh head, turned views, losses."""
    train, test = capture.split()
    for name, value in mesh_scores(head, capture, train, test).items():
        if not (capture.still and "heldout" in name):
            work.record(name, value)
    frames = evenly(train, 3) + evenly(test, 2)
    names = [
        f"frame {t}" + (" (held out)" if t in test and not capture.still else "") for t in frames
    ]
    shown = [head.render_frame(capture, t).image for t in frames]
    work.figure(
        "mesh_frames",
        sheet([[capture.image(t) for t in frames], shown], names, ["truth", "mesh"]),
        "Video frames above, the deformed mesh with its colours below, in the same poses",
        "The mesh head follows outline and pose; its colour is coarse on purpose, detail comes "
        "with the Gaussians.",
        label=MIXED,
    )
    cameras = capture.orbit_cameras(SIDES)
    turned = [head.render_frame(capture, capture.neutral, c).image for c in cameras]
    work.figure(
        "mesh_orbit",
        sheet([turned], [f"{a:+.0f} deg" for a in SIDES]),
        "The mesh head at the neutral frame, from six sides",
        "The same mesh from other sides. The back was never filmed: its shape is the fitted face "
        "model's.",
        label=SYNTHETIC,
    )
    terms = {name: values for name, values in history.items() if name != "vertices"}
    work.figure(
        "mesh_losses",
        curves(terms, "stage 02, weighted loss terms"),
        "Loss curves of the mesh stage, falling over the steps",
        "Each term of Eq. 4 and 5 with its weight. The step in the curves is the change to the "
        "finer grid.",
    )
