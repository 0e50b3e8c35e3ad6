"""Clips for a study: each method's edit of a head, turning while it plays the head's own clip."""

from pathlib import Path

import numpy as np

from stkit.driving.motion import orbit_path, own_motion, play
from stkit.io.tensors import write_text
from stkit.io.video import write_video
from stkit.runs.folders import slug
from stkit.runs.road import Road
from stkit.studies.user_study.questions import TEXT

FRAMES, FPS = 75, 25.0


def film_question(
    road: Road, prompt: str, editor: str, methods: dict[str, str], folder: Path
) -> Path:
    """Write FOLDER/RUN-PROMPT/METHOD.mp4 for each title and method, and the question's text.

    Edits are found in the store or made. Returns the question's folder.
    """
    place = folder / f"{road.run}-{slug(prompt)}"
    place.mkdir(parents=True, exist_ok=True)
    capture = road.capture()
    count = min(FRAMES, len(capture))
    frames = np.linspace(0, len(capture) - 1, count).round().astype(int).tolist()
    motion, cameras = own_motion(capture).subset(frames), orbit_path(capture, count)
    for title, method in methods.items():
        head = road.edited_head(prompt, editor, method=method)
        write_video(place / f"{title}.mp4", play(head, capture, motion, cameras), FPS)
    write_text(place / TEXT, f"The instruction was: {prompt}\n")
    return place
