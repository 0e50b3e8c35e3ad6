"""MediaPipe on every frame: 478 face points, and the square crop that frames the head.

The models are inside the mediapipe wheel; nothing is downloaded.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.capture.crops import cropped, square_crop
from stkit.capture.mattes import mattes_of
from stkit.capture.quiet import quiet
from stkit.face_models.landmarks import MEDIAPIPE_68, openings
from stkit.io.video import VideoError

MAX_FACES = 4  # that are looked for, so that the one that is followed is among them
FEWEST_FRAMES = 8  # with a face
# how sure MediaPipe's detector must be; both chosen by eye
CONFIDENCE = 0.4
CONFIDENCE_RENDERED = 0.3  # in pictures of avatars
RIVAL_AREA = 0.25  # a second face counts from this share of the largest one's area
RIVAL_FRAMES = 0.02  # and is warned about from this share of the frames


@dataclass(frozen=True)
class Detection:
    """What MediaPipe sees in a clip, F frames with a face of S x S pixels.

    frames (F, S, S, 3), mattes (F, S, S) uint8, points (F, 478, 2) pixels, kept: the frames'
    indices in the clip.
    """

    frames: np.ndarray
    mattes: np.ndarray
    points: np.ndarray
    kept: list[int]


def detect(frames: np.ndarray, size: int, name: str, progress=lambda x, **k: x) -> Detection:
    """Points and mattes for frames (F, H, W, 3) uint8, cropped square around the face and resized
    to `size` pixels.

    Frames without a face are dropped and listed. Where there are several faces the one that is
    largest at first is followed, and a warning names the frame. Raises VideoError when fewer than
    half the frames, or fewer than 8, show a face.
    """
    points, crowded = follow_face(_faces(frames, progress))
    track = _checked(points, name)
    kept = [t for t, face in enumerate(points) if face is not None]
    if len(crowded) > RIVAL_FRAMES * len(points):
        print(
            f"warning: {name}: a second face from frame {crowded[0]} on ({len(crowded)} "
            "frames); the one that is largest at first is followed. Crop the others out"
        )
    height, width = frames.shape[1:3]
    x0, y0, side = square_crop(track, height, width)
    crops = np.stack([cropped(frames[t], x0, y0, side, size) for t in kept])
    mattes = mattes_of(crops, progress)
    return Detection(crops, mattes, (track - [x0, y0]) * (size / side), kept)


def follow_face(faces: list[list[np.ndarray]]) -> tuple[list[np.ndarray | None], list[int]]:
    """One person's face in every frame (None where there is no face), and the frames where another
    is nearly as large.

    faces: the points (N, 2) in pixels of each frame's faces. The largest one of the first frame
    with a face begins, and in each later frame the one that is nearest to the last goes on.
    """
    followed: list[np.ndarray | None] = []
    crowded = []
    last = None
    for t, found in enumerate(faces):
        if not found:
            followed.append(None)
            continue
        areas = [float(np.ptp(face[:, 0]) * np.ptp(face[:, 1])) for face in found]
        if len(found) > 1 and sorted(areas)[-2] > RIVAL_AREA * max(areas):
            crowded.append(t)
        if last is None:
            last = found[int(np.argmax(areas))]
        else:
            last = found[int(np.argmin([_distance(face, last) for face in found]))]
        followed.append(last)
    return followed, crowded


def still_landmarks(images: list[np.ndarray]) -> list[np.ndarray | None]:
    """The 68 landmarks (68, 2) in pixels of single pictures (H, W, 3) uint8; None where MediaPipe
    sees no face.
    """
    return [
        None if points is None else points[MEDIAPIPE_68]
        for points in still_points(images, refine=False)
    ]


def still_points(images: list[np.ndarray], refine: bool = True) -> list[np.ndarray | None]:
    """The points (478, 2) in pixels of single pictures (H, W, 3) uint8; None where MediaPipe sees
    no face. Without `refine`, which looks at lips and eyes again, there are 468.
    """
    import mediapipe as mp

    model = mp.solutions.face_mesh.FaceMesh
    with quiet(), model(static_image_mode=True, refine_landmarks=refine) as mesh:
        faces = [_pixels(mesh, image) for image in images]
    return [found[0] if found else None for found in faces]


def seen_points(frames: np.ndarray) -> np.ndarray:
    """The points (F, 478, 2) in pixels that MediaPipe sees in a clip (F, H, W, 3) uint8; NaN where
    it sees no face.
    """
    import mediapipe as mp

    model = mp.solutions.face_mesh.FaceMesh
    with (
        quiet(),
        model(refine_landmarks=True, min_detection_confidence=CONFIDENCE_RENDERED) as mesh,
    ):
        faces = [_pixels(mesh, frame) for frame in frames]
    nowhere = np.full((478, 2), np.nan)
    return np.stack([found[0] if found else nowhere for found in faces])


def seen_openings(frames: np.ndarray) -> Tensor:
    """How far MediaPipe sees lips and lids open (F, 2) in frames (F, H, W, 3) uint8; NaN where it
    sees no face.
    """
    return openings(torch.from_numpy(seen_points(frames)[:, MEDIAPIPE_68])).float()


def _faces(frames: np.ndarray, progress) -> list[list[np.ndarray]]:
    """The points (478, 2) in pixels of all faces of every frame."""
    import mediapipe as mp

    model = mp.solutions.face_mesh.FaceMesh
    with (
        quiet(),
        model(
            max_num_faces=MAX_FACES, refine_landmarks=True, min_detection_confidence=CONFIDENCE
        ) as mesh,
    ):
        return [_pixels(mesh, frame) for frame in progress(frames, desc="face landmarks")]


def _pixels(mesh, image: np.ndarray) -> list[np.ndarray]:
    """The points (478 or 468, 2) in pixels of the faces that a MediaPipe FaceMesh sees in a picture
    (H, W, 3) uint8.
    """
    size = np.array([image.shape[1], image.shape[0]])
    faces = mesh.process(image).multi_face_landmarks or []
    return [np.array([(point.x, point.y) for point in face.landmark]) * size for face in faces]


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of two faces' points (N, 2), pixels."""
    return float(np.linalg.norm(a - b, axis=1).mean())


def _checked(points: list[np.ndarray | None], name: str) -> np.ndarray:
    """The points (F, 478, 2) of the frames with a face; says which other frames are left out.

    Raises VideoError where too few frames are left.
    """
    found = [face for face in points if face is not None]
    missing = [t for t, face in enumerate(points) if face is None]
    if len(found) < max(FEWEST_FRAMES, len(points) // 2):
        where = f"first at frame {missing[0]}" if missing else "the clip is too short"
        raise VideoError(
            f"{name}: a face was found in only {len(found)} of {len(points)} frames ({where}); "
            "film one well-lit face, at least a sixth of the picture high, turned no further than "
            "about 45 degrees"
        )
    if missing:
        print(f"note: {name}: no face in {len(missing)} frames, dropped: {_ranges(missing)}")
    return np.stack(found)


def _ranges(indices: list[int]) -> str:
    """'3-5, 9' for [3, 4, 5, 9]."""
    parts = []
    start = indices[0]
    for k, index in enumerate(indices):
        last = k + 1 == len(indices)
        if last or indices[k + 1] != index + 1:
            parts.append(str(index) if index == start else f"{start}-{index}")
            start = index if last else indices[k + 1]
    return ", ".join(parts)
