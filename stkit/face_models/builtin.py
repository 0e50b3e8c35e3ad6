"""The built-in head: a procedural face model that anyone may use, for tracking and as the synthetic subject's body.

It is a stand-in for Basel 2009: 80 identity and 64 expression directions, coefficients roughly N(0, 1), decimetres.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from stkit.assets import cache_dir
from stkit.face_models import builtin_motion, builtin_shape
from stkit.face_models.builtin_shape import EYE_HALF, EYE_X, EYE_Y, MOUTH_HALF, PARTS, Surface
from stkit.face_models.landmarks import MEDIAPIPE_68
from stkit.face_models.linear import LinearModel

MAPPING = Path(__file__).with_name("builtin_mediapipe.npz")


@dataclass(frozen=True)
class BuiltinHead(LinearModel):
    """A linear model with 80 identity and 64 expression directions; `surface` keeps the modelling coordinates (parts, chart, hair)."""

    identity_names: tuple[str, ...]
    surface: Surface

    @staticmethod
    def load() -> "BuiltinHead":
        """Model the head, or read it from the cache (about 4 s the first time on a machine)."""
        sources = [Path(m.__file__).read_bytes() for m in (builtin_shape, builtin_motion)]
        path = (
            cache_dir()
            / f"builtin_head-{hashlib.sha256(b''.join(sources)).hexdigest()[:12]}.safetensors"
        )
        fields = list(Surface.__dataclass_fields__)
        if path.exists():
            data = load_file(path)
            surface = Surface(*[data[k] for k in fields])
            names_e = bytes(data["names_e"]).decode().split(",")
            names_i = bytes(data["names_i"]).decode().split(",")
            expression, identity = data["expression"], data["identity"]
        else:
            surface = builtin_shape.build()
            names_e, expression = builtin_motion.expression_directions(surface)
            names_i, identity = builtin_motion.identity_directions(surface)
            expression, identity = expression.astype(np.float32), identity.astype(np.float32)
            data = {k: np.ascontiguousarray(getattr(surface, k)) for k in fields}
            text = {
                k: np.frombuffer(",".join(v).encode(), np.uint8)
                for k, v in (("names_e", names_e), ("names_i", names_i))
            }
            temporary = path.with_suffix(f".{np.random.SeedSequence().entropy % 10**9}.tmp")
            save_file({**data, **text, "expression": expression, "identity": identity}, temporary)
            temporary.replace(path)
        hand = hand_landmarks(surface)
        if MAPPING.exists():
            with np.load(MAPPING, allow_pickle=False) as table:
                dense, dense_mediapipe = table["vertex"], table["mediapipe"]
            by_index = dict(zip(dense_mediapipe.tolist(), dense.tolist()))
            seen = [
                by_index.get(k) for k in MEDIAPIPE_68[:36]
            ]  # jaw, brows, nose: where the detector means them
            hand[:36] = [h if j is None else j for h, j in zip(hand[:36], seen)]
        else:
            dense, dense_mediapipe = hand[36:], np.array(MEDIAPIPE_68[36:])
        t = lambda a: torch.from_numpy(np.ascontiguousarray(a))
        return BuiltinHead(
            "builtin",
            t(surface.verts.astype(np.float32)),
            t(surface.faces),
            t(identity),
            t(expression),
            t(hand),
            t(dense.astype(np.int64)),
            t(dense_mediapipe.astype(np.int64)),
            tuple(names_e),
            tuple(names_i),
            surface,
        )

    def part(self, *names: str) -> Tensor:
        """Mask (V,) of the vertices that belong to the named parts."""
        return torch.from_numpy(np.isin(self.surface.part, [PARTS.index(n) for n in names]))


def hand_landmarks(s: Surface) -> np.ndarray:
    """The 68 iBUG landmarks (68,) as vertices, placed by chart position; +x is the subject's left, so 0 is at x < 0."""
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
