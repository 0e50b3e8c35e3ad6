"""The mean surface of the built-in head: a lofted skull, neck and chest with modelled features.

No data and no licence is needed. Decimetres; +x subject's left, +y up, +z out of the face; the
origin lies between the eyes, 5 cm behind the skin. A row of the grid runs around the head, a column
from chest to crown. Eyes and mouth are slits along a row.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

# One ring a line, from chest to crown: front (y, z), three flank points (x, y, z), back flank
# (x, y, z), back (y, z). Proportions after adult anthropometric means: head 15 cm wide, 23 cm high,
# 19 cm deep; eyes half-way up.
RINGS = np.array(
    [
        [
            -2.90,
            0.52,
            0.90,
            -2.90,
            0.46,
            1.60,
            -2.90,
            0.12,
            2.12,
            -2.90,
            -0.50,
            1.30,
            -2.90,
            -1.22,
            -2.90,
            -1.34,
        ],
        [
            -2.40,
            0.38,
            0.92,
            -2.36,
            0.32,
            1.62,
            -2.32,
            0.00,
            2.10,
            -2.28,
            -0.50,
            1.24,
            -2.20,
            -1.18,
            -2.22,
            -1.34,
        ],
        [
            -1.98,
            0.10,
            0.72,
            -1.93,
            0.10,
            1.30,
            -1.92,
            -0.12,
            1.76,
            -1.92,
            -0.52,
            1.06,
            -1.74,
            -1.06,
            -1.72,
            -1.20,
        ],
        [
            -1.66,
            -0.04,
            0.42,
            -1.66,
            -0.07,
            0.64,
            -1.64,
            -0.26,
            0.80,
            -1.60,
            -0.54,
            0.62,
            -1.46,
            -0.96,
            -1.40,
            -1.10,
        ],
        [
            -1.36,
            -0.14,
            0.33,
            -1.36,
            -0.19,
            0.49,
            -1.33,
            -0.34,
            0.565,
            -1.26,
            -0.58,
            0.43,
            -1.12,
            -0.93,
            -1.06,
            -1.03,
        ],
        [
            -1.16,
            -0.06,
            0.29,
            -1.14,
            -0.10,
            0.46,
            -1.08,
            -0.28,
            0.54,
            -0.96,
            -0.58,
            0.43,
            -0.78,
            -0.98,
            -0.70,
            -1.06,
        ],
        [
            -1.10,
            0.28,
            0.30,
            -1.07,
            0.17,
            0.51,
            -0.92,
            -0.12,
            0.61,
            -0.74,
            -0.54,
            0.48,
            -0.47,
            -1.08,
            -0.38,
            -1.17,
        ],
        [
            -0.95,
            0.44,
            0.325,
            -0.90,
            0.345,
            0.57,
            -0.73,
            0.01,
            0.665,
            -0.52,
            -0.52,
            0.55,
            -0.22,
            -1.16,
            -0.12,
            -1.27,
        ],
        [
            -0.62,
            0.455,
            0.375,
            -0.60,
            0.37,
            0.63,
            -0.47,
            0.08,
            0.68,
            -0.29,
            -0.50,
            0.62,
            -0.01,
            -1.21,
            0.08,
            -1.34,
        ],
        [
            -0.38,
            0.475,
            0.40,
            -0.34,
            0.42,
            0.655,
            -0.21,
            0.13,
            0.70,
            -0.06,
            -0.49,
            0.66,
            0.18,
            -1.21,
            0.27,
            -1.38,
        ],
        [
            -0.10,
            0.475,
            0.41,
            -0.07,
            0.435,
            0.675,
            0.01,
            0.16,
            0.72,
            0.14,
            -0.49,
            0.69,
            0.36,
            -1.19,
            0.45,
            -1.39,
        ],
        [
            0.13,
            0.465,
            0.41,
            0.14,
            0.41,
            0.665,
            0.19,
            0.16,
            0.74,
            0.30,
            -0.49,
            0.71,
            0.52,
            -1.13,
            0.62,
            -1.34,
        ],
        [
            0.34,
            0.505,
            0.39,
            0.35,
            0.445,
            0.65,
            0.39,
            0.17,
            0.755,
            0.48,
            -0.47,
            0.70,
            0.68,
            -1.01,
            0.80,
            -1.23,
        ],
        [
            0.62,
            0.49,
            0.385,
            0.63,
            0.41,
            0.63,
            0.66,
            0.14,
            0.74,
            0.71,
            -0.46,
            0.66,
            0.87,
            -0.89,
            0.98,
            -1.05,
        ],
        [
            0.90,
            0.36,
            0.35,
            0.90,
            0.285,
            0.555,
            0.90,
            0.05,
            0.66,
            0.93,
            -0.45,
            0.56,
            1.04,
            -0.78,
            1.12,
            -0.87,
        ],
        [
            1.12,
            0.12,
            0.27,
            1.12,
            0.06,
            0.42,
            1.11,
            -0.10,
            0.49,
            1.11,
            -0.44,
            0.40,
            1.17,
            -0.66,
            1.21,
            -0.69,
        ],
        [
            1.245,
            -0.18,
            0.14,
            1.24,
            -0.20,
            0.20,
            1.235,
            -0.28,
            0.23,
            1.235,
            -0.42,
            0.20,
            1.25,
            -0.54,
            1.255,
            -0.55,
        ],
    ]
)
ANGLES = np.array([0, 38, 66, 96, 138, 180]) / 180.0
CROWN = (0.0, 1.28, -0.38)
MOUTH_RING, EYE_RING = 8, 11
MOUTH_HALF = 0.25
EYE_X, EYE_Y, EYE_R = 0.315, 0.135, 0.122
EYE_HALF = 0.142

PARTS = ("skin", "eye_r", "eye_l", "mouth", "teeth_upper", "teeth_lower", "ear_r", "ear_l", "hair")


@dataclass(frozen=True)
class Surface:
    """The mean head: verts (V, 3) float64, faces (F, 3), and what each vertex belongs to.

    chart (V, 2) is x, y on the face before features, the coordinates in which features and motions
    are placed; follow (V, 2), for parts without a chart of their own, the two skin vertices between
    which they hang.
    """

    verts: np.ndarray
    faces: np.ndarray
    part: np.ndarray  # (V,) index into PARTS
    chart: np.ndarray
    above_mouth: np.ndarray  # (V,) height over the mouth line (dm), signed by the slit's side
    above_eye: np.ndarray  # (V,) height over the eye line (dm), signed by the lid
    front: np.ndarray  # (V,) 1 on the face, 0 on the back of the head
    follow: np.ndarray
    share: np.ndarray  # (V,) weight of the second of these
    hair: np.ndarray  # (V,) 0..1, how much hair grows here


def bump(x, y, x0, y0, sx, sy):
    """exp(-((x-x0)/sx)^2 - ((y-y0)/sy)^2): the kit's one way to place a feature."""
    return np.exp(-(((x - x0) / sx) ** 2) - ((y - y0) / sy) ** 2)


