"""Tracked parameters in the formats that others use, as what drives a head.

A new format is one new module, and one line in `READERS`.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import FOCAL, front_camera
from stkit.capture.capture import Capture
from stkit.capture.landmark_terms import posed_points
from stkit.driving.audio2face import read_audio2face
from stkit.driving.bfm_sequence import read_bfm_sequence
from stkit.driving.flame_folders import flame_frames, read_flame_folder
from stkit.driving.flame_sequence import read_flame_sequence
from stkit.driving.live_link import read_live_link
from stkit.driving.mediapipe_sequence import is_mediapipe, read_mediapipe
from stkit.driving.mm3d import is_3dmm, read_3dmm
from stkit.driving.parameters import Tracked
from stkit.errors import MissingFileError, RequestError
from stkit.face_models.landmarks import KEPT_66
from stkit.face_models.makehuman import makehuman
from stkit.synthetic.performance import Performance, rest_pose
from stkit.synthetic.person import random_person
from stkit.synthetic.subject import Subject

__all__ = ["READERS", "Tracked", "capture_of", "is_tracked", "read_tracked", "tracked_capture"]

FOLDER = "folder of Multiview-3DMM-Fitting"
FLAME_FOLDER = "folder of VHAP, metrical-tracker or EMOCA"
MEDIAPIPE = ".json of MediaPipe"
READERS: dict[str, Callable[[Path], Tracked]] = {  # by the ending of the file's name
    ".csv": read_live_link,
    ".json": read_audio2face,
    ".npz": read_flame_sequence,
    ".mat": read_bfm_sequence,
    ".npy": read_bfm_sequence,
    FOLDER: read_3dmm,
    FLAME_FOLDER: read_flame_folder,
    MEDIAPIPE: read_mediapipe,
}
MODEL = 11  # the made-up person whose looks the mean head gets
MIN_FRAMES = 3  # fewer are no motion


def _kind(path: Path) -> str:
    """The key of `READERS` that a path would have."""
    if path.is_dir():
        if is_3dmm(path):
            return FOLDER
        return FLAME_FOLDER if flame_frames(path) else ""
    kind = path.suffix.lower()
    return MEDIAPIPE if kind == ".json" and path.is_file() and is_mediapipe(path) else kind


def is_tracked(source: str | Path) -> bool:
    """Whether `source` names a file or folder of tracked parameters rather than a video."""
    return _kind(Path(source)) in READERS


def read_tracked(path: str | Path) -> Tracked:
    """Read any of the formats. Raises ValueError naming the file and what is wrong."""
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"{path}: no such file or folder")
    if not is_tracked(path):
        raise RequestError(f"{path}: is of no known kind; known are: {', '.join(READERS)}")
    return READERS[_kind(path)](path)


def tracked_capture(path: str | Path, size: int, max_frames: int) -> Capture:
    """A file of tracked parameters as a driving `Capture`, see `capture_of`. Raises what
    `read_tracked` raises.
    """
    return capture_of(read_tracked(path), size, max_frames)


def capture_of(tracked: Tracked, size: int, max_frames: int) -> Capture:
    """Tracked parameters as a driving `Capture` of at most `max_frames` frames.

    Its pictures (size, size) show the built-in head doing what the parameters say. Raises
    ValueError for fewer than 3 frames.
    """
    count = len(tracked.beta)
    if count < MIN_FRAMES:
        where = tracked.source
        raise RequestError(f"{where}: holds {count} frames, at least {MIN_FRAMES} are needed")
    picked = np.unique(np.linspace(0, count - 1, min(max_frames, count)).round().astype(int))
    frames = picked.tolist()
    beta = tracked.beta[frames]
    rotation = tracked.rotation[frames]
    pose = torch.cat([rotation, rest_pose()[3:].expand(len(frames), -1)], 1)
    performance = Performance(beta, pose, torch.zeros(len(frames), 6), tracked.times[frames])
    subject = Subject(random_person(MODEL), performance, shape=makehuman().mean)
    camera = front_camera(size)
    shots = [subject.render(t, camera) for t in range(len(frames))]
    head = face_models.builtin()
    identity, scale = torch.zeros(len(head.identity)), torch.tensor(1.0)
    world = posed_points(head, head.landmarks, identity, scale, beta, pose)
    dense = posed_points(head, head.dense, identity, scale, beta, pose)
    landmarks = torch.cat([camera.project(world), torch.ones(len(frames), 68, 1)], -1)
    return Capture(
        frames=_bytes([image for image, _ in shots]),
        mattes=_bytes([matte for _, matte in shots])[..., 0],
        landmarks=landmarks,
        dense=camera.project(dense),
        identity=identity,
        scale=scale,
        beta=beta,
        pose=pose,
        torso=performance.torso,
        rest=rest_pose(),
        landmarks3d=world[:, KEPT_66],
        times=performance.times,
        neutral=int(beta.norm(dim=1).argmin()),
        focal=FOCAL,
        source=tracked.source,
    )


def _bytes(pictures: list[Tensor]) -> np.ndarray:
    """Pictures in [0, 1] as uint8."""
    return np.stack([(picture * 255).round().byte().numpy() for picture in pictures])
