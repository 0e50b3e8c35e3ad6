"""Identity and expression directions of the built-in head: smooth fields placed by hand.

A direction's length is one standard deviation in decimetres, so coefficients are roughly N(0, 1).
"""

import numpy as np

from stkit.face_models.builtin_shape import (
    EYE_HALF,
    EYE_X,
    EYE_Y,
    MOUTH_HALF,
    PARTS,
    Surface,
    bump,
    smooth,
)

N_EXPRESSION, N_IDENTITY = 64, 80


def _vec(field: np.ndarray, direction) -> np.ndarray:
    return field[:, None] * np.asarray(direction, float)


def expression_directions(s: Surface) -> tuple[list[str], np.ndarray]:  # noqa: C901
    """Names and directions (64, V, 3): named facial actions, then finer regional ones."""
    x, y = s.chart[:, 0], s.chart[:, 1]
    am, ae, front, v = s.above_mouth, s.above_eye, s.front, s.verts
    skin_like = front * (s.part == 0)
    a = np.abs(x)
    left, right = smooth(-0.08, 0.08, x), smooth(0.08, -0.08, x)
    sides = (("right", right), ("left", left))
    yc = y  # height on the face
    # share of the lower jaw's motion: 0 above the mouth, 1 below, split sharply between the corners
    inside = smooth(MOUTH_HALF * 1.35, MOUTH_HALF * 0.35, a)
    sharp = np.where(am < 0, 1.0, 0.0)
    soft = smooth(0.30, -0.30, am)
    jaw = (inside * sharp + (1 - inside) * soft) * smooth(
        -1.28, -0.98, yc + 0.5 * smooth(0.1, -0.3, v[:, 2]) * 0.3
    )
    jaw = jaw * smooth(-0.42, 0.10, v[:, 2]) * front
    lip_u = (
        np.exp(-((np.clip(am, 0, None) / 0.10) ** 2))
        * (am >= 0)
        * smooth(MOUTH_HALF * 1.25, MOUTH_HALF * 0.5, a)
        * front
    )
    lip_l = (
        np.exp(-((np.clip(am, None, 0) / 0.13) ** 2))
        * (am < 0)
        * smooth(MOUTH_HALF * 1.25, MOUTH_HALF * 0.5, a)
        * front
    )
    around_mouth = np.exp(-((a / 0.34) ** 2) - (am / 0.20) ** 2) * front
    hinge = np.array([0.0, -0.05, -0.50])
    names, out = [], []

    def add(name, d):
        names.append(name)
        out.append(np.asarray(d) * np.where(s.part == 0, 1.0, 0.0)[:, None])

    r = v - hinge
    add("jaw_open", 0.13 * jaw[:, None] * np.stack([0 * x, -r[:, 2], 0.55 * r[:, 1]], 1))
    for name, side in sides:
        sign = -1 if name == "right" else 1
        corner = bump(a, am, MOUTH_HALF, 0.0, 0.16, 0.17) * side * front
        cheek = bump(a, yc, 0.42, -0.22, 0.20, 0.18) * side * front
        add(
            f"smile_{name}",
            _vec(corner, [0.055 * sign, 0.050, -0.030]) + _vec(cheek, [0.008 * sign, 0.022, 0.020]),
        )
    for name, side in sides:
        sign = -1 if name == "right" else 1
        corner = bump(a, am, MOUTH_HALF, -0.02, 0.15, 0.15) * side * front
        add(f"frown_{name}", _vec(corner, [0.008 * sign, -0.042, -0.008]))
    pull = around_mouth * np.clip(x / MOUTH_HALF, -1.2, 1.2)
    add("pucker", np.stack([-0.065 * pull, 0 * x, 0.050 * around_mouth], 1))
    add("mouth_wide", np.stack([0.050 * pull, 0 * x, -0.020 * around_mouth], 1))
    add("funnel", np.stack([-0.030 * pull, 0.035 * lip_u - 0.045 * lip_l, 0.045 * around_mouth], 1))
    add("lip_press", _vec(lip_u, [0, -0.014, -0.012]) + _vec(lip_l, [0, 0.018, -0.014]))
    add("upper_lip_up", _vec(lip_u, [0, 0.045, 0.008]))
    add("lower_lip_down", _vec(lip_l, [0, -0.048, 0.004]))
    add("upper_lip_roll", _vec(lip_u, [0, -0.012, -0.030]))
    add("lower_lip_roll", _vec(lip_l, [0, 0.014, -0.034]))
    add("mouth_shift", _vec(around_mouth, [0.045, 0, 0]))
    add("jaw_shift", _vec(jaw, [0.040, 0, 0]))
    add("jaw_forward", _vec(jaw, [0, 0.006, 0.045]))
    add(
        "chin_raise",
        _vec(bump(x, yc, 0, -0.88, 0.20, 0.14) * front, [0, 0.035, 0.015])
        + _vec(lip_l, [0, 0.016, 0.010]),
    )
    for name, side in sides:
        add(
            f"brow_inner_up_{name}",
            _vec(bump(a, yc, 0.14, 0.32, 0.11, 0.13) * side * front, [0, 0.055, 0.006]),
        )
    for name, side in sides:
        add(
            f"brow_outer_up_{name}",
            _vec(bump(a, yc, 0.42, 0.33, 0.16, 0.13) * side * front, [0, 0.055, 0.004]),
        )
    for name, side in sides:
        sign = -1 if name == "right" else 1
        add(
            f"brow_down_{name}",
            _vec(
                bump(a, yc, 0.24, 0.30, 0.20, 0.11) * side * front, [-0.016 * sign, -0.045, 0.008]
            ),
        )
    u = (a - EYE_X) / EYE_HALF
    aperture = np.clip(1 - u**2, 0, 1) ** 0.75
    upper = aperture * np.exp(-((np.clip(ae, 0, None) / 0.085) ** 2)) * (ae > 0) * front
    lower = aperture * np.exp(-((np.clip(ae, None, 0) / 0.085) ** 2)) * (ae < 0) * front
    for name, side in sides:
        add(
            f"blink_{name}",
            _vec(upper * side, [0, -0.031, 0.009]) + _vec(lower * side, [0, 0.006, 0.002]),
        )
    for name, side in sides:
        add(
            f"eye_wide_{name}",
            _vec(upper * side, [0, 0.014, 0]) + _vec(lower * side, [0, -0.010, 0]),
        )
    for name, side in sides:
        bag = bump(a, yc, EYE_X, EYE_Y - 0.12, 0.16, 0.07) * side * front
        add(f"squint_{name}", _vec(lower * side, [0, 0.020, 0.004]) + _vec(bag, [0, 0.018, 0.010]))
    for name, side in sides:
        sign = -1 if name == "right" else 1
        cheek = bump(a, yc, 0.44, -0.45, 0.17, 0.22) * side * front
        add(f"cheek_puff_{name}", _vec(cheek, [0.040 * sign, 0, 0.050]))
    for name, side in sides:
        add(
            f"cheek_raise_{name}",
            _vec(bump(a, yc, 0.42, -0.12, 0.18, 0.13) * side * front, [0, 0.030, 0.014]),
        )
    for name, side in sides:
        wing = bump(a, yc, 0.13, -0.26, 0.09, 0.14) * side * front
        add(f"nose_wrinkle_{name}", _vec(wing, [0, 0.026, 0.010]))
    add(
        "nostril_flare",
        np.stack(
            [0.018 * np.sign(x) * bump(a, yc, 0.13, -0.34, 0.06, 0.06) * front, 0 * x, 0 * x], 1
        ),
    )
    named = np.stack(out)
    # finer regional directions: small bumps around mouth, cheeks, brows and eyes, orthogonal to the
    # directions before
    centres = [
        (0, -0.52),
        (0.17, -0.55),
        (0.22, -0.72),
        (0, -0.74),
        (0.32, -0.60),
        (0.42, -0.35),
        (0.30, -0.95),
        (0.22, 0.24),
        (0.40, 0.26),
        (0.0, 0.32),
        (0.45, 0.02),
        (0.12, -0.05),
    ]
    regional = []
    for cx, cy in centres:
        for mirror in (1, -1):
            if cx == 0 and mirror < 0:
                continue
            field = (
                bump(x, yc, cx, cy, 0.13, 0.12)
                + mirror * (cx > 0) * bump(x, yc, -cx, cy, 0.13, 0.12)
            ) * skin_like
            for axis in range(3):
                d = np.zeros((len(x), 3))
                d[:, axis] = field * (np.sign(x) * mirror if axis == 0 and cx > 0 else 1.0)
                regional.append(d)
    fine = _orthonormal(regional, named, N_EXPRESSION - len(named))
    fine *= 0.016 / np.abs(fine).max((1, 2), keepdims=True)
    names += [f"regional_{k}" for k in range(len(fine))]
    every = np.concatenate([named, fine])
    return names, _carry(s, every)


