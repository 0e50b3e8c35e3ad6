"""Made-up adults: everything about how one looks, drawn from a seed."""

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from stkit.face_models.makehuman import population, shape_targets
from stkit.face_models.makehuman.population import Traits

# all numbers of this module are the kit's, chosen by eye
SEED_OFFSET = 1000  # random numbers of looks are not those of shapes
MELANIN = {"african": (0.72, 0.14), "asian": (0.24, 0.10), "caucasian": (0.13, 0.08)}
DARK_HAIR = {"african": 0.97, "asian": 0.95, "caucasian": 0.40}  # mean melanin of hair
GREY_FROM, GREY_TO = 0.4, 0.85  # ages (0: 25 years, 1: 90) between which hair turns grey
MEN = 0.5  # from this share of male traits on, beards may grow
STYLES_OF_MEN = {
    "short": 0.3,
    "parted": 0.2,
    "swept": 0.16,
    "buzz": 0.14,
    "bald": 0.1,
    "curly": 0.06,
    "long": 0.04,
}
STYLES_OF_WOMEN = {
    "long": 0.26,
    "wavy": 0.22,
    "bob": 0.18,
    "tied": 0.18,
    "curly": 0.08,
    "short": 0.08,
}
STYLES_OF_AFRICAN_HAIR = {"afro": 0.3, "coils": 0.3, "buzz": 0.25, "tied": 0.15}
BEARDS = {"none": 0.5, "stubble": 0.25, "short": 0.15, "moustache": 0.1}
GARMENTS = {"crew": 0.35, "vee": 0.15, "shirt": 0.25, "turtleneck": 0.15, "bare": 0.1}
PATTERNS = {"plain": 0.6, "stripes": 0.15, "checks": 0.15, "knit": 0.1}
IRISES = {  # sRGB
    "brown": (0.30, 0.17, 0.09),
    "dark": (0.17, 0.10, 0.06),
    "hazel": (0.42, 0.32, 0.17),
    "green": (0.34, 0.42, 0.27),
    "blue": (0.33, 0.46, 0.58),
    "grey": (0.45, 0.50, 0.53),
}
LIGHT_EYES_FROM = 0.2  # melanin of the skin above which eyes are brown
CLOTH_COLOURS = (  # sRGB
    (0.16, 0.22, 0.36),
    (0.45, 0.14, 0.16),
    (0.20, 0.33, 0.27),
    (0.22, 0.22, 0.25),
    (0.62, 0.57, 0.49),
    (0.15, 0.38, 0.44),
    (0.86, 0.85, 0.83),
    (0.70, 0.48, 0.22),
    (0.50, 0.40, 0.55),
)


@dataclass(frozen=True)
class Hair:
    """melanin 0 (blond) to 1 (black), red 0 to 1, grey 0 to 1; `style` of the head's hair, `beard`,
    and how full the brows are (1 is average).
    """

    style: str
    melanin: float
    red: float
    grey: float
    receding: float
    beard: str
    brows: float
    part: float  # where hair is parted: -1 the subject's right temple, 0 the middle, 1 left


@dataclass(frozen=True)
class SkinLook:
    """melanin and blood in [0, 1]; freckles, moles, wrinkles and shine in [0, 1]; lips: how red."""

    melanin: float
    blood: float
    freckles: float
    moles: int
    wrinkles: float
    shine: float
    lips: float


@dataclass(frozen=True)
class Clothes:
    """A garment with a pattern in two sRGB colours."""

    garment: str
    pattern: str
    colour: tuple[float, float, float]
    second: tuple[float, float, float]


@dataclass(frozen=True)
class Person:
    """A made-up adult; `shape` names the targets that differ from the base head by weight."""

    seed: int
    traits: Traits
    shape: dict[str, float]
    skin: SkinLook
    hair: Hair
    iris: tuple[float, float, float]
    clothes: Clothes
    glasses: bool
    earrings: bool
    environment: str

    def verts(self) -> Tensor:
        """The head at rest (V, 3), canonical decimetres, with MakeHuman's vertices."""
        targets = shape_targets()
        weights = population.trait_weights(self.traits) | self.shape
        return targets.shape(population.weight_vector(targets.names, weights))

    def reshaped(self, **weights: float) -> "Person":
        """The same person with named shapes of MakeHuman's, such as `nose-scale-horiz-incr=0.8`."""
        return replace(self, shape=self.shape | weights)


