"""What the synthetic subject looks like: skin, hair, brows, eyes, lips, clothes and light, all from
one seed.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.face_models.builtin_shape import (
    EYE_X,
    MOUTH_HALF,
    PARTS,
    Surface,
    bump,
    eye_centre,
    smooth,
    vertex_normals,
)

SKINS = [
    (0.89, 0.71, 0.61),
    (0.82, 0.62, 0.50),
    (0.70, 0.50, 0.38),
    (0.52, 0.35, 0.26),
    (0.36, 0.23, 0.17),
]
HAIRS = [
    (0.10, 0.07, 0.06),
    (0.22, 0.13, 0.08),
    (0.38, 0.24, 0.13),
    (0.66, 0.50, 0.28),
    (0.45, 0.20, 0.10),
    (0.55, 0.55, 0.56),
]
IRISES = [(0.25, 0.14, 0.08), (0.33, 0.45, 0.55), (0.32, 0.42, 0.27), (0.42, 0.30, 0.16)]
CLOTHES = [
    (0.18, 0.25, 0.42),
    (0.45, 0.15, 0.18),
    (0.20, 0.34, 0.27),
    (0.28, 0.28, 0.31),
    (0.60, 0.55, 0.47),
    (0.15, 0.40, 0.45),
]


@dataclass(frozen=True)
class Style:
    """Colours (3,) in [0, 1] and light; `stubble` 0..1, `light` (3,) is the direction towards the
    key light.
    """

    skin: tuple[float, ...]
    hair: tuple[float, ...]
    iris: tuple[float, ...]
    clothes: tuple[float, ...]
    lips: float
    stubble: float
    light: tuple[float, ...]
    seed: int


def random_style(seed: int) -> Style:
    """A style from a seed; the same seed, the same look."""
    g = np.random.default_rng(seed + 77)

    def pick(table: list[tuple[float, float, float]]) -> tuple[float, ...]:
        """One of the colours, a little lighter or darker and a little off."""
        colour = np.array(table[g.integers(len(table))]) * g.normal(1, 0.06)
        return tuple(float(c) for c in np.clip(colour + g.normal(0, 0.006, 3), 0.02, 0.98))

    angle = g.uniform(-0.8, 0.8)
    light = np.array([np.sin(angle), g.uniform(0.3, 0.8), np.cos(angle)])
    return Style(
        pick(SKINS),
        pick(HAIRS),
        pick(IRISES),
        pick(CLOTHES),
        g.uniform(0.3, 1),
        g.uniform(0, 0.5) * (g.random() < 0.5),
        tuple(float(k) for k in light / np.linalg.norm(light)),
        seed,
    )


def _noise(p: np.ndarray, seed: int, frequency: float) -> np.ndarray:
    """Band-limited noise (V,) of unit scale at points (V, 3): a few random plane waves."""
    g = np.random.default_rng(seed)
    k = g.normal(0, frequency, (24, 3))
    return np.sin(p @ k.T + g.uniform(0, 2 * np.pi, 24)).sum(1) / np.sqrt(12)


def albedo(s: Surface, style: Style) -> Tensor:
    """Base colour (V, 3) of every vertex in [0, 1]."""
    x, y = s.chart.T
    a = np.abs(x)
    p = s.verts
    skin, hair = np.array(style.skin), np.array(style.hair)
    out = np.tile(skin, (len(p), 1))

    def mix(w: np.ndarray, colour: np.ndarray) -> np.ndarray:
        """What is painted so far, with a share w (V,) of another colour."""
        return out + np.clip(w, 0, 1)[:, None] * (np.asarray(colour) - out)

    face = s.front * np.isin(s.part, [0, 6, 7])
    out = (
        out
        * (1 + 0.018 * _noise(p, style.seed, 9.0) + 0.012 * _noise(p, style.seed + 1, 26.0))[
            :, None
        ]
    )
    ruddy = skin * [1.02, 0.80, 0.78]
    out = mix(
        0.45
        * face
        * (bump(a, y, 0.42, -0.22, 0.2, 0.16) + 0.8 * bump(x, p[:, 1], 0, -0.29, 0.12, 0.1)),
        ruddy,
    )
    out = mix(0.35 * np.isin(s.part, [6, 7]), ruddy)
    out = mix(0.35 * face * bump(a, y, EYE_X, 0.05, 0.15, 0.06), skin * 0.72)
    beard = smooth(-0.36, -0.55, y) * smooth(-1.30, -1.05, y) * smooth(0.1, -0.1, a - 0.62) * face
    out = mix(style.stubble * beard, hair * 0.5 + skin * 0.25)
    # lips between their borders; the bow dips in the middle
    arc = np.clip(1 - (a / (MOUTH_HALF + 0.01)) ** 2, 0, 1) ** 0.7
    top = 0.080 * arc + 0.010 * bump(a, 0 * y, 0.05, 0, 0.04, 1)
    low = 0.105 * arc
    lips = smooth(top + 0.012, top - 0.008, s.above_mouth) * (s.above_mouth > 0) + smooth(
        low + 0.012, low - 0.01, -s.above_mouth
    ) * (s.above_mouth <= 0)
    lips = lips * (a < MOUTH_HALF + 0.01) * s.front * (s.part == 0)
    red = (
        skin * [0.88, 0.60, 0.60] * (1 - 0.2 * style.lips)
        + np.array([0.10, 0.0, 0.02]) * style.lips
    )
    out = mix(0.9 * lips, red)
    out = mix(
        0.8 * np.exp(-((s.above_mouth / 0.008) ** 2)) * (a < MOUTH_HALF) * s.front * (s.part == 0),
        red * 0.45,
    )
    # brows: a tapering arch
    t = (a - 0.12) / 0.36
    ridge = 0.300 + 0.050 * np.sin(np.clip(t, 0, 1) * 2.4) - 0.02 * t
    thick = 0.036 * smooth(-0.08, 0.1, t) * smooth(1.12, 0.3, t) + 1e-4
    out = mix(
        0.92
        * np.exp(-(((p[:, 1] - ridge) / thick) ** 4))
        * face
        * (t > -0.1)
        * (t < 1.12)
        * (s.part == 0),
        hair * 0.75,
    )
    out = mix(
        0.85
        * np.exp(-((s.above_eye / 0.012) ** 2))
        * bump(a, 0 * y, EYE_X, 0, 0.13, 1) ** 0.5
        * (s.part == 0)
        * face,
        hair * 0.4,
    )
    out = mix(
        0.85 * bump(a, p[:, 1], 0.060, -0.400, 0.034, 0.020) * face * (s.part == 0), skin * 0.25
    )
    # scalp under the hair, clothes with a round neckline
    out = mix(np.where(s.part == 0, smooth(0.1, 0.6, s.hair), 0), hair * 0.8)
    neckline = -1.62 - 0.22 * np.exp(-((p[:, 0] / 0.55) ** 2)) * smooth(-0.6, 0, p[:, 2])
    cloth = np.array(style.clothes) * (1 + 0.05 * _noise(p, style.seed + 2, 14.0))[:, None]
    out = out + (smooth(neckline + 0.02, neckline - 0.02, p[:, 1]) * (s.part == 0))[:, None] * (
        cloth - out
    )
    seam = np.exp(-(((p[:, 1] - neckline + 0.05) / 0.02) ** 2)) * (s.part == 0)
    out = mix(0.5 * seam, np.array(style.clothes) * 0.6)
    # the other parts
    shell = s.part == PARTS.index("hair")
    turn = np.arctan2(p[:, 0], p[:, 2] + 0.4)
    strands = 1 + 0.16 * np.sin(60 * turn + 8 * p[:, 1]) + 0.10 * np.sin(137 * turn - 11 * p[:, 1])
    out[shell] = (hair * strands[:, None])[shell]
    for side, part in ((-1, "eye_r"), (1, "eye_l")):
        ids = s.part == PARTS.index(part)
        d = p[ids] - eye_centre() * [side, 1, 1]
        r = np.where(d[:, 2] > 0, np.hypot(d[:, 0], d[:, 1]), 1.0)
        eye = np.tile([0.93, 0.91, 0.89], (len(d), 1))
        eye += smooth(0.068, 0.061, r)[:, None] * (np.array(style.iris) - eye)
        eye *= (1 - 0.6 * np.exp(-(((r - 0.063) / 0.006) ** 2)))[:, None]
        eye += smooth(0.029, 0.023, r)[:, None] * (0.02 - eye)
        out[ids] = eye
    out[s.part == PARTS.index("mouth")] = (0.28, 0.07, 0.08)
    out[np.isin(s.part, [PARTS.index("teeth_upper"), PARTS.index("teeth_lower")])] = (
        0.90,
        0.87,
        0.81,
    )
    return torch.from_numpy(np.clip(out, 0, 1).astype(np.float32))


def shade(base: Tensor, normals: Tensor, surface: Surface, style: Style) -> Tensor:
    """Lit colours (V, 3): a key light, a fill from the other side, sky above; teeth and mouth stay
    in shadow.
    """
    key = torch.tensor(style.light, dtype=torch.float32)
    fill = torch.nn.functional.normalize(torch.tensor([-float(style.light[0]), 0.1, 0.6]), dim=0)
    lit = 0.62 * (0.25 + 0.75 * (normals @ key)).clamp_min(0) + 0.20 * (normals @ fill).clamp_min(0)
    lit = lit + 0.30 + 0.08 * normals[:, 1]
    inside = torch.from_numpy(np.isin(surface.part, [PARTS.index("mouth")]))
    lit = torch.where(inside, torch.full_like(lit, 0.75), lit)
    return (base * lit[:, None]).clamp(0, 1)


def normals_of(verts: Tensor, faces: Tensor) -> Tensor:
    """Area-weighted unit normals (V, 3)."""
    return torch.from_numpy(
        vertex_normals(verts.double().numpy(), faces.numpy()).astype(np.float32)
    )
