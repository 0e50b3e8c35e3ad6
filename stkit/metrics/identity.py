"""Is it still the same person? Distances between embeddings of faces.

dlib's network (King 2017) comes with the extra `identity` from pip; OpenCV's SFace is an asset.
Pictures are (H, W, 3) uint8, landmarks (68, 2) in their pixels, in iBUG's order.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from stkit.assets import asset_path, check_asset
from stkit.errors import MissingFileError

SAME_PERSON = 0.6  # dlib's distance below which its author counts two pictures as one person
CHIP, CHIP_BORDER = 150, 0.25  # pixels of the aligned face that dlib's network reads; its border
BOX_GROWTH = 0.1  # of the landmarks' box, to be as wide as the boxes of dlib's own detector
# the 68 landmarks of iBUG (Sagonas et al. 2013) that OpenCV's aligner reads
RIGHT_EYE, LEFT_EYE, NOSE_TIP, MOUTH_CORNERS = slice(36, 42), slice(42, 48), 30, (48, 54)


@dataclass(frozen=True)
class _Dlib:
    """dlib's module and its two networks: five points of a face, and the face's embedding."""

    dlib: Any
    points: Any
    embed: Any


@lru_cache(maxsize=1)
def _dlib() -> _Dlib | None:
    """None where the extra `identity` is not installed."""
    files = [asset_path(name) for name in ("dlib_face_points", "dlib_face_embedding")]
    try:
        import dlib
    except ImportError:
        return None
    if None in files:
        return None
    points, embed = map(str, files)
    return _Dlib(dlib, dlib.shape_predictor(points), dlib.face_recognition_model_v1(embed))


def has_embedding() -> bool:
    """Whether `embedding` can be had on this machine."""
    return _dlib() is not None


def embedding(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """dlib's embedding (128,) of the face whose landmarks are `points`.

    dlib finds five points of its own within their box, by which it aligns the face. Raises
    FileNotFoundError with the remedy where dlib or its networks are not installed.
    """
    tools = _dlib()
    if tools is None:
        raise MissingFileError(
            "identity is measured by dlib, which is not installed here: "
            "pip install 'stkit[identity]'"
        )
    low, high = points.min(0), points.max(0)
    grown = BOX_GROWTH * (high - low)
    left, top, right, bottom = np.concatenate([low - grown, high + grown]).round().astype(int)
    box = tools.dlib.rectangle(int(left), int(top), int(right), int(bottom))
    pixels = np.ascontiguousarray(picture)
    chip = tools.dlib.get_face_chip(pixels, tools.points(pixels, box), CHIP, CHIP_BORDER)
    return np.array(tools.embed.compute_face_descriptor(chip))


def identity_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Euclidean distance of two embeddings (128,): 0 for the same picture, below `SAME_PERSON` for
    one person.
    """
    return float(np.linalg.norm(a - b))


def same_person(
    image: np.ndarray, other: np.ndarray, points: np.ndarray, other_points: np.ndarray
) -> float | None:
    """Cosine of two faces' SFace embeddings (Zhong et al. 2021), or None without the weights.

    Images (H, W, 3) uint8, points (68, 2) in their pixels. OpenCV counts above 0.363 as the same
    person. Raises ValueError where the file is not the published one.
    """
    model = _sface()
    if model is None:
        return None
    embeddings = [
        model.feature(model.alignCrop(np.ascontiguousarray(picture[..., ::-1]), _detection(marks)))
        for picture, marks in ((image, points), (other, other_points))
    ]
    return float(model.match(*embeddings, 0))


def _detection(points: np.ndarray) -> np.ndarray:
    """What OpenCV's aligner reads (15,), from landmarks (68, 2).

    Box, right eye, left eye, nose, right and left corner of the mouth, score.
    """
    low, high = points.min(0), points.max(0)
    eyes = points[RIGHT_EYE].mean(0), points[LEFT_EYE].mean(0)
    mouth = [points[corner] for corner in MOUTH_CORNERS]
    marks = [low, high - low, *eyes, points[NOSE_TIP], *mouth, [1.0]]
    return np.concatenate(marks).astype(np.float32)


@lru_cache(maxsize=1)
def _sface():
    """OpenCV's face recogniser with the published weights, or None without them."""
    path = asset_path("sface")
    if path is None:
        return None
    import cv2

    check_asset("sface")
    return cv2.FaceRecognizerSF.create(str(path), "")
