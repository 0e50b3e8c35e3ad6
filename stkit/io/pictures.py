"""Reading picture files that anybody may have made."""

from pathlib import Path

from PIL import Image, ImageOps

from stkit.io.untrusted import guard

Image.MAX_IMAGE_PIXELS = 50_000_000  # PIL refuses more than twice as many
LONG_SIDE = 1280  # pixels; pictures are shrunk to this, so that a 4K phone clip fits in memory


def open_picture(
    path: Path, mode: str = "RGB", upright: bool = False, longest: int | None = LONG_SIDE
) -> Image.Image:
    """A picture, shrunk to at most `longest` pixels a side; upright: turned as its camera says.

    Raises UnsafeFileError naming the file where it is none.
    """

    def read() -> Image.Image:
        with Image.open(path) as image:
            turned = ImageOps.exif_transpose(image) if upright else image
            if longest:
                turned.thumbnail((longest, longest))
            return turned.convert(mode)

    return guard(path, read)
