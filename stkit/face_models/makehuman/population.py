"""The adults that MakeHuman's head stands for: traits and local shapes from a stated distribution.

The face model's identity directions are the principal components of this population. All numbers
are the kit's, chosen by eye.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ANCESTRIES = ("african", "asian", "caucasian")
OPPOSITE = {  # the ends of a pair of targets: the second grows with positive values
    "decr": "incr",
    "down": "up",
    "in": "out",
    "backward": "forward",
    "compress": "uncompress",
    "concave": "convex",
}
LOCAL_SPREAD = 0.27  # standard deviation of a local shape; 1 is the target as sculpted
WHOLE_SPREAD = 0.1  # of shapes that change all of the skull or the neck
WHOLE = ("head-", "forehead-", "neck-", "measure-neck-", "chin-triangle")
SIDE_SPREAD = 0.07  # how much left and right differ from each other
ASYMMETRY_SPREAD = 0.12  # of the targets that are asymmetric by purpose
SINGLE_SPREAD = 0.2  # of shapes without an opposite, such as a pointed ear; never negative
OLDEST = 0.75  # of the way from MakeHuman's young (25 years) to its old (90 years)
HELD_OUT_EVERY = 10  # of the local shapes, every tenth stays out of the face model's components


@dataclass(frozen=True)
class Traits:
    """What shapes a person as a whole. Each number is in [0, 1].

    age: 0 is 25 years, 1 is 90; male: 0 female, 1 male; ancestry (3,) sums to 1, in the order of
    `ANCESTRIES`; muscle and weight: 0.5 is average.
    """

    age: float
    male: float
    ancestry: tuple[float, float, float]
    muscle: float
    weight: float


def draw_traits(rng: np.random.Generator) -> Traits:
    """Traits of a random adult: mostly of one ancestry, mostly clearly male or female."""
    male = float(rng.beta(0.25, 0.25))
    african, asian, caucasian = rng.dirichlet([0.3, 0.3, 0.3])
    return Traits(
        age=float(OLDEST * rng.random() ** 1.2),
        male=male,
        ancestry=(float(african), float(asian), float(caucasian)),
        muscle=float(np.clip(rng.normal(0.45 + 0.1 * male, 0.12), 0, 1)),
        weight=float(np.clip(rng.normal(0.5, 0.17), 0, 1)),
    )


def trait_weights(traits: Traits) -> dict[str, float]:
    """The weights of MakeHuman's macro targets by name; products of the traits' shares."""
    out: dict[str, float] = {}
    ages = {"young": 1 - traits.age, "old": traits.age}
    sexes = {"female": 1 - traits.male, "male": traits.male}
    for age, a in ages.items():
        for sex, s in sexes.items():
            for ancestry, share in zip(ANCESTRIES, traits.ancestry):
                out[f"{ancestry}-{sex}-{age}"] = a * s * share
            for muscle, m in _three(traits.muscle).items():
                for weight, w in _three(traits.weight).items():
                    out[f"universal-{sex}-{age}-{muscle}muscle-{weight}weight"] = a * s * m * w
    return out


def _three(x: float) -> dict[str, float]:
    """Shares of the minimum, the average and the maximum at x in [0, 1]; 0.5 is the average."""
    low, high = max(0.0, 1 - 2 * x), max(0.0, 2 * x - 1)
    return {"min": low, "average": 1 - low - high, "max": high}


@dataclass(frozen=True)
class Axis:
    """One local shape with both its ends: positive values weigh `plus`, negative ones `minus`.

    side: "l" or "r" where there is another axis for the other side; `shared` is the name that both
    have. minus is "" where a shape has no opposite.
    """

    shared: str
    side: str
    minus: str
    plus: str

    def weights(self, value: float) -> dict[str, float]:
        """The target that a value weighs."""
        if value >= 0:
            return {self.plus: value}
        return {self.minus: -value} if self.minus else {}


def axes(names: tuple[str, ...]) -> list[Axis]:
    """The local shapes among target names, in the order of their first target."""
    out = {}
    known = set(names)
    for name in names:
        if name.startswith(("universal-", *ANCESTRIES)):
            continue
        stem, _, end = name.rpartition("-")
        if end in OPPOSITE and f"{stem}-{OPPOSITE[end]}" in known:
            out[stem] = Axis(*_side(stem), minus=name, plus=f"{stem}-{OPPOSITE[end]}")
        elif name.startswith("asym-") and end == "l":
            out[stem] = Axis(stem, "", minus=name, plus=f"{stem}-r")
        elif not (name.startswith("asym-") or end in OPPOSITE.values() and stem in out):
            out[name] = Axis(*_side(name), minus="", plus=name)
    return list(out.values())


def _side(stem: str) -> tuple[str, str]:
    """The name that both sides share, and the side."""
    return (stem[2:], stem[0]) if stem.startswith(("l-", "r-")) else (stem, "")


def held_out(found: list[Axis]) -> set[str]:
    """The shared names of the local shapes that never enter the face model's components."""
    shared = sorted({axis.shared for axis in found})
    return set(shared[HELD_OUT_EVERY // 2 :: HELD_OUT_EVERY])


def draw_shape(rng: np.random.Generator, found: list[Axis]) -> dict[str, float]:
    """Weights of the local targets of a random person: nearly, but not quite, symmetric."""
    both: dict[str, float] = {}
    out: dict[str, float] = {}
    for axis in found:
        if axis.shared not in both:
            both[axis.shared] = rng.normal(0, _spread(axis))
        value = both[axis.shared] + (rng.normal(0, SIDE_SPREAD) if axis.side else 0.0)
        out |= axis.weights(float(np.clip(value, -1, 1)))
    return out


def _spread(axis: Axis) -> float:
    """The standard deviation of a local shape."""
    if axis.shared.startswith("asym-"):
        return ASYMMETRY_SPREAD
    if axis.shared.startswith(WHOLE):
        return WHOLE_SPREAD
    return LOCAL_SPREAD if axis.minus else SINGLE_SPREAD


def weight_vector(names: tuple[str, ...], weights: dict[str, float]) -> Tensor:
    """Weights by name as a vector (T,) in the order of `names`."""
    return torch.tensor([weights.get(name, 0.0) for name in names])
