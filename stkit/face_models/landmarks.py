"""Landmark sets and how they name each other.

iBUG 68: 0-16 jaw from the subject's right ear to the left, 17-26 brows, 27-35 nose, 36-47 eyes,
48-59 outer lips, 60-67 inner lips. The paper's lineage drops 48 and 54 (the outer mouth corners)
and keeps 66 (lineage.md 1.4).
"""

import torch

# MediaPipe FaceMesh index of each iBUG landmark, the correspondence in common use.
# fmt: off
MEDIAPIPE_68 = [
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,  # jaw
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,  # brows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # outer lips
    78, 82, 13, 312, 308, 317, 14, 87,  # inner lips
]
# fmt: on

DROPPED = (48, 54)
KEPT_66 = torch.tensor([k for k in range(68) if k not in DROPPED])
MOUTH_66 = slice(48, 66)  # the mouth block among the 66
JAW = slice(0, 17)
EYES = slice(36, 48)  # in both sets
INNER_LIPS = (62, 66)  # upper and lower inner lip, iBUG
EYE_CORNERS = (36, 45)  # outer corners, right and left


def mouth_opening(landmarks: torch.Tensor) -> torch.Tensor:
    """Gap between the inner lips over the distance of the outer eye corners.

    landmarks (..., 68, 2 or 3) in any unit; the result (...,) has none.
    """
    upper, lower = INNER_LIPS
    right, left = EYE_CORNERS
    return _distance(landmarks, upper, lower) / _distance(landmarks, right, left)


def eye_opening(landmarks: torch.Tensor) -> torch.Tensor:
    """Mean gap between the lids over the mean width of the eyes.

    landmarks (..., 68 or 66, 2 or 3) in any unit; the result (...,) has none.
    """
    right_gaps = _distance(landmarks, 37, 41) + _distance(landmarks, 38, 40)
    gaps = right_gaps + _distance(landmarks, 43, 47) + _distance(landmarks, 44, 46)
    return gaps / 2 / (_distance(landmarks, 36, 39) + _distance(landmarks, 42, 45))


def _distance(landmarks: torch.Tensor, first: int, second: int) -> torch.Tensor:
    return (landmarks[..., first, :] - landmarks[..., second, :]).norm(dim=-1)


def openings(landmarks: torch.Tensor) -> torch.Tensor:
    """How far lips and lids are open, (..., 2): `mouth_opening` and `eye_opening`."""
    return torch.stack([mouth_opening(landmarks), eye_opening(landmarks)], -1)


_REGIONS = (  # the last landmark of each part of the face, and its name
    (16, "jaw"),
    (21, "right brow"),
    (26, "left brow"),
    (30, "nose bridge"),
    (35, "nostrils"),
    (41, "right eye"),
    (47, "left eye"),
    (59, "outer lips"),
    (67, "inner lips"),
)


def region_name(k: int) -> str:
    """The part of the face of iBUG landmark k (0 to 67); right and left are the subject's."""
    return next(name for last, name in _REGIONS if k <= last)
