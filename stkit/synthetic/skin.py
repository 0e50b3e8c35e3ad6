"""Skin: its colour by melanin and blood, and its relief, painted into textures once a person."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.synthetic import chart
from stkit.synthetic.marks import LEFT_EYE, OUTER_LIPS, RIGHT_EYE, marks
from stkit.synthetic.person import MEN, Person
from stkit.synthetic.wrinkles import expression_wrinkles, folds

# light that skin returns (linear RGB), and what melanin and blood take from it (natural logarithms)
PALE = torch.tensor([0.80, 0.55, 0.43])
MELANIN = torch.tensor([2.30, 2.75, 3.05])
BLOOD = torch.tensor([0.10, 0.62, 0.55])

NOSE_TIP, NOSE_BASE, CHIN, FOREHEAD = 4, 2, 152, 151
CHEEKS = (50, 280)
JAW_CORNERS = (58, 288)
BESIDE_EARS = (234, 454)
MOUTH_CORNERS = (61, 291)
# how dark the skin is below each kind of beard, and below a shaven one
BEARD_SHADOWS = {"none": 0.0, "moustache": 0.3, "stubble": 0.55, "short": 0.55}
SHAVEN = 0.12


@dataclass(frozen=True)
class Skin:
    """Textures (C, SIZE, SIZE) of one person: `colour` (3, ...) linear RGB, `gloss` (1, ...) where
    1 is the usual shine, `relief` (...) in decimetres at rest, and `wrinkles`: relief by name that
    an expression deepens.
    """

    colour: Tensor
    gloss: Tensor
    relief: Tensor
    wrinkles: dict[str, Tensor]


def lips_mask() -> Tensor:
    """How much texels belong to the lips' red, in [0, 1]."""
    return chart.inside(marks(*OUTER_LIPS), 0.006)


def eye_masks(margin: float, softness: float) -> Tensor:
    """1 within the openings of both eyes, widened by a margin in decimetres."""
    both = torch.zeros(chart.SIZE, chart.SIZE)
    for ring in (RIGHT_EYE, LEFT_EYE):
        distance = chart.signed_distance(marks(*ring), margin + 6 * softness)
        both = torch.maximum(both, torch.sigmoid((distance + margin) / softness))
    return both


def beard_mask() -> Tensor:
    """Where beards grow, in [0, 1]."""
    ears, corners, chin = marks(*BESIDE_EARS), marks(*JAW_CORNERS), marks(CHIN)[0]
    mouth, nose = marks(*MOUTH_CORNERS), marks(NOSE_BASE)[0]
    right = [
        ears[0] + torch.tensor([0.0, 0.25]),
        ears[0] + torch.tensor([0.16, 0.2]),
        corners[0] + torch.tensor([0.26, 0.22]),
        mouth[0] + torch.tensor([-0.16, 0.06]),
        mouth[0] + torch.tensor([-0.02, 0.13]),
        nose + torch.tensor([-0.13, -0.03]),
    ]
    down = [
        torch.stack([chin[0], chin[1] - 0.22]),
        corners[0] + torch.tensor([0.0, -0.35]),
        ears[0] + torch.tensor([-0.04, -0.3]),
    ]
    mirror = torch.tensor([-1.0, 1.0])
    left = [p * mirror for p in reversed(right)]
    outline = torch.stack([*right, *left, *(p * mirror for p in reversed(down[1:])), *down])
    grown = chart.inside(outline, 0.035)
    bare = chart.inside(marks(*OUTER_LIPS), 0.012)
    return grown * (1 - bare)


def paint(person: Person, hair_colour: Tensor, scalp: Tensor) -> Skin:
    """The textures of one person; hair_colour (3,) linear RGB tints the beard's shadow and the
    scalp (SIZE, SIZE), which says how densely hair grows.
    """
    lips, beard = lips_mask(), BEARD_SHADOWS[person.hair.beard] * beard_mask()
    if person.hair.beard == "none":
        beard = SHAVEN * beard_mask() * (person.traits.male > MEN)
    roots = 0.0 * scalp if person.hair.style == "bald" else 0.75 * scalp
    colour = _light_returned(_melanin(person, lips), _blood(person, lips))
    dots = (0.7 + 0.3 * chart.noise(person.seed, "stubble", 0.018)).clamp(0, 1.3)
    hair = hair_colour[:, None, None]
    colour = torch.lerp(colour, 0.45 * hair + 0.2 * colour, (beard * dots).clamp(0, 0.8)[None])
    colour = torch.lerp(colour, 0.8 * hair + 0.12 * colour, roots[None])
    gloss = 0.75 + 0.5 * _oily() + 0.5 * lips - 0.3 * beard - 0.65 * roots
    relief = _relief(person, lips)
    return Skin(colour.clamp(0.002, 0.95), gloss[None], relief, expression_wrinkles(person))


