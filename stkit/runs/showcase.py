"""A folder that any static host can show: the made-up cast as pages that need no server.

python -m stkit.runs.showcase --folder build/space

For each person a head is made in the given profile, edited, and written as avatar.html; an index
with pictures leads to them. README.md carries the header that Hugging Face's static Spaces read.
"""

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

import jinja2

from stkit.export.marks import beside
from stkit.io.tensors import write_text
from stkit.runs.road import Road

README = """---
title: stkit - heads from videos, changed by sentences
colorFrom: blue
colorTo: gray
sdk: static
app_file: index.html
license: mit
---

Heads of made-up people, rebuilt from videos of them and edited with a sentence by stkit. Nobody
who is shown exists. Made by `make space`.
"""


@dataclass(frozen=True)
class Show:
    """A made-up person of the documentation, and what is done to them."""

    name: str
    prompt: str


CAST = (
    Show("mara", "turn her into a clown"),
    Show("sami", "turn him into a bronze statue"),
    Show("walter", "turn him into a masked hero"),
    Show("zola", "give her blue skin"),
)


def write_showcase(folder: Path, profile: str = "quick", cast: tuple[Show, ...] = CAST) -> Path:
    """Make what is missing, and the folder; returns its index.html."""
    folder.mkdir(parents=True, exist_ok=True)
    for show in cast:
        road = Road(f"space-{show.name}", f"synthetic:{show.name}", profile)
        road.everything(show.prompt)
        made = road.folder / "animate"
        page = folder / f"{show.name}.html"
        shutil.copyfile(made / "avatar.html", page)
        shutil.copyfile(beside(made / "avatar.html"), beside(page))
        poster = road.folder / "pictures" / "edit" / "edited_orbit.png"
        shutil.copyfile(poster, folder / f"{show.name}.png")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("stkit.runs"), autoescape=True, trim_blocks=True
    )
    write_text(folder / "index.html", environment.get_template("showcase.html").render(cast=cast))
    write_text(folder / "README.md", README)
    return folder / "index.html"


def main() -> None:
    """Write the folder, and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/space"))
    parser.add_argument("--profile", default="quick", choices=("quick", "laptop"))
    arguments = parser.parse_args()
    print(write_showcase(arguments.folder, arguments.profile))


if __name__ == "__main__":
    main()
