"""Square windows of pictures: one for a clip's face, one for each camera of a rig."""

import cv2
import numpy as np

# all of these are the kit's, chosen by eye
FACE_SHARE = 2.3  # the crop's side in face heights
MOTION_SHARE = 1.15  # the side in extents of all that the face reaches
WHOLE_SHARE = 0.85  # a crop larger than this share of the picture becomes the whole picture
FACE_LEVEL = 0.46  # the face's middle, from the top, in shares of the side
SHRINKING = 0.6  # pictures that become smaller than this are blurred first, against aliasing
BLUR = 0.35  # that blur's standard deviation, in pixels of the smaller picture


def square_crop(track: np.ndarray, height: int, width: int) -> tuple[int, int, int]:
    """One crop for the clip: x0, y0, side in pixels, around points (F, 478, 2), with room for hair
    and shoulders.
    """
    low = np.percentile(track.min(1), 5, axis=0)
    high = np.percentile(track.max(1), 95, axis=0)
    face = np.median(np.ptp(track[..., 1], axis=1))
    limit = min(height, width)
    side = int(min(limit, max(FACE_SHARE * face, MOTION_SHARE * (high - low).max())))
    if side > WHOLE_SHARE * limit:
        side = limit
    centre = (low + high) / 2
    x0 = int(np.clip(centre[0] - side / 2, 0, width - side))
    y0 = int(np.clip(centre[1] - FACE_LEVEL * side, 0, height - side))
    return x0, y0, side


def cropped(picture: np.ndarray, x0: int, y0: int, side: int, size: int) -> np.ndarray:
    """The square of a picture (H, W, 3) at whole pixels, resized to `size` pixels."""
    part = picture[y0 : y0 + side, x0 : x0 + side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cv2.resize(part, (size, size), interpolation=method)


def window(picture: np.ndarray, left: float, top: float, side: float, size: int) -> np.ndarray:
    """The square at (left, top) of a picture, white where it reaches beyond, resized to `size`
    pixels.
    """
    scale = size / side
    smooth = cv2.GaussianBlur(picture, (0, 0), BLUR / scale) if scale < SHRINKING else picture
    affine = np.array(
        [
            [scale, 0, -left * scale + 0.5 * scale - 0.5],
            [0, scale, -top * scale + 0.5 * scale - 0.5],
        ]
    )
    return cv2.warpAffine(
        smooth,
        affine,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(255, 255, 255),
    )