def identity_directions(s: Surface) -> tuple[list[str], np.ndarray]:
    """Names and directions (80, V, 3): proportions a sculptor would name, then smooth fields."""
    p = s.verts
    x, y, z = p.T
    a, sgn = np.abs(x), np.sign(x)
    o = 0 * x
    head = smooth(-1.45, -0.95, y)
    front = s.front
    face = front * smooth(-1.25, -0.95, y)
    rows = [
        ("head_width", np.stack([0.05 * x / 0.75 * head, o, o], 1)),
        ("head_height", np.stack([o, 0.05 * (y - 0.1) * head, o], 1)),
        ("head_depth", np.stack([o, o, 0.06 * (z + 0.4) * head], 1)),
        ("crown_height", np.stack([o, 0.06 * smooth(0.4, 1.2, y), o], 1)),
        (
            "face_length",
            np.stack([o, 0.06 * (y - 0.13) * smooth(0.1, -0.6, y) * smooth(-1.9, -1.0, y), o], 1),
        ),
        ("face_width", np.stack([0.04 * sgn * smooth(0.1, 0.6, a) * face, o, o], 1)),
        (
            "jaw_width",
            np.stack(
                [0.05 * sgn * smooth(0.1, 0.5, a) * bump(o, y, 0, -0.75, 1, 0.32) * head, o, o], 1
            ),
        ),
        ("chin_length", np.stack([o, -0.05 * smooth(-0.7, -1.0, y) * face, o], 1)),
        ("chin_forward", np.stack([o, o, 0.05 * bump(x, y, 0, -0.98, 0.35, 0.18) * face], 1)),
        (
            "chin_width",
            np.stack([0.04 * sgn * bump(a, y, 0.25, -0.97, 0.15, 0.18) * face, o, o], 1),
        ),
        (
            "cheekbones",
            np.stack(
                [
                    0.03 * sgn * bump(a, y, 0.55, -0.08, 0.22, 0.2) * face,
                    o,
                    0.03 * bump(a, y, 0.5, -0.1, 0.22, 0.2) * face,
                ],
                1,
            ),
        ),
        (
            "cheek_fullness",
            np.stack(
                [
                    0.03 * sgn * bump(a, y, 0.5, -0.5, 0.2, 0.25) * face,
                    o,
                    0.035 * bump(a, y, 0.45, -0.5, 0.22, 0.25) * face,
                ],
                1,
            ),
        ),
        ("forehead_slope", np.stack([o, o, -0.06 * smooth(0.35, 1.0, y) * front], 1)),
        ("brow_ridge", np.stack([o, o, 0.025 * bump(a, y, 0.22, 0.3, 0.3, 0.09) * face], 1)),
        ("brow_height", np.stack([o, 0.035 * bump(a, y, 0.28, 0.32, 0.3, 0.12) * face, o], 1)),
        (
            "brow_tilt",
            np.stack([o, 0.03 * (a - 0.3) / 0.2 * bump(a, y, 0.3, 0.32, 0.25, 0.1) * face, o], 1),
        ),
        (
            "eye_distance",
            np.stack([0.030 * sgn * bump(a, y, EYE_X, EYE_Y, 0.22, 0.16) * face, o, o], 1),
        ),
        ("eye_height", np.stack([o, 0.030 * bump(a, y, EYE_X, EYE_Y, 0.25, 0.15) * face, o], 1)),
        (
            "eye_size",
            np.stack(
                [
                    0.020 * (a - EYE_X) / 0.14 * sgn * bump(a, y, EYE_X, EYE_Y, 0.18, 0.12) * face,
                    0.12 * (y - EYE_Y) * bump(a, y, EYE_X, EYE_Y, 0.18, 0.10) * face,
                    o,
                ],
                1,
            ),
        ),
        (
            "eye_tilt",
            np.stack(
                [o, 0.022 * (a - EYE_X) / 0.14 * bump(a, y, EYE_X, EYE_Y, 0.2, 0.12) * face, o], 1
            ),
        ),
        ("eye_depth", np.stack([o, o, 0.030 * bump(a, y, EYE_X, EYE_Y, 0.2, 0.13) * face], 1)),
        ("nose_length", np.stack([o, -0.045 * bump(x, y, 0, -0.34, 0.2, 0.16) * face, o], 1)),
        ("nose_forward", np.stack([o, o, 0.045 * bump(x, y, 0, -0.28, 0.14, 0.16) * face], 1)),
        ("nose_bridge", np.stack([o, o, 0.035 * bump(x, y, 0, 0.0, 0.09, 0.16) * face], 1)),
        (
            "nose_width",
            np.stack([0.028 * sgn * bump(a, y, 0.13, -0.33, 0.09, 0.12) * face, o, o], 1),
        ),
        ("nose_tip_up", np.stack([o, 0.035 * bump(x, y, 0, -0.3, 0.09, 0.08) * face, o], 1)),
        (
            "mouth_width",
            np.stack([0.035 * sgn * bump(a, y, 0.25, -0.62, 0.16, 0.16) * face, o, o], 1),
        ),
        ("mouth_height", np.stack([o, 0.035 * bump(x, y, 0, -0.62, 0.38, 0.20) * face, o], 1)),
        ("mouth_forward", np.stack([o, o, 0.035 * bump(x, y, 0, -0.62, 0.30, 0.20) * face], 1)),
        (
            "upper_lip",
            np.stack(
                [
                    o,
                    0.016 * bump(x, y, 0, -0.545, 0.25, 0.05) * face,
                    0.014 * bump(x, y, 0, -0.57, 0.25, 0.05) * face,
                ],
                1,
            ),
        ),
        (
            "lower_lip",
            np.stack(
                [
                    o,
                    -0.018 * bump(x, y, 0, -0.72, 0.25, 0.06) * face,
                    0.016 * bump(x, y, 0, -0.69, 0.25, 0.06) * face,
                ],
                1,
            ),
        ),
        ("philtrum", np.stack([o, -0.03 * bump(x, y, 0, -0.55, 0.30, 0.12) * face, o], 1)),
        ("ear_size", np.stack([o, 0.20 * (y + 0.08) * (np.isin(s.part, [6, 7])), o], 1)),
        ("ear_out", np.stack([0.05 * sgn * np.isin(s.part, [6, 7]), o, o], 1)),
        (
            "neck_width",
            np.stack(
                [
                    0.10 * x * bump(o, y, 0, -1.35, 1, 0.25),
                    o,
                    0.08 * (z + 0.55) * bump(o, y, 0, -1.35, 1, 0.25),
                ],
                1,
            ),
        ),
        ("neck_length", np.stack([o, -0.12 * smooth(-1.0, -1.6, y), o], 1)),
        ("shoulder_width", np.stack([0.10 * x * smooth(-1.45, -1.9, y), o, o], 1)),
        (
            "shoulder_height",
            np.stack([o, 0.12 * smooth(0.6, 1.6, a) * smooth(-1.4, -1.8, y), o], 1),
        ),
        (
            "hair_volume",
            0.06 * (s.part == PARTS.index("hair"))[:, None] * s.hair[:, None] * _outwards(p),
        ),
        (
            "hair_height",
            np.stack([o, 0.08 * (s.part == PARTS.index("hair")) * smooth(0.5, 1.2, y), o], 1),
        ),
    ]
    names, named = [n for n, _ in rows], np.stack([d for _, d in rows])
    centres = [
        (0, 0.3, 0.5),
        (0, -0.1, 0.6),
        (0, -0.5, 0.5),
        (0, -0.9, 0.4),
        (0.32, 0.2, 0.4),
        (0.3, -0.2, 0.4),
        (0.3, -0.6, 0.35),
        (0.45, 0.4, 0.25),
        (0.6, 0.0, 0.1),
        (0.55, -0.6, 0.0),
        (0, 0.8, 0.3),
        (0.65, 0.6, -0.3),
        (0.3, -0.85, 0.3),
    ]
    regional = []
    for c in centres:
        for mirror in (1, -1):
            if c[0] == 0 and mirror < 0:
                continue
            g = [np.exp(-(((p - np.array(c) * [m, 1, 1]) / 0.26) ** 2).sum(1)) for m in (1, -1)]
            field = g[0] + mirror * (c[0] > 0) * g[1]
            for axis in range(3):
                d = np.zeros_like(p)
                d[:, axis] = field * (sgn if (axis == 0 and c[0] > 0) else 1.0)
                regional.append(d)
    fine = _orthonormal(regional, named, N_IDENTITY - len(named))
    fine *= 0.020 / np.abs(fine).max((1, 2), keepdims=True)
    names += [f"regional_{k}" for k in range(len(fine))]
    every = np.concatenate([named, fine])
    for part, side in (("eye_r", -1), ("eye_l", 1)):  # eyeballs move as rigid bodies
        ids = s.part == PARTS.index(part)
        socket = np.argmin(((s.verts[s.part == 0] - [side * EYE_X, EYE_Y, 0.39]) ** 2).sum(1))
        every[:, ids] = every[:, np.flatnonzero(s.part == 0)[socket]][:, None]
    return names, every


