"""Numbers of an edit on held-out frames: what changed where, and what of the person is left."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.capture import Capture
from stkit.capture.detect import seen_points, still_landmarks
from stkit.diffusion.regions import find_regions
from stkit.driving.motion import own_motion, play
from stkit.face_models.landmarks import KEPT_66, MEDIAPIPE_68, mouth_opening
from stkit.heads.gaussian import GaussianHead
from stkit.io.images import evenly
from stkit.metrics.consistency import warp_error
from stkit.metrics.identity import has_embedding, same_person
from stkit.metrics.learned import clip_scores
from stkit.metrics.pictures import correlation
from stkit.runs.identity_scores import (
    FRAMES,
    film_embeddings,
    head_embeddings,
    median_distance,
)
from stkit.runs.scores import FEWEST, edit_change, every, refitted_beta
from stkit.studies.captions import captions

COLUMNS = {
    "inside": "change on the face (w >= 0.5)",
    "outside": "change elsewhere on the figure (w < 0.15)",
    "geometry": "landmarks moved, share of the eye distance",
    "mouth": "correlation of mouth opening with the video's",
    "expression": "correlation of beta, fitted to the renders before and after",
    "identity": "identity: distance of dlib's embeddings from the unedited head",
    "identity_video": "the same from the video",
    "sface": "same person, cosine of SFace embeddings",
    "clip_s": "CLIP-S",
    "clip_ds": "CLIP-DS",
    "hair": "change of the hair",
    "clothes": "change of the clothes",
    "background": "change of the background",
    "flicker": "change between neighbouring frames after warping",
    "view_flicker": "change between neighbouring views after warping",
}
NEIGHBOURS = (-24.0, -16.0, -8.0, 0.0, 8.0, 16.0, 24.0)  # degrees, of views that are compared
CLEARLY, FEWEST_PIXELS = 0.8, 50  # of a region's mask, and of its pixels, to be measured
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
    original: GaussianHead,
    edited: GaussianHead,
    capture: Capture,
    before: Performance,
    prompt: str,
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
        **identity_kept(original, edited, capture, test),
        "sface": likeness,
        **parts_changed(original, edited, capture, test),
        **flicker(original, edited, capture, test),
        **text_scores(before, after, prompt),
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


def identity_kept(
    original: GaussianHead, edited: GaussianHead, capture: Capture, test: list[int]
) -> dict[str, float | None]:
    """Median distances of the edited face's embedding from the unedited head's and the video's, in
    the same frames; None where dlib is not installed.
    """
    if not has_embedding():
        return {"identity": None, "identity_video": None}
    frames = evenly(test, FRAMES)
    after = head_embeddings(edited, capture, frames)
    return {
        "identity": median_distance(after, head_embeddings(original, capture, frames)),
        "identity_video": median_distance(after, film_embeddings(capture, frames)),
    }


@torch.no_grad()
def parts_changed(
    original: GaussianHead, edited: GaussianHead, capture: Capture, test: list[int]
) -> dict[str, float | None]:
    """Mean absolute change of colour in hair, clothes and background, as the unedited picture shows
    them.
    """
    sums: dict[str, list[float]] = {"hair": [], "clothes": [], "background": []}
    for t in every(test, PORTRAITS):
        before, after = (head.render_frame(capture, t) for head in (original, edited))
        points = capture.landmarks[t, KEPT_66, :2].double().numpy()
        regions = find_regions(before.double().numpy(), points)
        regions["background"] = 1 - regions["foreground"]
        change = (after - before).abs().mean(-1)
        for name, found in sums.items():
            part = torch.from_numpy(regions[name]) > CLEARLY
            if part.sum() > FEWEST_PIXELS:
                found.append(float(change[part].mean()))
    return {name: _mean(found) for name, found in sums.items()}


@torch.no_grad()
def flicker(
    original: GaussianHead, edited: GaussianHead, capture: Capture, test: list[int]
) -> dict[str, float]:
    """What is left between neighbours after warping (see `metrics.consistency`): of frames that
    follow each other, and of views of the neutral frame a few degrees apart.
    """
    heads = (original, edited)
    frames = []
    for t in every(test[:-1], PORTRAITS):
        before, after = ([h.render_frame(capture, t + k) for k in (0, 1)] for h in heads)
        frames.append(warp_error((before[0], before[1]), (after[0], after[1])))
    cameras, m = capture.orbit_cameras(NEIGHBOURS), capture.neutral
    before, after = ([h.render_frame(capture, m, c) for c in cameras] for h in heads)
    views = [
        warp_error((before[k], before[k + 1]), (after[k], after[k + 1]))
        for k in range(len(cameras) - 1)
    ]
    return {"flicker": float(np.mean(frames)), "view_flicker": float(np.mean(views))}


def text_scores(before: Performance, after: Performance, prompt: str) -> dict[str, float | None]:
    """Mean CLIP-S and CLIP-DS over a few frames; None where CLIP ViT-L/14 is not here."""
    words = captions(prompt)
    found = []
    for k in every(list(range(len(before.pictures))), PORTRAITS):
        image, edited = (torch.from_numpy(p.pictures[k]).float() / 255 for p in (before, after))
        found.append(clip_scores(image, edited, *words))
    known = [scores for scores in found if scores is not None]
    return {
        "clip_s": _mean([scores.clip_s for scores in known]),
        "clip_ds": _mean([scores.clip_ds for scores in known]),
    }


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
