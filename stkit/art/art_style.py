"""An art style in numbers: how colours, tones, lines, patterns and proportions are drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

from stkit.errors import RequestError

REGIONS = ("skin", "lips", "eyes", "brows", "hair", "clothes")
PATTERNS = ("none", "lines", "crossed lines", "dots", "grain", "tiles")
# a style's proportions by the shapes of MakeHuman's that they mix; at 1 they are at their usual end
PROPORTIONS = ("eyes", "nose", "mouth", "chin", "cheeks", "head")
SMOOTH_TONES = 9  # from so many tones on, light falls off without steps

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Colours:
    """The colours of a region: mean (3,) and covariance (3, 3) of RGB in [0, 1]."""

    mean: Rgb
    covariance: tuple[Rgb, Rgb, Rgb]


@dataclass(frozen=True)
class ArtStyle:
    """What `shading.restyle` draws with. Lengths are canonical decimetres.

    colours: of each of the `REGIONS` that the style picture shows; tones: steps of light from dark
    to light, `SMOOTH_TONES` for none; ink: how dark lines are, 0 for none, and their width;
    ink_colour; detail: how much of the drawn lines comes from the picture's own fine marks, beside
    outlines; pattern: one of `PATTERNS`, its period and how far it shifts tones; proportions: how
    far each of `PROPORTIONS` is pushed, in [-1, 1].
    """

    name: str = "none"
    colours: Mapping[str, Colours] = field(default_factory=dict)
    tones: int = SMOOTH_TONES
    ink: float = 0.0
    ink_width: float = 0.02
    ink_colour: tuple[float, float, float] = (0.08, 0.07, 0.09)
    detail: float = 0.5
    pattern: str = "none"
    period: float = 0.08
    depth: float = 0.0
    proportions: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := set(self.colours) - set(REGIONS):
            raise RequestError(f"style {self.name!r}: no regions {sorted(unknown)}")
        if unknown := set(self.proportions) - set(PROPORTIONS):
            raise RequestError(f"style {self.name!r}: no proportions {sorted(unknown)}")
        if self.pattern not in PATTERNS:
            known = ", ".join(PATTERNS)
            raise RequestError(f"style {self.name!r}: pattern {self.pattern!r} is none of {known}")
        if not 2 <= self.tones <= SMOOTH_TONES:
            raise RequestError(f"style {self.name!r}: {self.tones} tones, from 2 to {SMOOTH_TONES}")

    def to_json(self) -> dict:
        """The style as JSON takes it."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping) -> "ArtStyle":
        """The inverse of `to_json`. Raises RequestError for what is no style."""
        names = {f.name for f in fields(ArtStyle)}
        if unknown := set(data) - names:
            raise RequestError(f"an art style has no {sorted(unknown)}; it has {sorted(names)}")
        colours = {region: _colours(region, c) for region, c in data.get("colours", {}).items()}
        ink = tuple(data.get("ink_colour", ArtStyle.ink_colour))
        return ArtStyle(**{**data, "colours": colours, "ink_colour": ink})


def colours_of(mean: Sequence[float], covariance: Sequence[Sequence[float]]) -> Colours:
    """Colours of a mean of three numbers and a covariance of three times three."""
    return Colours(
        _three(mean), (_three(covariance[0]), _three(covariance[1]), _three(covariance[2]))
    )


def _three(row: Sequence[float]) -> Rgb:
    red, green, blue = (float(x) for x in row)
    return (red, green, blue)


def _colours(region: str, data: Mapping) -> Colours:
    rows = [data.get("mean", ()), *data.get("covariance", ())]
    if [len(row) for row in rows] != [3] * 4:
        raise RequestError(f"colours of {region!r}: a mean of 3 and a covariance of 3 x 3 numbers")
    return colours_of(rows[0], rows[1:])
