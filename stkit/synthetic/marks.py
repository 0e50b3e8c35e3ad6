"""MediaPipe's points on the chart: where lips, eyes and brows are painted."""

from torch import Tensor

from stkit.face_models.makehuman import makehuman
from stkit.synthetic import chart

# rings of MediaPipe's numbers
OUTER_LIPS = [
    61,
    146,
    91,
    181,
    84,
    17,
    314,
    405,
    321,
    375,
    291,
    409,
    270,
    269,
    267,
    0,
    37,
    39,
    40,
    185,
]
RIGHT_EYE = [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246]
LEFT_EYE = [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466]


def marks(*numbers: int) -> Tensor:
    """Places (K, 2) on the chart of MediaPipe's points."""
    head = makehuman()
    return chart.place(head.mean[head.vertices_of(*numbers)])
