"""Texts and options that several commands share."""

import argparse

from stkit.art.gallery import gallery
from stkit.art.reader import find_style
from stkit.art.styled_head import Drawing
from stkit.errors import RequestError
from stkit.runs.folders import is_run, runs_root
from stkit.runs.shipped import MARA

CLOWN = "turn her into a clown"
PROFILE_HELP = (
    "quick: minutes; laptop: under 20 min; paper: one GPU (default: STKIT_PROFILE or quick)"
)
NO_LABEL_HELP = (
    "leave the word 'synthetic' out of pictures and films; the mark inside the files stays, and "
    "says that the label was left out"
)
EDITOR_HELP = (
    "'paint' (rules) or 'tiny' (a small diffusion model), stand-ins that come with the kit, or "
    "the folder or hub id of a pipeline: InstructPix2Pix, or Stable Diffusion with a depth "
    "ControlNet, joined by '+' (default: paint)"
)


def check_run(run: str) -> None:
    """Raise RequestError where there is no run of that name."""
    if run != MARA and not is_run(run):
        raise RequestError(
            f"no run {run!r} in {runs_root()}; `stkit run VIDEO --name {run}` makes one, and "
            f"{MARA!r} ships"
        )


def add_art_options(parser: argparse.ArgumentParser) -> None:
    """Style2Talker's options of an art style."""
    names = ", ".join(f"{k} {name}" for k, name in enumerate(gallery()))
    what = f"an art style: a picture of a face, or one that ships, by number or name ({names})"
    parser.add_argument("--art_style_id", metavar="N|NAME|PICTURE", help=what)
    how_far = "how far the drawing goes (tones, lines, proportions), 0 to 1 (%(default)s)"
    parser.add_argument("--art_style_degree", type=float, default=0.5, help=how_far)
    colours = "how far colours go from the head's own, 0, to the style's, 1 (%(default)s)"
    parser.add_argument(
        "--color_transfer", type=float, nargs="?", const=1.0, default=1.0, help=colours
    )


def asked_drawing(arguments) -> Drawing | None:
    """The art style that was asked for, or None. Raises RequestError."""
    for option in ("art_style_degree", "color_transfer"):
        value = getattr(arguments, option)
        if not 0 <= value <= 1:
            raise RequestError(f"--{option} {value:g}: from 0 to 1")
    if not arguments.art_style_id:
        return None
    style = find_style(arguments.art_style_id)
    return Drawing(style, arguments.art_style_degree, arguments.color_transfer)
