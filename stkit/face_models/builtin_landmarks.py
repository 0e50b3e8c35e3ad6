"""The landmarks of the built-in head: placed by hand, and as MediaPipe's detector means them."""

from pathlib import Path

import numpy as np

from stkit.face_models.builtin_shape import EYE_HALF, EYE_X, EYE_Y, MOUTH_HALF, Surface
from stkit.face_models.landmarks import MEDIAPIPE_68

MAPPING = Path(__file__).with_name("builtin_mediapipe.npz")  # by stkit.synthetic.map_mediapipe
FROM_DETECTOR = 36  # jaw, brows and nose lie where the detector means them, eyes and lips by hand


def landmark_vertices(surface: Surface) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The iBUG landmarks (68,), a denser set (M,), and the latter's MediaPipe numbers (M,)."""
    marks = hand_landmarks(surface)
    if not MAPPING.exists():  # while it is being made
        return marks, marks[FROM_DETECTOR:], np.array(MEDIAPIPE_68[FROM_DETECTOR:])
    with np.load(MAPPING, allow_pickle=False) as table:
        dense = table["vertex"]
        dense_mediapipe = table["mediapipe"]
    vertex_of = dict(zip(dense_mediapipe.tolist(), dense.tolist()))
    for k, number in enumerate(MEDIAPIPE_68[:FROM_DETECTOR]):
        marks[k] = vertex_of.get(number, marks[k])
    return marks, dense, dense_mediapipe


def hand_landmarks(s: Surface) -> np.ndarray:
    """The iBUG landmarks (68,) as vertices, placed by chart position.

    +x is the subject's left, so landmark 0 is at x < 0.
    """
    skin = np.flatnonzero((s.part == 0) & (s.front > 0.2))
    c, v, am, ae = s.chart[skin], s.verts[skin], s.above_mouth[skin], s.above_eye[skin]

    def at(x, y, where=None, space=None):
        d = ((c if space is None else space) - [x, y]) ** 2
        d = d.sum(1) + (0 if where is None else np.where(where, 0, 1e3))
        return skin[int(np.argmin(d))]

    xy = v[:, :2]
    jaw = [
        (0.70, 0.16),
        (0.69, -0.05),
        (0.68, -0.26),
        (0.65, -0.46),
        (0.58, -0.65),
        (0.48, -0.80),
        (0.36, -0.92),
        (0.20, -1.01),
        (0, -1.04),
    ]
    out = [at(-x, y, space=xy) for x, y in jaw] + [at(x, y, space=xy) for x, y in jaw[-2::-1]]
    brow = [(0.47, 0.275), (0.39, 0.335), (0.30, 0.350), (0.21, 0.335), (0.125, 0.300)]
    out += [at(-x, y, space=xy) for x, y in brow] + [at(x, y, space=xy) for x, y in brow[::-1]]
    out += [at(0, y) for y in (0.14, 0.00, -0.14, -0.285)]
    out += [
        at(x, y, space=xy)
        for x, y in (
            (-0.125, -0.385),
            (-0.065, -0.405),
            (0, -0.415),
            (0.065, -0.405),
            (0.125, -0.385),
        )
    ]
    upper_lid, lower_lid = (ae > 0) & (ae < 1e-5), (ae < 0) & (ae > -1e-5)
    corner = np.abs(ae) < 2e-3
    for side in (-1, 1):
        outer = at(side * (EYE_X + EYE_HALF), EYE_Y + 0.02, corner)
        inner = at(side * (EYE_X - EYE_HALF), EYE_Y + 0.01, corner)
        up = [at(side * (EYE_X + d), EYE_Y, upper_lid) for d in (0.05, -0.05)]
        low = [at(side * (EYE_X + d), EYE_Y, lower_lid) for d in (-0.05, 0.05)]
        out += [outer, *up, inner, *low] if side < 0 else [inner, *up[::-1], outer, *low[::-1]]
    corner = np.abs(am) < 5e-3
    upper, lower = (am > 0) & (am < 1e-5), (am < 0) & (am > -1e-5)
    right, left = at(-MOUTH_HALF - 0.008, -0.62, corner), at(MOUTH_HALF + 0.008, -0.62, corner)
    tops = [(-0.16, -0.560), (-0.055, -0.530), (0, -0.540), (0.055, -0.530), (0.16, -0.560)]
    lows = [(0.16, -0.705), (0.08, -0.735), (0, -0.745), (-0.08, -0.735), (-0.16, -0.705)]
    out += [
        right,
        *[at(x, y, am > 0, xy) for x, y in tops],
        left,
        *[at(x, y, am < 0, xy) for x, y in lows],
    ]
    inner_r, inner_l = (
        at(-MOUTH_HALF + 0.025, -0.62, upper | lower),
        at(MOUTH_HALF - 0.025, -0.62, upper | lower),
    )
    out += [
        inner_r,
        *[at(x, -0.62, upper) for x in (-0.10, 0, 0.10)],
        inner_l,
        *[at(x, -0.62, lower) for x in (0.10, 0, -0.10)],
    ]
    return np.array(out)
