"""Where the person is in a picture: MediaPipe's selfie segmentation, sharpened to the picture's own
edges.

The model is inside the mediapipe wheel; nothing is downloaded.
"""

import cv2
import numpy as np

from stkit.capture.quiet import quiet

# all of these are the kit's, chosen by eye
OWN_SHARE = 0.6  # of a frame's own segmentation; the rest is the mean with its neighbours
LEAST_RADIUS = 4  # pixels: of the guided filter
RADIUS_SHARE = 42  # the radius is the picture's width over this, where that is more
GUIDED_EPSILON = 60.0  # squared grey levels: smaller differences are smoothed away
LOW, RANGE = 0.25, 0.5  # the filtered values from LOW to LOW + RANGE become the matte's 0 to 1
UNSURE = (0.02, 0.98)  # between these a pixel of a matte is neither the person nor what is behind
CUT_STEPS = 3  # of GrabCut


def mattes_of(crops: np.ndarray, progress=lambda x, **k: x) -> np.ndarray:
    """Mattes (F, S, S) uint8 of pictures (F, S, S, 3) uint8: segmented, sharpened, and lightly
    smoothed over time.
    """
    raw = _segmentation(crops, progress)
    radius = max(LEAST_RADIUS, crops.shape[1] // RADIUS_SHARE)
    out = np.empty(raw.shape, np.uint8)
    for t, picture in enumerate(crops):
        neighbours = raw[max(t - 1, 0) : t + 2].mean(0)
        smoothed = neighbours * (1 - OWN_SHARE) + raw[t] * OWN_SHARE
        sharp = _sharpened(picture, smoothed, radius)
        out[t] = np.round(_largest_part(filled_in(picture, sharp, radius), radius) * 255)
    return out


def _sharpened(picture: np.ndarray, matte: np.ndarray, radius: int) -> np.ndarray:
    """A matte (S, S) whose edges are those of the picture (S, S, 3), in [0, 1]."""
    guided = cv2.ximgproc.guidedFilter(picture, matte.astype(np.float32), radius, GUIDED_EPSILON)
    return np.clip((guided - LOW) / RANGE, 0, 1)


def filled_in(picture: np.ndarray, matte: np.ndarray, radius: int) -> np.ndarray:
    """The matte with the person's colours filled in where it is grey over a wide area, as where
    the segmentation hesitates at grey hair.

    Colours of the person and of what is behind decide there (GrabCut, Rother et al. 2004). Nothing
    is taken away: an earring in long hair would be a hole.
    """
    low, high = UNSURE
    unsure = ((matte > low) & (matte < high)).astype(np.uint8)
    wide = cv2.morphologyEx(unsure, cv2.MORPH_OPEN, _square(3 * radius // 2))
    if not wide.any() or not (matte >= high).any() or not (matte <= low).any():
        return matte
    labels = np.where(matte > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[matte >= high], labels[matte <= low] = cv2.GC_FGD, cv2.GC_BGD
    around = cv2.dilate(wide, _square(2 * radius)) > 0
    labels[around & (matte > low)] = cv2.GC_PR_FGD
    cut, *_ = cv2.grabCut(
        picture,
        labels,
        None,
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        CUT_STEPS,
        cv2.GC_INIT_WITH_MASK,
    )
    person = np.isin(cut, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return np.where(around, np.maximum(matte, _sharpened(picture, person, radius)), matte)


def _square(radius: int) -> np.ndarray:
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


def _segmentation(crops: np.ndarray, progress) -> np.ndarray:
    """How surely each pixel is the person (F, S, S), in [0, 1]."""
    import mediapipe as mp

    model = mp.solutions.selfie_segmentation.SelfieSegmentation
    with quiet(), model(model_selection=0) as segment:
        frames = progress(crops, desc="mattes")
        return np.stack([segment.process(frame).segmentation_mask for frame in frames])


def _largest_part(matte: np.ndarray, margin: int) -> np.ndarray:
    """A matte (S, S) without what is over `margin` pixels away from its largest connected part."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((matte > 0.5).astype(np.uint8))
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if len(stats) > 1 else 0
    return matte * cv2.dilate((labels == largest).astype(np.uint8), _square(margin))
