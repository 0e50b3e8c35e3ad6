"""A made-up person filmed by sixteen cameras at once, in NeRSemble's layout (Table 2).

NeRSemble (Kirschstein et al. 2023) has 16 cameras within 93 degrees from left to right and 32 from
top to bottom. A made-up person has true pictures from all of them.
"""

import json
from pathlib import Path

import numpy as np
import torch

from stkit.cameras import Camera, front_camera, orbit_camera
from stkit.capture.rig_nersemble import K_HEIGHT
from stkit.io.tensors import write_text
from stkit.io.video import write_video
from stkit.synthetic.subject import named_subject

AZIMUTHS = (-46.0, -30.0, -15.0, 0.0, 15.0, 30.0, 46.0)  # degrees
ELEVATIONS = (-14.0, 14.0)  # degrees; the camera that is tracked stands between the rows
FPS, SIZE = 25.0, 256
TRACKED = "cam_00.mp4"


def rig_cameras() -> list[Camera]:
    """The tracked camera in front, one more above it, and two rows of seven."""
    front = front_camera(SIZE)
    rows = [orbit_camera(front, a, e) for e in ELEVATIONS for a in AZIMUTHS]
    return [front, orbit_camera(front, 0.0, 5.0), *rows]


def film_rig(text: str, frames: int, folder: Path, progress=lambda x, **k: x) -> Path:
    """Film 'synthetic:SEED' for so many frames and return the sequence's folder, where
    images/cam_00.mp4 is the film that is to be tracked. What is there already is not made again.
    """
    sequence = folder / "sequences" / "talking"
    calibration = folder / "calibration" / "camera_params.json"
    if calibration.exists():
        return sequence
    subject, cameras = named_subject(text, frames), rig_cameras()
    (sequence / "images").mkdir(parents=True, exist_ok=True)
    for v, camera in enumerate(progress(cameras, desc="filming the rig")):
        pictures = [subject.render(t, camera)[0] for t in range(frames)]
        shown = (torch.stack(pictures).clamp(0, 1) * 255).round().byte().numpy()
        write_video(sequence / "images" / f"cam_{v:02}.mp4", np.ascontiguousarray(shown), FPS)
    K = cameras[0].K.clone()
    K[:2] *= K_HEIGHT / SIZE
    known = {f"{v:02}": camera.viewmat.tolist() for v, camera in enumerate(cameras)}
    calibration.parent.mkdir(parents=True, exist_ok=True)
    write_text(calibration, json.dumps({"world_2_cam": known, "intrinsics": K.tolist()}) + "\n")
    return sequence