def _melanin(person: Person, lips: Tensor) -> Tensor:
    """Melanin of every texel: uneven, more around the eyes, in freckles and in moles."""
    look, seed = person.skin, person.seed
    uneven = 0.03 * chart.noise(seed, "blotches", 0.35) + 0.02 * chart.noise(seed, "grain", 0.028)
    melanin = look.melanin * (1 + uneven + 0.02 * chart.noise(seed, "mottle", 0.09))
    melanin = melanin + (0.05 + 0.06 * look.melanin) * _around_eyes() * (0.6 + look.wrinkles)
    melanin = melanin + _freckles(person) + _moles(person)
    return torch.lerp(melanin, 0.06 + 0.85 * melanin, lips)


def _blood(person: Person, lips: Tensor) -> Tensor:
    """Blood below every texel: more in cheeks, nose, chin and ears, most in the lips."""
    look, seed = person.skin, person.seed
    mottle = chart.noise(seed, "mottle", 0.09)
    uneven = 0.08 * chart.noise(seed, "blotches", 0.35) + 0.04 * chart.noise(seed, "grain", 0.028)
    regions = 0.55 * (_cheeks() + 0.8 * _nose() + 0.5 * _chin() + 0.9 * _ears())
    blood = look.blood * (0.55 + uneven + 0.06 * mottle + regions)
    red = 0.75 + 0.9 * look.lips + 0.1 * chart.noise(seed, "lip lines", 0.02) + 0.1 * mottle
    return torch.lerp(blood, red, 0.9 * lips) + 0.35 * eye_masks(0.02, 0.008)


def _light_returned(melanin: Tensor, blood: Tensor) -> Tensor:
    """Linear RGB (3, ...) of skin with these shares of pigments (...)."""
    taken = MELANIN[:, None, None] * melanin + BLOOD[:, None, None] * blood
    return PALE[:, None, None] * torch.exp(-taken)


def _cheeks() -> Tensor:
    right, left = marks(*CHEEKS)
    return chart.spot(right, 0.16, 0.14) + chart.spot(left, 0.16, 0.14)


def _nose() -> Tensor:
    return chart.spot(marks(NOSE_TIP)[0], 0.10, 0.10)


def _chin() -> Tensor:
    return chart.spot(marks(CHIN)[0] + torch.tensor([0.0, 0.1]), 0.12, 0.08)


def _ears() -> Tensor:
    """1 on the ears, which stand out from the skull around the sides."""
    t = chart.texels()
    side = t.across.abs() - 0.5 * math.pi * chart.RADIUS
    return torch.exp(-(side**2 / 0.06 + t.up**2 / 0.09))


def _around_eyes() -> Tensor:
    """Lids and the hollows below the eyes."""
    out = 0.6 * eye_masks(0.05, 0.03)
    for ring in (RIGHT_EYE, LEFT_EYE):
        middle = marks(*ring).mean(0)
        out = out + 0.6 * chart.spot(middle - torch.tensor([0.0, 0.12]), 0.14, 0.06)
    return out


def _oily() -> Tensor:
    """Forehead, nose and chin shine more than the rest."""
    forehead = chart.spot(marks(FOREHEAD)[0], 0.3, 0.18)
    return forehead + _nose() + chart.spot(marks(6)[0], 0.06, 0.2) + 0.5 * _chin()


def _freckles(person: Person) -> Tensor:
    """Melanin of freckles on cheeks and nose."""
    if not person.skin.freckles:
        return torch.zeros(chart.SIZE, chart.SIZE)
    spots = chart.noise(person.seed, "freckles", 0.045, 0.3)
    where = _cheeks() + _nose() + 0.4 * chart.spot(marks(FOREHEAD)[0], 0.4, 0.2)
    return 0.3 * person.skin.freckles * where.clamp(0, 1) * torch.sigmoid(8 * (spots - 1.1))


def _moles(person: Person) -> Tensor:
    """Melanin of a few small moles anywhere on face and neck."""
    rng = np.random.default_rng(person.seed + 17)
    out = torch.zeros(chart.SIZE, chart.SIZE)
    for _ in range(person.skin.moles):
        centre = torch.tensor([rng.uniform(-0.9, 0.9), rng.uniform(-1.1, 0.7)])
        size = rng.uniform(0.008, 0.016)
        out = out + 0.5 * rng.uniform(0.5, 1) * chart.spot(centre.float(), size, size)
    return out


def _relief(person: Person, lips: Tensor) -> Tensor:
    """Pores, the lips' lines, and the wrinkles of age, decimetres."""
    seed, age = person.seed, person.skin.wrinkles
    pores = chart.noise(seed, "pores", 0.016, 0.35)
    rough = chart.noise(seed, "rough", 0.05)
    skin = 0.00035 * pores + (0.0005 + 0.0004 * age) * rough
    t = chart.texels()
    lines = torch.sin(2 * torch.pi * t.across / 0.035 + 1.2 * chart.noise(seed, "warp", 0.1))
    out = torch.lerp(skin, 0.0007 * lines + 0.3 * skin, lips)
    for name, depth in (
        ("nasolabial", 0.010),
        ("forehead", 0.004),
        ("crow", 0.004),
        ("bags", 0.007),
    ):
        out = out + max(age - 0.15, 0.0) * depth * folds(name, seed)
    return out
