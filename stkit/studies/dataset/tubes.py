"""A face's tube: the one square of a film in which its face stays, as Style2Talker crops it."""

import numpy as np

LEAST_OVERLAP = 0.25  # of a face's box with the first one's, below which another face is meant
GROWTH = 0.1  # of the union of the boxes, to each side


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (4,): left, top, right, bottom."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    return common / max(float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - common, 1e-9)


def tube(boxes: np.ndarray, width: int, height: int) -> tuple[int, int, int] | None:
    """Left, top and side of the square around the union of a face's boxes (F, 4), grown, within a
    picture; None where the face leaves its first box by more than `LEAST_OVERLAP` allows.
    """
    if any(overlap(boxes[0], box) < LEAST_OVERLAP for box in boxes):
        return None
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    grown = GROWTH * (high - low)
    low, high = low - grown, high + grown
    side = int(min(np.ceil((high - low).max()), width, height))
    left, top = np.round((low + high - side) / 2)
    return (
        int(np.clip(left, 0, width - side)),
        int(np.clip(top, 0, height - side)),
        side,
    )