def random_person(seed: int) -> Person:
    """An adult of any age, sex and ancestry; the same seed, the same person."""
    rng = np.random.default_rng(seed)
    traits = population.draw_traits(rng)
    shape = population.draw_shape(rng, population.axes(shape_targets().names))
    look = np.random.default_rng(seed + SEED_OFFSET)
    skin = _skin(look, traits)
    clothes = Clothes(
        _pick(look, GARMENTS), _pick(look, PATTERNS), _cloth_colour(look), _cloth_colour(look)
    )
    return Person(
        seed,
        traits,
        shape,
        skin,
        _hair(look, traits),
        _iris(look, skin.melanin),
        clothes,
        glasses=bool(look.random() < 0.15),
        earrings=bool(look.random() < 0.35 * (1 - traits.male)),
        environment=str(look.choice(ENVIRONMENT_NAMES)),
    )


ENVIRONMENT_NAMES = ("window", "overcast", "office", "sunset", "studio", "lamp")


def _pick(rng: np.random.Generator, shares: dict[str, float]) -> str:
    chances = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=chances / chances.sum()))


def _of_ancestry(traits: Traits, table: dict[str, float]) -> float:
    return sum(share * table[name] for name, share in zip(population.ANCESTRIES, traits.ancestry))


def _skin(rng: np.random.Generator, traits: Traits) -> SkinLook:
    mean = _of_ancestry(traits, {name: m for name, (m, _) in MELANIN.items()})
    deviation = _of_ancestry(traits, {name: s for name, (_, s) in MELANIN.items()})
    melanin = float(np.clip(rng.normal(mean, deviation), 0.02, 1))
    freckled = rng.random() < 0.3 and melanin < 0.2
    return SkinLook(
        melanin=melanin,
        blood=float(rng.uniform(0.25, 0.8)),
        freckles=float(rng.uniform(0.3, 1)) if freckled else 0.0,
        moles=int(rng.integers(0, 6)),
        wrinkles=float(np.clip(traits.age * 1.3 + rng.normal(0, 0.08), 0, 1)),
        shine=float(rng.uniform(0.25, 0.9)),
        lips=float(np.clip(rng.uniform(0.0, 0.45) + 0.5 * (1 - traits.male), 0, 1)),
    )


def _hair(rng: np.random.Generator, traits: Traits) -> Hair:
    african = traits.ancestry[0] > rng.uniform(0.3, 0.5)
    man = traits.male > MEN
    if african and (man or rng.random() < 0.8):
        styles = STYLES_OF_AFRICAN_HAIR
    else:
        styles = STYLES_OF_MEN if man else STYLES_OF_WOMEN
    style = _pick(rng, styles)
    darkness = _of_ancestry(traits, DARK_HAIR) + rng.normal(0, 0.22)
    old = np.clip((traits.age - GREY_FROM) / (GREY_TO - GREY_FROM), 0, 1)
    thinning = rng.random() < 0.25 + 0.5 * traits.age
    return Hair(
        style=style,
        melanin=float(np.clip(darkness, 0.08, 1)),
        red=float(rng.uniform(0, 1) ** 4),
        grey=float(np.clip(old * rng.uniform(0.5, 1.4), 0, 1)),
        receding=float(rng.uniform(0.2, 1)) if man and thinning else 0.0,
        beard=_pick(rng, BEARDS) if man else "none",
        brows=float(np.clip(rng.normal(0.72 + 0.25 * traits.male, 0.16), 0.4, 1.7)),
        part=float(rng.choice([-0.45, 0.0, 0.45]) + rng.normal(0, 0.05)),
    )


def _iris(rng: np.random.Generator, melanin: float) -> tuple[float, float, float]:
    names = list(IRISES) if melanin < LIGHT_EYES_FROM else ["brown", "dark", "dark"]
    colour = np.array(IRISES[str(rng.choice(names))]) * rng.normal(1, 0.08)
    return tuple(float(c) for c in np.clip(colour, 0.03, 0.9))  # type: ignore[return-value]


def _cloth_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    colour = np.array(CLOTH_COLOURS[rng.integers(len(CLOTH_COLOURS))]) * rng.normal(1, 0.08)
    return tuple(float(c) for c in np.clip(colour, 0.03, 0.92))  # type: ignore[return-value]
