"""Whom does the head look like? Distances of dlib's embeddings, on held-out frames."""

from itertools import combinations

import numpy as np

from stkit.capture import Capture
from stkit.heads.placing import RenderableHead
from stkit.io.images import evenly, u8
from stkit.metrics.identity import embedding, has_embedding, identity_distance

FRAMES = 12  # of the held-out frames, evenly


def film_embeddings(capture: Capture, frames: list[int]) -> list[np.ndarray]:
    """Embeddings (128,) of the video's own frames, over white."""
    return [embedding(u8(capture.image(t)), _points(capture, t)) for t in frames]


def head_embeddings(head: RenderableHead, capture: Capture, frames: list[int]) -> list[np.ndarray]:
    """Embeddings (128,) of the head as these frames, aligned by the frames' own landmarks."""
    return [embedding(u8(head.render_frame(capture, t)), _points(capture, t)) for t in frames]


def median_distance(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """Median distance of the embeddings of the same frames."""
    return float(np.median([identity_distance(x, y) for x, y in zip(a, b)]))


def identity_scores(
    head: RenderableHead, capture: Capture, test: list[int]
) -> dict[str, float | None]:
    """Median distance between the video and the head on held-out frames, and between those frames
    of the video themselves; None where dlib is not installed.
    """
    if not has_embedding():
        return {"head.identity": None, "head.identity_video": None}
    frames = evenly(test, FRAMES)
    film, shown = film_embeddings(capture, frames), head_embeddings(head, capture, frames)
    among = [identity_distance(a, b) for a, b in combinations(film, 2)]
    return {
        "head.identity": median_distance(film, shown),
        "head.identity_video": float(np.median(among)),
    }


def _points(capture: Capture, t: int) -> np.ndarray:
    return capture.landmarks[t, :, :2].numpy()
