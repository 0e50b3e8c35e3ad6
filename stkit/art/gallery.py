"""The styles that ship: numbers chosen by eye, and a picture of each by the kit's own painter.

`python -m stkit.art.gallery` paints the pictures anew, each of another made-up person.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stkit.art.art_style import ArtStyle, Colours, colours_of
from stkit.art.painter import paint
from stkit.errors import RequestError
from stkit.progress import bar
from stkit.synthetic.subject import make_subject

FOLDER = Path(__file__).parent / "gallery"
TABLE = Path(__file__).parent / "gallery.json"
SIZE = 384  # pixels of a picture


def colours_of_stops(stops: list[str]) -> Colours:
    """The colours of a region from a few of its tones as hexadecimal RGB, dark to light."""
    rgb = torch.tensor([[int(stop[k : k + 2], 16) for k in (0, 2, 4)] for stop in stops]) / 255
    apart = rgb - rgb.mean(0)
    covariance = apart.T @ apart / len(rgb)
    return colours_of(rgb.mean(0).tolist(), covariance.tolist())


@lru_cache(maxsize=1)
def _table() -> list[dict]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def _style(row: Mapping) -> ArtStyle:
    numbers = {k: x for k, x in row.items() if k not in ("person", "stops")}
    colours = {region: colours_of_stops(stops) for region, stops in row["stops"].items()}
    ink = tuple(numbers.pop("ink_colour", ArtStyle.ink_colour))
    return ArtStyle(**numbers, ink_colour=ink, colours=colours)


@lru_cache(maxsize=1)
def gallery() -> dict[str, ArtStyle]:
    """All styles that ship, by name."""
    return {row["name"]: _style(row) for row in _table()}


def picture_of(name: str) -> Path:
    """The picture of a style that ships."""
    return FOLDER / f"{name}.jpg"


def named_style(text: str) -> ArtStyle | None:
    """A style by its name or number (from 0); None for another text. Raises RequestError for a
    number that there is not.
    """
    styles = gallery()
    if text.isdecimal():
        if int(text) >= len(styles):
            names = ", ".join(f"{k} {name}" for k, name in enumerate(styles))
            raise RequestError(f"art style {text}: there are {names}")
        return list(styles.values())[int(text)]
    return styles.get(text)


def paint_gallery() -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    for row in bar(_table(), desc="painting"):
        picture = paint(make_subject(row["person"], 10), _style(row), SIZE)
        array = (picture * 255).round().byte().numpy()
        Image.fromarray(np.ascontiguousarray(array)).save(picture_of(row["name"]), quality=88)


if __name__ == "__main__":
    paint_gallery()
