"""The README's pictures from a run: `python benchmarks/figures.py subject`.

The run: `stkit run synthetic --name subject --profile laptop --driver synthetic:sami`.
"""

import shutil
import sys
from pathlib import Path

import av
from PIL import Image

from stkit.runs.folders import run_folder

FIGURES = Path(__file__).resolve().parent.parent / "notebooks" / "figures"
COPIES = {
    "pictures/edit/before_after.png": "before_after.png",
    "pictures/weights/weight_map.png": "weight_map.png",
}
WIDTH, EVERY, COLOURS, MILLISECONDS = 480, 2, 96, 120  # of the moving picture


def frames(path: Path) -> list[Image.Image]:
    """Every second frame of a clip, small."""
    with av.open(str(path)) as clip:
        pictures = [frame.to_image() for frame in clip.decode(video=0)][::EVERY]
    height = round(WIDTH * pictures[0].height / pictures[0].width)
    return [picture.resize((WIDTH, height), Image.Resampling.LANCZOS) for picture in pictures]


def save_gif(pictures: list[Image.Image], path: Path) -> None:
    """One palette for the whole film, so that colours do not flicker."""
    some = pictures[:: max(1, len(pictures) // 5)]
    stack = Image.new("RGB", (WIDTH, some[0].height * len(some)))
    for k, picture in enumerate(some):
        stack.paste(picture, (0, k * picture.height))
    palette = stack.quantize(COLOURS, dither=Image.Dither.NONE)
    film = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    film[0].save(
        path,
        save_all=True,
        append_images=film[1:],
        duration=MILLISECONDS,
        loop=0,
        comment=b"synthetic: a computer-made person",
    )


def main() -> None:
    """Copy and make the pictures of the run that is named."""
    folder = run_folder(sys.argv[1])
    for source, target in COPIES.items():
        if (folder / source).exists():
            shutil.copyfile(folder / source, FIGURES / target)
    save_gif(frames(folder / "animate" / "driven.mp4"), FIGURES / "driven.gif")


if __name__ == "__main__":
    main()
