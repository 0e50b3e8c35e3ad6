"""Art styles from a seed: what the reader of style pictures learns from, and is asked with."""

import colorsys

import numpy as np

from stkit.art.art_style import PATTERNS, PROPORTIONS, REGIONS, SMOOTH_TONES, ArtStyle
from stkit.art.gallery import colours_of_stops

HELD_OUT_FROM = 10**6  # seeds from here on are for tests alone
LINELESS, PLAIN = 0.2, 0.35  # shares of styles without ink, and without a pattern
PROPORTIONED = 0.6  # share of proportions that a style pushes at all
WARM_SKIN = 0.6  # share of styles whose skin is of a person's colour
INK_WIDTHS, PERIODS, DEPTHS = (0.014, 0.045), (0.045, 0.16), (0.25, 0.75)


def random_style(seed: int) -> ArtStyle:
    """A style; the same seed, the same style."""
    rng = np.random.default_rng(seed)
    stops = {region: _stops(rng, region) for region in REGIONS}
    pattern = "none" if rng.random() < PLAIN else str(rng.choice(PATTERNS[1:]))
    dark = rng.uniform(0.0, 0.3) * rng.uniform(0.3, 1.0, 3)
    return ArtStyle(
        f"random-{seed}",
        {region: colours_of_stops(three) for region, three in stops.items()},
        tones=int(rng.choice((2, 3, 3, 4, 5, 6, SMOOTH_TONES, SMOOTH_TONES))),
        ink=0.0 if rng.random() < LINELESS else float(rng.uniform(0.35, 1.0)),
        ink_width=float(rng.uniform(*INK_WIDTHS)),
        ink_colour=(float(dark[0]), float(dark[1]), float(dark[2])),
        detail=float(rng.uniform(0.3, 1.0)),
        pattern=pattern,
        period=float(np.exp(rng.uniform(*np.log(PERIODS)))),
        depth=0.0 if pattern == "none" else float(rng.uniform(*DEPTHS)),
        proportions=random_proportions(rng),
    )


def random_proportions(rng: np.random.Generator) -> dict[str, float]:
    """Some of the proportions, pushed either way."""
    chosen = [name for name in PROPORTIONS if rng.random() < PROPORTIONED]
    return {name: float(rng.uniform(-1, 1)) for name in chosen}


def _stops(rng: np.random.Generator, region: str) -> list[str]:
    """Three colours of a region, dark to light, whose hue turns a little with the light."""
    hue, turn = rng.random(), rng.uniform(-0.06, 0.06)
    saturation = rng.uniform(0.1, 0.85)
    low = rng.uniform(0.1, 0.55)
    high = rng.uniform(low + 0.25, 1.0)
    if region == "skin" and rng.random() < WARM_SKIN:
        hue, saturation = rng.uniform(0.02, 0.1), rng.uniform(0.2, 0.55)
    if region == "skin":
        low, high = max(low, 0.35), max(high, 0.8)
    levels = np.linspace(low, high, 3)
    colours = [
        colorsys.hsv_to_rgb((hue + k * turn) % 1, saturation * (1 - 0.3 * k), v)
        for k, v in zip((0, 0.5, 1), levels)
    ]
    return ["".join(f"{round(255 * c):02x}" for c in colour) for colour in colours]
