"""Stage 07: the head in an art style: a driven clip, an orbit, a sheet, and an avatar with it."""

import numpy as np

from stkit.art.gallery import gallery
from stkit.art.styled_head import Drawing, StylableHead
from stkit.driving import motion as moves
from stkit.io.images import evenly, sheet
from stkit.io.label import SYNTHETIC
from stkit.runs.reports.animation import FPS, Performers
from stkit.runs.store import Work
from stkit.viewers.art_packing import ArtLook
from stkit.viewers.page import save_avatar

ANGLES = (0.0, -40.0, 40.0)  # degrees
DEGREES = (0.0, 0.5, 1.0)


def art(
    work: Work, performers: Performers, drawing: Drawing, count: int, run: str, progress
) -> None:
    """Clips of `count` frames, a sheet of angles and degrees, and avatar.html with the style first
    and the gallery beside it.
    """
    capture, name = performers.subject, drawing.style.name
    head = StylableHead(performers.head, capture)
    driver = performers.driver
    if driver:
        motion = moves.retarget(driver, capture)
    else:  # a head from one picture does nothing by itself
        motion = moves.scripted(capture) if capture.still else moves.own_motion(capture)
    motion = motion.subset(evenly(list(range(len(motion))), count))
    _clips(work, head, drawing, motion, progress)
    work.figure(
        "sheet",
        sheet(
            _angles_and_degrees(head, drawing),
            [f"degree {degree:g}" for degree in DEGREES],
            [f"{angle:g} degrees" for angle in ANGLES],
        ),
        f"Three angles of the head; from left to right the style {name} goes further",
        f"The style {name} at three degrees, from three sides.",
        label=SYNTHETIC,
    )
    others = tuple(style for style in gallery().values() if style.name != name)
    save_avatar(
        performers.head,
        capture,
        work.folder / "avatar.html",
        motion=motion,
        title=f"{run} in the style {name}",
        provenance="Synthetic: a head made and drawn by stkit.",
        art=ArtLook(head, (drawing.style, *others), drawing),
    )
    work.fact("art_style", name)


def _clips(
    work: Work, head: StylableHead, drawing: Drawing, motion: moves.Motion, progress
) -> None:
    """The head in motion, and from a moving camera."""
    capture, name, count = head.capture, drawing.style.name, len(motion)
    work.video(
        "driven",
        work.labelled(head.play(motion, drawing, progress=progress)),
        FPS,
        f"Video: the head in the style {name}, moving",
        f"The style {name}, degree {drawing.degree:g}, colour {drawing.color_transfer:g}.",
    )
    still, cameras = moves.hold_neutral(capture, count), moves.orbit_path(capture, count)
    work.video(
        "orbit",
        work.labelled(head.play(still, drawing, cameras, progress)),
        FPS,
        f"Video: the camera swings to 45 degrees on both sides of the head in the style {name}",
        "The lines and patterns are fastened to the head, so they stay where they are.",
    )


def _angles_and_degrees(head: StylableHead, drawing: Drawing) -> list[list[np.ndarray]]:
    capture = head.capture
    neutral = capture.frame_pose(capture.neutral)
    cameras = capture.orbit_cameras(ANGLES)
    drawings = [Drawing(drawing.style, degree, drawing.color_transfer) for degree in DEGREES]
    return [[head.draw(camera, neutral, d).numpy() for d in drawings] for camera in cameras]
