"""MediaPipe on every frame: 478 face points and a matte, and the square crop that frames the head.

The models are inside the mediapipe wheel; nothing is downloaded.
"""

import contextlib
import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.face_models.landmarks import MEDIAPIPE_68, openings
from stkit.io.video import VideoError

FACE_SHARE = 2.3  # the crop's side in face heights


@dataclass(frozen=True)
class Detection:
    """frames (F, S, S, 3), mattes (F, S, S) uint8, points (F, 478, 2) pixels, kept: indices of the frames with a face."""

    frames: np.ndarray
    mattes: np.ndarray
    points: np.ndarray
    kept: list[int]


@contextlib.contextmanager
def quiet():
    """MediaPipe's C++ prints to stderr whatever one asks; hold it back."""
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved), os.close(null)


def still_landmarks(images: list[np.ndarray]) -> list[np.ndarray | None]:
    """The 68 landmarks (68, 2) in pixels of single pictures (H, W, 3) uint8; None where MediaPipe sees no face."""
    import mediapipe as mp

    with quiet(), mp.solutions.face_mesh.FaceMesh(static_image_mode=True) as mesh:
        found = [mesh.process(image).multi_face_landmarks for image in images]
    scale = [np.array([image.shape[1], image.shape[0]]) for image in images]
    points = lambda face: np.array(
        [(face[0].landmark[k].x, face[0].landmark[k].y) for k in MEDIAPIPE_68]
    )
    return [points(face) * size if face else None for face, size in zip(found, scale)]


def detect(frames: np.ndarray, size: int, name: str, progress=lambda x, **k: x) -> Detection:
    """Points and mattes for frames (F, H, W, 3) uint8, cropped square around the face and resized to `size` pixels.

    Frames without a face are dropped and listed. Two faces give a warning that names the frame; the largest is kept.
    Raises VideoError when fewer than half the frames, or fewer than 8, show a face.
    """
    import cv2
    import mediapipe as mp

    height, width = frames.shape[1:3]
    points, crowded = [], []
    with (
        quiet(),
        mp.solutions.face_mesh.FaceMesh(
            max_num_faces=2, refine_landmarks=True, min_detection_confidence=0.4
        ) as mesh,
    ):
        for t, frame in enumerate(progress(frames, desc="face landmarks")):
            found = mesh.process(frame).multi_face_landmarks
            if not found:
                points.append(None)
                continue
            faces = [np.array([(p.x * width, p.y * height) for p in f.landmark]) for f in found]
            areas = [np.ptp(f[:, 0]) * np.ptp(f[:, 1]) for f in faces]
            if len(faces) > 1 and sorted(areas)[-2] > 0.25 * max(areas):
                crowded.append(t)
            points.append(faces[int(np.argmax(areas))])
    kept = [t for t, p in enumerate(points) if p is not None]
    missing = [t for t, p in enumerate(points) if p is None]
    if len(kept) < max(8, len(points) // 2):
        where = f"first at frame {missing[0]}" if missing else "the clip is too short"
        raise VideoError(
            f"{name}: a face was found in only {len(kept)} of {len(points)} frames ({where}); film one well-lit face, "
            "at least a sixth of the picture high, turned no further than about 45 degrees"
        )
    if missing:
        print(f"note: {name}: no face in {len(missing)} frames, dropped: {_ranges(missing)}")
    if len(crowded) > 0.02 * len(points):
        print(
            f"warning: {name}: a second face from frame {crowded[0]} on ({len(crowded)} frames); the largest is tracked. Crop the others out"
        )
    track = np.stack([points[t] for t in kept])
    x0, y0, side = square_crop(track, height, width)
    scale = size / side
    crops = np.stack([_crop(frames[t], x0, y0, side, size, cv2) for t in kept])
    mattes = mattes_of(crops, progress)
    return Detection(crops, mattes, (track - [x0, y0]) * scale, kept)


def square_crop(track: np.ndarray, height: int, width: int) -> tuple[int, int, int]:
    """One crop for the clip: x0, y0, side in pixels, around points (F, 478, 2), with room for hair and shoulders."""
    low, high = np.percentile(track.min(1), 5, axis=0), np.percentile(track.max(1), 95, axis=0)
    face = np.median(np.ptp(track[..., 1], axis=1))
    limit = min(height, width)
    side = int(min(limit, max(FACE_SHARE * face, 1.15 * (high - low).max())))
    if side > 0.85 * limit:
        side = limit
    centre = (low + high) / 2
    x0 = int(np.clip(centre[0] - side / 2, 0, width - side))
    y0 = int(np.clip(centre[1] - 0.46 * side, 0, height - side))
    return x0, y0, side


def _crop(frame, x0, y0, side, size, cv2):
    part = frame[y0 : y0 + side, x0 : x0 + side]
    return cv2.resize(
        part, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    )


def mattes_of(crops: np.ndarray, progress=lambda x, **k: x) -> np.ndarray:
    """Selfie segmentation, sharpened to the picture's own edges by a guided filter, lightly smoothed over time."""
    import cv2
    import mediapipe as mp

    raw = []
    with quiet(), mp.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0) as segment:
        for frame in progress(crops, desc="mattes"):
            raw.append(segment.process(frame).segmentation_mask)
    raw = np.stack(raw)
    out = np.empty(raw.shape, np.uint8)
    radius = max(4, crops.shape[1] // 42)
    for t in range(len(raw)):
        near = raw[max(t - 1, 0) : t + 2].mean(0) * 0.4 + raw[t] * 0.6
        guided = cv2.ximgproc.guidedFilter(crops[t], near.astype(np.float32), radius, 60.0)
        matte = np.clip((guided - 0.25) / 0.5, 0, 1)
        _, labels, stats, _ = cv2.connectedComponentsWithStats((matte > 0.5).astype(np.uint8))
        main = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if len(stats) > 1 else 0
        matte = matte * cv2.dilate(
            (labels == main).astype(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
        )
        out[t] = np.round(matte * 255)
    return out


def _ranges(indices: list[int]) -> str:
    """'3-5, 9' for [3, 4, 5, 9]."""
    parts, start = [], indices[0]
    for a, b in zip(indices, [*indices[1:], None]):
        if b != a + 1:
            parts.append(str(a) if a == start else f"{start}-{a}")
            start = b
    return ", ".join(parts)


def seen_points(frames: np.ndarray) -> np.ndarray:
    """The points (F, 478, 2) in pixels that MediaPipe sees in a clip (F, H, W, 3) uint8; NaN where it sees no face."""
    import mediapipe as mp

    from stkit.capture.detect import quiet

    size, out = np.array([frames.shape[2], frames.shape[1]]), []
    with (
        quiet(),
        mp.solutions.face_mesh.FaceMesh(
            refine_landmarks=True, min_detection_confidence=0.3
        ) as mesh,
    ):
        for frame in frames:
            found = mesh.process(frame).multi_face_landmarks
            out.append(
                np.array([(p.x, p.y) for p in found[0].landmark]) * size
                if found
                else np.full((478, 2), np.nan)
            )
    return np.stack(out)


def seen_openings(frames: np.ndarray) -> Tensor:
    """How far MediaPipe sees lips and lids open (F, 2) in frames (F, H, W, 3) uint8; NaN where it sees no face."""
    from stkit.face_models.landmarks import MEDIAPIPE_68

    return openings(torch.from_numpy(seen_points(frames)[:, MEDIAPIPE_68])).float()
