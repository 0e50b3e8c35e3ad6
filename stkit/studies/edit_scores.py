"""Numbers of an edit on held-out frames: what changed where, and what of the person is left."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.capture import Capture
from stkit.capture.detect import seen_points, still_landmarks
from stkit.driving.motion import own_motion, play
from stkit.face_models.landmarks import MEDIAPIPE_68, mouth_opening
from stkit.heads.gaussian import GaussianHead
from stkit.metrics import correlation, same_person
from stkit.runs.scores import FEWEST, edit_change, every, refitted_beta

COLUMNS = {
    "inside": "change on the face (w >= 0.5)",
    "outside": "change elsewhere on the figure (w < 0.15)",
    "geometry": "landmarks moved, share of the eye distance",
    "mouth": "correlation of mouth opening with the video's",
    "expression": "correlation of beta, fitted to the renders before and after",
    "identity": "same person, cosine of SFace embeddings",
}
PORTRAITS = 4  # pairs of pictures whose landmarks and identity are compared
EYES = (36, 45)  # outer corners, of the 68 landmarks


@dataclass(frozen=True)
class Performance:
    """A head playing the held-out frames, as a detector sees it.

    pictures (F, H, W, 3) uint8; points (F, 478, 2) pixels, NaN where no face was found; beta (K,
    64) fitted to the K frames where `found` (F,) is True.
    """

    pictures: np.ndarray
    points: np.ndarray
    beta: Tensor
    found: Tensor


def perform(head: GaussianHead, capture: Capture, test: list[int]) -> Performance:
    """Render, detect and fit once what several numbers need."""
    pictures = play(head, capture, own_motion(capture).subset(test))
    points = seen_points(pictures)
    return Performance(pictures, points, *refitted_beta(points, capture))


def edit_scores(
    original: GaussianHead, edited: GaussianHead, capture: Capture, before: Performance
) -> dict[str, float | None]:
    """The numbers of COLUMNS on held-out frames; None where a face was not found or weights are not
    here.

    `before`: the original's performance of these frames. A method that edits nothing has 0 inside;
    one that ruins the face moves its landmarks.
    """
    _, test = capture.split()
    after = perform(edited, capture, test)
    change = edit_change(original, edited, capture, test)
    shift, likeness = portraits(before, after)
    return {
        "inside": change["edit.inside"],
        "outside": change["edit.outside"],
        "geometry": shift,
        "mouth": mouth_kept(after, capture.landmarks[test]),
        "expression": expression_kept(before, after),
        "identity": likeness,
    }


def portraits(before: Performance, after: Performance) -> tuple[float | None, float | None]:
    """How far the 68 landmarks moved, by eye distance, and the likeness of the embedded faces;
    means over a few frames.
    """
    shifts, likenesses = [], []
    for k in every(list(range(len(before.pictures))), PORTRAITS):
        pair = before.pictures[k], after.pictures[k]
        a, b = still_landmarks(list(pair))
        if a is None or b is None:
            continue
        eyes = np.linalg.norm(a[EYES[0]] - a[EYES[1]])
        shifts.append(float(np.linalg.norm(a - b, axis=1).mean() / eyes))
        likenesses.append(same_person(*pair, a, b))
    known = [x for x in likenesses if x is not None]
    return (_mean(shifts), _mean(known))


def mouth_kept(after: Performance, landmarks: Tensor) -> float | None:
    """Correlation of the mouth's opening over time with the video's landmarks (F, 68, 3)."""
    opening = mouth_opening(torch.from_numpy(after.points[:, MEDIAPIPE_68])).float()
    clear = torch.isfinite(opening)
    if clear.sum() < FEWEST:
        return None
    return correlation(mouth_opening(landmarks[..., :2])[clear], opening[clear])


def expression_kept(before: Performance, after: Performance) -> float | None:
    """Correlation of all expression coefficients over time, before and after the edit."""
    common = before.found & after.found
    if common.sum() < FEWEST:
        return None
    a, b = (p.beta[common[p.found]] for p in (before, after))
    return correlation((a - a.mean(0)).flatten(), (b - b.mean(0)).flatten())


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