def _outwards(p):
    d = p - np.array([0, 0.2, -0.4])
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def _orthonormal(candidates: list[np.ndarray], against: np.ndarray, count: int) -> np.ndarray:
    """The `count` candidates that keep most of their length after Gram-Schmidt.

    They are made orthogonal to `against` and to each other.
    """
    shape = candidates[0].shape
    q, _ = np.linalg.qr(against.reshape(len(against), -1).T)
    c = np.stack([d.ravel() / np.linalg.norm(d) for d in candidates])
    c -= (c @ q) @ q.T
    out = []
    for _ in range(count):
        k = int(np.argmax((c**2).sum(1)))
        e = c[k] / np.linalg.norm(c[k])
        out.append(e)
        c -= np.outer(c @ e, e)
    return np.stack(out).reshape(count, *shape)


def _carry(s: Surface, directions: np.ndarray) -> np.ndarray:
    """Parts without a chart follow the skin they hang on, and the lower teeth follow the jaw."""
    out = directions.copy()
    mouth = s.part == PARTS.index("mouth")
    i, w = s.follow[mouth], s.share[mouth][:, None]
    out[:, mouth] = (1 - w) * directions[:, i[:, 0]] + w * directions[:, i[:, 1]]
    chin = np.argmin((s.chart[:, 0] ** 2 + (s.chart[:, 1] + 0.95) ** 2) + 9 * (s.front < 0.5))
    lower = s.part == PARTS.index("teeth_lower")
    out[0][lower] = directions[0, chin]
    shell = s.part == PARTS.index("hair")
    out[:, shell] = directions[:, s.follow[shell][:, 0]]
    return out
