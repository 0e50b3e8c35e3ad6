"""Landmark sets and how they name each other.

iBUG 68: 0-16 jaw from the subject's right ear to the left, 17-26 brows, 27-35 nose, 36-47 eyes, 48-59 outer lips,
60-67 inner lips. The paper's lineage drops 48 and 54 (the outer mouth corners) and keeps 66 (lineage.md 1.4).
"""

import torch

# MediaPipe FaceMesh index of each iBUG landmark, the correspondence in common use.
MEDIAPIPE_68 = [
    162,
    234,
    93,
    58,
    172,
    136,
    149,
    148,
    152,
    377,
    378,
    365,
    397,
    288,
    323,
    454,
    389,
    71,
    63,
    105,
    66,
    107,
    336,
    296,
    334,
    293,
    301,
    168,
    197,
    5,
    4,
    75,
    97,
    2,
    326,
    305,
    33,
    160,
    158,
    133,
    153,
    144,
    362,
    385,
    387,
    263,
    373,
    380,
    61,
    39,
    37,
    0,
    267,
    269,
    291,
    405,
    314,
    17,
    84,
    181,
    78,
    82,
    13,
    312,
    308,
    317,
    14,
    87,
]

DROPPED = (48, 54)
KEPT_66 = torch.tensor([k for k in range(68) if k not in DROPPED])
MOUTH_66 = slice(48, 66)  # the mouth block among the 66
JAW = slice(0, 17)
EYES = slice(36, 48)  # in both sets
INNER_LIPS = (62, 66)  # upper and lower inner lip, iBUG
EYE_CORNERS = (36, 45)  # outer corners, right and left


def mouth_opening(landmarks: torch.Tensor) -> torch.Tensor:
    """Gap between the inner lips over the distance of the outer eye corners, from (..., 68, 2 or 3) landmarks."""
    gap = (landmarks[..., INNER_LIPS[0], :] - landmarks[..., INNER_LIPS[1], :]).norm(dim=-1)
    return gap / (landmarks[..., EYE_CORNERS[0], :] - landmarks[..., EYE_CORNERS[1], :]).norm(
        dim=-1
    )


def eye_opening(landmarks: torch.Tensor) -> torch.Tensor:
    """Mean gap between the lids over the mean width of the eyes, from (..., 68 or 66, 2 or 3) landmarks."""
    length = lambda a, b: (landmarks[..., a, :] - landmarks[..., b, :]).norm(dim=-1)
    gaps = length(37, 41) + length(38, 40) + length(43, 47) + length(44, 46)
    return gaps / 2 / (length(36, 39) + length(42, 45))


def openings(landmarks: torch.Tensor) -> torch.Tensor:
    """How far lips and lids stand open, (..., 2): `mouth_opening` and `eye_opening`."""
    return torch.stack([mouth_opening(landmarks), eye_opening(landmarks)], -1)


_REGIONS = (
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
