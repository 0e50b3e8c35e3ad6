"""What a sweep tries: parameters and their values, from the command line or a YAML file."""

import ast
import csv
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path

import numpy as np
import yaml
from scipy.stats import qmc

from stkit.errors import RequestError
from stkit.io.limits import read_text

WAYS = ("grid", "list", "random", "latin")
MOST = 100_000  # settings of one sweep
LARGEST_FILE = 1_000_000  # bytes of a YAML file


@dataclass(frozen=True)
class SweepSpec:
    """name: of the sweep's folder. notebooks: run one after the other for each setting; without
    any, `stage` is swept. base: the run whose head is worked on.

    values: by parameter, the values to try; of 'random' and 'latin' two numbers are the ends of a
    range. way: every combination ('grid'), the first values together, then the second ones
    ('list'), or `samples` of them ('random', 'latin'). fixed: parameters that stay; per_profile:
    more of them, by the base's profile. seeds: how many seeds of each setting, 0, 1, ...
    """

    name: str
    notebooks: tuple[str, ...] = ()
    stage: str = "edit"
    base: str = "mara"
    values: dict[str, list] = field(default_factory=dict)
    way: str = "grid"
    samples: int = 0
    fixed: dict[str, object] = field(default_factory=dict)
    per_profile: dict[str, dict[str, object]] = field(default_factory=dict)
    seeds: int = 1
    sampling_seed: int = 0

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise RequestError(f"way {self.way!r} is not one of {', '.join(WAYS)}")
        if self.way in ("random", "latin") and self.samples < 1:
            raise RequestError(f"{self.way}: say how many samples, such as {self.way}:50")
        whole = (self.seeds, self.samples, self.sampling_seed)
        if not all(type(x) is int for x in whole) or self.sampling_seed < 0:
            raise RequestError("seeds, samples and sampling_seed are whole numbers")
        texts = (self.name, self.base, self.stage, *self.notebooks)
        if not all(isinstance(x, str) for x in texts):
            raise RequestError("name, base, stage and notebooks are texts")
        tables = (self.values, self.fixed, self.per_profile, *self.per_profile.values())
        if not all(isinstance(x, dict) for x in tables):
            raise RequestError("values, fixed and per_profile name parameters: NAME: VALUE")
        if self.seeds < 1:
            raise RequestError(f"seeds {self.seeds}: a whole number of 1 or more")
        both = set(self.values) & set(self.fixed)
        if both:
            raise RequestError(f"both swept and fixed: {', '.join(sorted(both))}")
        for name, values in self.values.items():
            if not isinstance(values, list) or not values:
                raise RequestError(f"{name}: give a list of values")


def settings_of(spec: SweepSpec, profile: str = "quick") -> list[dict[str, object]]:
    """Every setting of a sweep on a base of this profile: parameters by name, the fixed ones and
    the seed included.
    """
    most = spec.samples if spec.way in ("random", "latin") else 0
    if spec.way == "grid":
        most = prod(len(values) for values in spec.values.values())
    if most * spec.seeds > MOST:
        raise RequestError(
            f"{most * spec.seeds} settings are more than {MOST}: make several sweeps"
        )
    chosen = {"grid": _grid, "list": _list, "random": _random, "latin": _latin}[spec.way](spec)
    seeds = [{"seed": seed} for seed in range(spec.seeds)] if spec.seeds > 1 else [{}]
    fixed = spec.fixed | spec.per_profile.get(profile, {})
    found = [fixed | setting | seed for setting in chosen for seed in seeds]
    if len(found) > MOST:
        raise RequestError(f"{len(found)} settings are more than {MOST}: make several sweeps")
    return found


def _grid(spec: SweepSpec) -> list[dict]:
    return [dict(zip(spec.values, row)) for row in product(*spec.values.values())]


def _list(spec: SweepSpec) -> list[dict]:
    lengths = {name: len(values) for name, values in spec.values.items()}
    if len(set(lengths.values())) > 1:
        raise RequestError(f"a list needs as many values of each parameter, not {lengths}")
    return [dict(zip(spec.values, row)) for row in zip(*spec.values.values())]


def _random(spec: SweepSpec) -> list[dict]:
    return _placed(spec, np.random.default_rng(spec.sampling_seed).random(_shape(spec)))


def _latin(spec: SweepSpec) -> list[dict]:
    cube = qmc.LatinHypercube(len(spec.values), seed=spec.sampling_seed)
    return _placed(spec, cube.random(spec.samples))


def _shape(spec: SweepSpec) -> tuple[int, int]:
    return spec.samples, len(spec.values)


def _placed(spec: SweepSpec, places: np.ndarray) -> list[dict]:
    """Settings at places (samples, parameters) in [0, 1)."""
    return [
        {name: at(values, x) for (name, values), x in zip(spec.values.items(), row)}
        for row in places
    ]


def at(values: list, place: float) -> object:
    """The value at a place in [0, 1): within the range of two numbers, else one of the values."""
    numbers = all(type(x) in (int, float) for x in values)
    if not numbers or len(values) != 2:
        return values[int(place * len(values))]
    low, high = values
    if all(type(x) is int for x in values):
        return low + int(place * (high - low + 1))
    return float(f"{low + place * (high - low):.6g}")


def parse_value(text: str) -> object:
    """A number or a truth value where the text is one, else the text."""
    word = text.strip()
    if word in ("true", "false"):
        return word == "true"
    try:
        value = ast.literal_eval(word)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return word
    return value if isinstance(value, int | float | str) else word


def parse_values(items: list[str]) -> dict[str, list]:
    """NAME=VALUE,VALUE,... from the command line; a value with a comma stands in double quotes."""
    out = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals or not name:
            raise RequestError(f"{item!r}: write NAME=VALUE,VALUE")
        try:
            [cells] = csv.reader([text], skipinitialspace=True)
        except (csv.Error, ValueError) as e:
            raise RequestError(f"{name}: its values cannot be read ({e})") from e
        out[name.strip()] = [parse_value(cell) for cell in cells]
    return out


def read_spec(path: Path, name: str = "") -> SweepSpec:
    """A sweep from a YAML file, whose fields are those of `SweepSpec`. RequestError naming the
    file where it says something else.
    """
    try:
        if not path.is_file():
            raise RequestError("is no file")
        if path.stat().st_size > LARGEST_FILE:
            raise RequestError(f"is larger than {LARGEST_FILE / 1e6:g} MB")
        found = yaml.safe_load(read_text(path))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as e:
        raise RequestError(f"{path}: not a YAML file that can be read ({e})") from e
    if not isinstance(found, dict):
        raise RequestError(f"{path}: holds no fields such as name, notebooks, values")
    known = SweepSpec.__dataclass_fields__
    strange = [x for x in found if x not in known]
    if strange:
        raise RequestError(f"{path}: no field {strange[0]!r}; there are: {', '.join(known)}")
    notebooks = found.get("notebooks") or ()
    if isinstance(notebooks, str) or not hasattr(notebooks, "__iter__"):
        raise RequestError(f"{path}: notebooks is no list of names")
    found["notebooks"] = tuple(notebooks)
    if name:
        found["name"] = name
    try:
        return SweepSpec(**found)
    except (TypeError, AttributeError, ValueError) as e:
        raise RequestError(f"{path}: {e}") from e