def smooth(edge0, edge1, x):
    """Smooth step from 0 at edge0 to 1 at edge1 (either order)."""
    t = np.clip((x - edge0) / (edge1 - edge0), 0, 1)
    return t * t * (3 - 2 * t)


def _loft(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Surface points (R, C, 3) at ring positions `rows` (0..17) and angles `columns`.

    Angles are in (-1, 1] of half a turn.
    """
    control = np.zeros((len(RINGS) + 1, 6, 3))
    control[:-1, 0, 1:] = RINGS[:, 0:2]
    control[:-1, 1:5] = RINGS[:, 2:14].reshape(-1, 4, 3)
    control[:-1, 5, 1:] = RINGS[:, 14:16]
    control[-1] = CROWN
    along = PchipInterpolator(np.arange(len(control)), control.reshape(len(control), -1), axis=0)
    # PCHIP keeps the profile free of overshoot; a light blend with the natural spline rounds it
    smooth_along = CubicSpline(np.arange(len(control)), control.reshape(len(control), -1), axis=0)
    rings = (0.4 * along(rows) + 0.6 * smooth_along(rows)).reshape(len(rows), 6, 3)
    mirror = rings[:, 1:-1][:, ::-1] * np.array([-1, 1, 1])
    closed = np.concatenate([mirror, rings, mirror[:, :1]], 1)
    angles = np.concatenate([-ANGLES[1:-1][::-1], ANGLES, [2 - ANGLES[-2]]])
    around = CubicSpline(angles, closed, axis=1, bc_type="periodic")
    return around(columns)


def _warp(density: list[tuple[float, float]], count: int) -> np.ndarray:
    """`count` + 1 positions over the range of the (position, density) knots, as dense as these."""
    at, weight = np.array(density).T
    fine = np.linspace(at[0], at[-1], 4001)
    total = np.concatenate([[0], np.cumsum(np.interp(fine[:-1], at, weight))])
    return np.interp(np.linspace(0, total[-1], count + 1), total, fine)


def _features(p: np.ndarray) -> np.ndarray:
    """Displace the loft (R, C, 3) into a face: brows, sockets, nose, lips, chin, cheeks."""
    x, y = p[..., 0], p[..., 1]
    a = np.abs(x)
    front = smooth(-0.25, 0.1, p[..., 2])
    z = np.zeros_like(x)
    z += 0.050 * bump(a, y, 0.27, 0.27, 0.20, 0.075) + 0.02 * bump(x, y, 0, 0.30, 0.12, 0.08)
    z -= 0.135 * bump(a, y, EYE_X - 0.02, EYE_Y, 0.165, 0.105)
    z -= 0.040 * bump(a, y, 0.13, 0.13, 0.05, 0.09)
    z += 0.050 * bump(a, y, 0.46, -0.10, 0.15, 0.13)
    z -= 0.030 * bump(a, y, 0.46, -0.50, 0.14, 0.20)
    z -= (
        0.022
        * np.exp(-(((a - 0.20 - 0.28 * (-0.36 - y)) / 0.045) ** 2))
        * smooth(-0.72, -0.5, y)
        * smooth(-0.25, -0.4, y)
    )
    # nose: a ridge that grows from the root, turns under at the tip; ball, wings
    ridge = 0.205 * smooth(0.20, -0.27, y) ** 1.1 * smooth(-0.45, -0.32, y)
    width = 0.062 + 0.055 * smooth(0.1, -0.3, y)
    z += ridge * np.exp(-((a / width) ** 2)) + 0.02 * bump(x, y, 0, 0.06, 0.06, 0.12)
    z += 0.062 * bump(x, y, 0, -0.285, 0.090, 0.072)
    z += 0.085 * bump(a, y, 0.122, -0.340, 0.050, 0.055)
    z -= 0.020 * bump(a, y, 0.185, -0.33, 0.03, 0.07)
    # philtrum, lips with a cupid's bow, the fold above the chin, the chin
    z -= 0.016 * bump(x, y, 0, -0.49, 0.030, 0.055)
    arc = np.clip(1 - (a / (MOUTH_HALF + 0.03)) ** 2, 0, 1) ** 0.8
    bow = 0.012 * bump(a, 0 * y, 0.055, 0, 0.05, 1) - 0.010 * bump(a, 0 * y, 0, 0, 0.03, 1)
    z += 0.072 * arc * np.exp(-(((y + 0.575 - bow) / 0.042) ** 2))
    z += 0.082 * arc * np.exp(-(((y + 0.678) / 0.048) ** 2))
    z += 0.040 * np.exp(-((a / 0.30) ** 2)) * np.exp(-(((y + 0.60) / 0.16) ** 2))
    z -= 0.026 * np.exp(-((a / 0.25) ** 4)) * np.exp(-(((y + 0.620) / 0.016) ** 2))
    z -= 0.035 * bump(x, y, 0, -0.785, 0.17, 0.045)
    z += 0.050 * bump(x, y, 0, -0.945, 0.15, 0.10)
    q = p.copy()
    q[..., 2] += z * front
    pinch = bump(a, y, 0.13, -0.40, 0.06, 0.035) * front
    q[..., 1] += 0.015 * pinch
    # collar bones, throat
    q[..., 2] += 0.04 * bump(a, y, 0.55, -1.80, 0.5, 0.05) * smooth(-0.3, 0.0, p[..., 2])
    return q


def _lids(q: np.ndarray, above: np.ndarray, chart: np.ndarray) -> np.ndarray:
    """Lay the closed lids on the eyeballs, then open them by moving the lid rows apart."""
    a = np.abs(chart[..., 0])
    centre = eye_centre()
    u = (a - EYE_X) / EYE_HALF
    near = smooth(1.55, 0.9, np.sqrt(u**2 + (above / 0.17) ** 2)) * smooth(-0.1, 0.1, q[..., 2])
    aperture = np.clip(1 - u**2, 0, 1) ** 0.75
    tilt = 0.012 * u
    up = 0.060 * aperture * np.exp(-((np.clip(above, 0, None) / 0.085) ** 2)) * (above > 0)
    down = 0.034 * aperture * np.exp(-((np.clip(above, None, 0) / 0.085) ** 2)) * (above < 0)
    out = q.copy()
    out[..., 1] += (up - down + tilt * near) * (near > 0)
    # keep the lids' skin outside the ball by 0.014
    d = out - np.where(chart[..., :1] < 0, centre * np.array([-1, 1, 1]), centre)
    lateral = d[..., 0] ** 2 + d[..., 1] ** 2
    ball = np.sqrt(np.clip((EYE_R + 0.014) ** 2 - lateral, 0, None)) + centre[2]
    cover = smooth(EYE_R * 1.35, EYE_R * 0.75, np.sqrt(lateral)) * smooth(-0.1, 0.1, q[..., 2])
    lifted = np.maximum(out[..., 2], ball)
    out[..., 2] += cover * (lifted - out[..., 2])
    fold = np.exp(-(((above - 0.055) / 0.014) ** 2)) * aperture
    out[..., 2] -= 0.012 * fold * near
    return out


def eye_centre() -> np.ndarray:
    """Centre (3,) of the left eyeball."""
    return np.array([EYE_X, EYE_Y + 0.012, 0.262])


def _grid_faces(rows: int, columns: int) -> np.ndarray:
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    k = (j + 1) % columns
    a, b, c, d = i * columns + j, i * columns + k, (i + 1) * columns + j, (i + 1) * columns + k
    return np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], 2).reshape(-1, 3)


def hair_density(chart: np.ndarray, verts: np.ndarray) -> np.ndarray:
    """0..1 where scalp hair grows, from the hairline to the nape."""
    x, y, z = verts[:, 0], verts[:, 1], verts[:, 2]
    a = np.abs(x)
    line = 0.80 - 0.10 * (a / 0.4) ** 2  # forehead
    line = np.where(z < 0.12, 0.62 - 1.5 * (0.12 - z), line)  # temple and sideburn
    line = np.maximum(line, np.where(z < -0.62, -0.62 + 0.0 * z, -0.28))
    around_ear = 1 - bump(z, y, -0.47, -0.06, 0.26, 0.30) * (a > 0.45)
    return smooth(-0.05, 0.09, y - line) * np.clip(around_ear, 0, 1) * (y > -0.8)


def build() -> Surface:
    """Make the mean surface."""
    row_at = _warp(
        [
            (0, 0.5),
            (1.2, 0.7),
            (1.8, 1.6),
            (3, 1.6),
            (4, 0.8),
            (5.5, 1.2),
            (7, 2.2),
            (7.7, 4.0),
            (8.6, 4.0),
            (9.2, 3.2),
            (11.5, 3.2),
            (12.5, 1.4),
            (16.9, 0.8),
        ],
        160,
    )
    for ring in (MOUTH_RING, EYE_RING):
        row_at[np.argmin(np.abs(row_at - ring))] = ring
    half = _warp([(0, 3.0), (0.25, 2.6), (0.4, 1.0), (1, 0.6)], 70)
    columns = np.concatenate([-half[1:-1][::-1], half])
    base = _loft(row_at, columns)
    R, C = base.shape[:2]
    rm, re = int(np.argmin(np.abs(row_at - MOUTH_RING))), int(np.argmin(np.abs(row_at - EYE_RING)))
    chart = base[..., :2].copy()
    above_m = chart[..., 1] - chart[rm][None, :, 1]
    above_e = chart[..., 1] - chart[re][None, :, 1]
    q = _features(base)

    # split the slit rows: the original vertex becomes the upper lip or lid, a copy the lower
    a = np.abs(chart[..., 0])
    faceward = np.abs(columns) < 0.5
    m_cols = np.flatnonzero((a[rm] < MOUTH_HALF) & faceward)
    e_cols = np.flatnonzero((np.abs(a[re] - EYE_X) < EYE_HALF) & faceward)
    verts = q.reshape(R * C, *q.shape[2:])
    chart_f = chart.reshape(R * C, *chart.shape[2:])
    am = above_m.reshape(R * C, *above_m.shape[2:]).copy()
    ae = above_e.reshape(R * C, *above_e.shape[2:]).copy()
    faces = _grid_faces(R, C)
    extra_src = np.concatenate([rm * C + m_cols, re * C + e_cols])
    copy_of = np.full(R * C + len(extra_src), -1)
    copy_of[extra_src] = R * C + np.arange(len(extra_src))
    below = (faces // C).max(1)
    for row in (rm, re):
        hit = (below == row)[:, None] & (faces // C == row) & (copy_of[faces] >= 0)
        faces = np.where(hit, copy_of[faces], faces)
    eps = 1e-6
    am[rm * C + m_cols] = eps
    ae[re * C + e_cols] = eps
    verts, chart_f = (
        np.concatenate([verts, verts[extra_src]]),
        np.concatenate([chart_f, chart_f[extra_src]]),
    )
    am, ae = np.concatenate([am, am[extra_src]]), np.concatenate([ae, ae[extra_src]])
    am[R * C : R * C + len(m_cols)] = -eps
    ae[R * C + len(m_cols) :] = -eps
    verts = _lids(verts, ae, chart_f)
    crown = len(verts)
    verts = np.concatenate([verts, [CROWN]])
    chart_f = np.concatenate([chart_f, [CROWN[:2]]])
    am, ae = np.append(am, 2.0), np.append(ae, 1.2)
    top = (R - 1) * C + np.arange(C)
    faces = np.concatenate([faces, np.stack([top, np.roll(top, -1), np.full(C, crown)], -1)])
    front = smooth(-0.35, 0.05, verts[:, 2])

    pieces = _Pieces(verts, faces, chart_f, am, ae, front)
    pieces.hair(C)
    upper, lower = rm * C + m_cols, R * C + np.arange(len(m_cols))
    ends = rm * C + np.array([m_cols[0] - 1, m_cols[-1] + 1])
    pieces.cavity(np.r_[ends[0], upper, ends[1]], np.r_[ends[0], lower, ends[1]])
    pieces.teeth(upper, lower)
    pieces.eyes()
    pieces.ears()
    return pieces.surface()


class _Pieces:
    """Collects the head's parts into one vertex list."""

    def __init__(self, verts, faces, chart, above_mouth, above_eye, front):
        n = len(verts)
        self.v, self.f, self.c, self.am, self.ae, self.fr = (
            [verts],
            [faces],
            [chart],
            [above_mouth],
            [above_eye],
            [front],
        )
        self.p = [np.zeros(n, int)]
        self.fo, self.sh = [np.stack([np.arange(n)] * 2, 1)], [np.zeros(n)]
        self.skin, self.skin_faces, self.chart, self.n = verts, faces, chart, n
        self.h = [hair_density(chart, verts)]

    def add(self, name, verts, faces, follow, share, hair=0.0):
        n = len(verts)
        follow = np.asarray(follow)
        (
            self.v.append(verts),
            self.f.append(faces + self.n),
            self.p.append(np.full(n, PARTS.index(name))),
        )
        self.fo.append(follow), self.sh.append(share), self.h.append(np.broadcast_to(hair, n))
        for store in (self.c, self.am, self.ae, self.fr):
            store.append(store[0][follow[:, 0]])
        self.n += n

    def hair(self, columns):
        """A shell over the scalp, thick on top and tapering to the hairline, with strands."""
        h = self.h[0]
        normals = vertex_normals(self.skin, self.skin_faces)
        keep = h[self.skin_faces].max(1) > 0.03
        ids = np.unique(self.skin_faces[keep])
        new = np.full(len(self.skin), -1)
        new[ids] = np.arange(len(ids))
        p, d = self.skin[ids], h[ids]
        turn = np.arctan2(p[:, 0], p[:, 2] + 0.4)
        wave = 0.016 * np.sin(22 * turn + 5 * p[:, 1]) + 0.010 * np.sin(41 * turn - 9 * p[:, 1])
        thick = d * (0.085 + 0.075 * smooth(0.3, 1.1, p[:, 1]) + wave) - 0.02 * (1 - d)
        self.add(
            "hair",
            p + normals[ids] * thick[:, None],
            new[self.skin_faces[keep]],
            np.stack([ids, ids], 1),
            np.zeros(len(ids)),
            d,
        )

    def cavity(self, upper, lower):
        """A dark bag behind the lips; each column runs from the upper lip back to the lower lip."""
        steps = 9
        s = np.linspace(0, 1, steps)[None, :, None]
        u, w = self.skin[upper][:, None], self.skin[lower][:, None]
        line = (1 - s) * u + s * w
        depth = np.sin(np.pi * s) ** 0.7
        line = line + depth * np.array([0, 0, -0.32])
        line[..., 0] *= 1 - 0.12 * depth[..., 0]
        line[..., 1] += (0.16 * np.sin(2 * np.pi * s) * depth)[..., 0]
        n = len(upper)
        i, j = np.meshgrid(np.arange(n - 1), np.arange(steps - 1), indexing="ij")
        a, b, c, d = i * steps + j, i * steps + j + 1, (i + 1) * steps + j, (i + 1) * steps + j + 1
        faces = np.concatenate(
            [np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)]
        )
        follow = np.stack([np.repeat(upper, steps), np.repeat(lower, steps)], 1)
        self.add("mouth", line.reshape(-1, 3), faces, follow, np.tile(np.linspace(0, 1, steps), n))

    def teeth(self, upper, lower):
        """Two curved bands; the upper hangs from the skull, the lower from the jaw."""
        t = np.linspace(-1, 1, 33)
        for name, lip, top, height in (
            ("teeth_upper", upper, -0.590, 0.085),
            ("teeth_lower", lower, -0.705, 0.07),
        ):
            rows = np.linspace(0, 1, 4)
            x = 0.205 * t[:, None] * np.ones(4)
            y = top - height * rows[None] * np.ones((33, 1))
            z = 0.415 - 0.16 * t[:, None] ** 2 + 0.012 * np.sin(np.pi * rows)[None]
            i, j = np.meshgrid(np.arange(32), np.arange(3), indexing="ij")
            a, b, c, d = i * 4 + j, i * 4 + j + 1, (i + 1) * 4 + j, (i + 1) * 4 + j + 1
            faces = np.concatenate(
                [np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)]
            )
            middle = lip[len(lip) // 2]
            self.add(
                name,
                np.stack([x, y, z], -1).reshape(-1, 3),
                faces,
                np.full((33 * 4, 2), middle),
                np.zeros(33 * 4),
            )

    def eyes(self):
        th, ph = np.pi * np.linspace(0, 1, 37)[1:-1] ** 1.6, np.linspace(0, 2 * np.pi, 37)[:-1]
        T, P = np.meshgrid(th, ph, indexing="ij")
        ball = np.stack([np.sin(T) * np.cos(P), np.sin(T) * np.sin(P), np.cos(T)], -1).reshape(
            -1, 3
        )
        ball = np.concatenate([ball, [[0, 0, 1], [0, 0, -1]]])
        faces = _grid_faces(35, 36)[:, ::-1]
        ring0, ring1, n = np.arange(36), 34 * 36 + np.arange(36), len(ball)
        caps = [
            np.stack([np.roll(ring0, -1), ring0, np.full(36, n - 2)], -1),
            np.stack([ring1, np.roll(ring1, -1), np.full(36, n - 1)], -1),
        ]
        faces = np.concatenate([faces, *[c[:, ::-1] for c in caps]])
        for name, side in (("eye_r", -1), ("eye_l", 1)):
            centre = eye_centre() * [side, 1, 1]
            near = np.argmin(((self.skin - centre - [0, 0.3, 0.2]) ** 2).sum(1))
            self.add(name, centre + EYE_R * ball, faces, np.full((n, 2), near), np.zeros(n))

    def ears(self):
        """A shell with a rim, a bowl and a lobe, turned out from the head by 25 degrees."""
        r, phi = np.linspace(0, 1, 15), np.linspace(0, 2 * np.pi, 41)[:-1]
        Rr, P = np.meshgrid(r, phi, indexing="ij")
        up, back = Rr * np.cos(P), Rr * np.sin(P)
        high = 0.285 * up * (1 + 0.10 * up)
        deep = back * (0.165 + 0.035 * up)
        lift = 0.075 * np.exp(-(((Rr - 0.86) / 0.13) ** 2)) - 0.075 * np.exp(-((Rr / 0.5) ** 2)) * (
            up < 0.5
        )
        lift += 0.035 * np.exp(-(((Rr - 0.52) / 0.10) ** 2)) * (back > -0.15) - 0.05 * smooth(
            0.9, 1, Rr
        )
        lift *= smooth(-1.2, -0.5, up)
        faces = _grid_faces(15, 40)
        for name, side in (("ear_r", -1), ("ear_l", 1)):
            out = 0.02 + 0.42 * (deep + 0.16) + lift
            p = np.stack(
                [
                    side * (0.715 + out),
                    high - 0.075 + 0.10 * deep,
                    -0.50 - deep * 0.9 - 0.10 * high,
                ],
                -1,
            ).reshape(-1, 3)
            near = np.argmin(((self.skin - [side * 0.71, -0.05, -0.42]) ** 2).sum(1))
            self.add(
                name,
                p,
                faces if side > 0 else faces[:, ::-1],
                np.full((len(p), 2), near),
                np.zeros(len(p)),
            )

    def surface(self) -> Surface:
        cat = np.concatenate
        return Surface(
            cat(self.v),
            cat(self.f),
            cat(self.p),
            cat(self.c),
            cat(self.am),
            cat(self.ae),
            cat(self.fr),
            cat(self.fo),
            cat(self.sh),
            cat(self.h),
        )


def vertex_normals(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals (V, 3)."""
    a, b, c = (verts[faces[:, k]] for k in range(3))
    n = np.cross(b - a, c - a)
    out = np.zeros_like(verts)
    for k in range(3):
        np.add.at(out, faces[:, k], n)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
