"""Pictures for people: labelled sheets of images, curves and maps, shown with alt text."""

import io
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from stkit.errors import RequestError

os.environ.setdefault("MPLBACKEND", "Agg")

# Layout of a sheet, pixels
FONT_SIZE = 13
GAP = 4  # between images
TITLE_HEIGHT = 22  # above the first row
LABEL_MARGINS = (8, 6)  # left and right of the row labels

DPI = 100
SMOOTHING = 15  # steps of the running mean over a loss curve
MARK_RADIUS = 2  # pixels of the enlarged picture


def u8(image: torch.Tensor | np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 of a float image in [0, 1] or of a uint8 array."""
    if isinstance(image, torch.Tensor):
        image = image.detach().numpy()
    if image.dtype == np.uint8:
        return image
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)


def colour_map(values, low: float = 0.0, high: float = 1.0, name: str = "viridis") -> np.ndarray:
    """(H, W, 3) uint8 picture of a map (H, W) or (H, W, 1), readable to colour-blind people.

    `low` and `high` are the values of the colours at both ends.
    """
    import matplotlib

    array = values.detach().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if array.ndim == 3:
        array = array[..., 0]
    colours = matplotlib.colormaps[name](np.clip((array - low) / (high - low), 0, 1))
    return (colours[..., :3] * 255).astype(np.uint8)


def sheet(
    rows: Sequence[Sequence[Any]],
    columns: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    height: int = 200,
) -> np.ndarray:
    """One picture (H, W, 3) uint8 of rows of images, each `height` pixels high.

    `columns` are titles above the first row, `labels` stand at the left of each row.
    """
    font = ImageFont.load_default(size=FONT_SIZE)
    left = 0
    if labels:
        widest = max(int(font.getlength(label)) for label in labels)
        left = LABEL_MARGINS[0] + widest + LABEL_MARGINS[1]
    top = TITLE_HEIGHT if columns else 0
    lines = [[_scaled(image, height) for image in row] for row in rows]
    width = left + max(sum(tile.width + GAP for tile in line) for line in lines)
    canvas = Image.new("RGB", (width, top + (height + GAP) * len(lines)), "white")
    draw = ImageDraw.Draw(canvas)
    for r, line in enumerate(lines):
        x = left
        y = top + r * (height + GAP)
        if labels:
            draw.text((GAP, y + height // 2 - 8), labels[r], fill="black", font=font)
        for c, tile in enumerate(line):
            canvas.paste(tile, (x, y))
            if columns and r == 0 and c < len(columns):
                draw.text((x + GAP, 3), columns[c], fill="black", font=font)
            x += tile.width + GAP
    return np.asarray(canvas)


def _scaled(image: Any, height: int):
    """An image in PIL's form, `height` pixels high."""
    tile = Image.fromarray(u8(image))
    width = max(1, round(tile.width * height / tile.height))
    return tile.resize((width, height), Image.LANCZOS)


def figure(draw: Callable[[Any], object], width: float = 9.0, height: float = 3.2) -> np.ndarray:
    """A matplotlib figure as an image (H, W, 3) uint8; draw(fig) fills it. Sizes are in inches."""
    import matplotlib

    matplotlib.use("Agg", force=False)
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    draw(fig)
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer).convert("RGB"))


def curves(
    history: dict[str, list[float]], title: str = "", log: bool = True, smooth: int = SMOOTHING
) -> np.ndarray:
    """Loss terms against the step, as an image; each is smoothed by a running mean of `smooth`."""

    def draw(fig) -> None:
        ax = fig.add_subplot()
        for name, losses in history.items():
            values = np.asarray(losses, float)
            window = min(smooth, max(len(values) // 4, 1))
            steps = np.arange(len(values) - window + 1) + window / 2
            means = np.convolve(values, np.ones(window) / window, "valid")
            ax.plot(steps, means, label=name, lw=1.4)
        if log:
            ax.set_yscale("log")
        ax.set(xlabel="step", ylabel="loss", title=title)
        ax.legend(ncol=4, fontsize=8, frameon=False)
        ax.grid(alpha=0.25)

    return figure(draw)


def png(image) -> bytes:
    """An image as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(u8(image)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def jpeg(image, quality: int = 88) -> bytes:
    """An image as JPEG, for the frames of a clip."""
    buffer = io.BytesIO()
    Image.fromarray(u8(image)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def show(image, alt: str, caption: str = "", width: int | None = None) -> None:
    """Display an image in a notebook with its alt text, and the caption below.

    The alt text also travels in the output's metadata. Raises RequestError without one.
    """
    from IPython.display import Image as Displayed
    from IPython.display import Markdown, display

    if not alt.strip():
        raise RequestError("show: every figure needs alt text that says what is to be seen")
    display(Displayed(png(image), width=width, alt=alt), metadata={"image/png": {"alt": alt}})
    if caption:
        display(Markdown(f"*{caption}*"))


def shrink(image: Tensor, size: int) -> Tensor:
    """A square image (H, W, C) at `size` pixels, by area."""
    if len(image) == size:
        return image
    planes = image.permute(2, 0, 1)[None]
    return interpolate(planes, (size, size), mode="area")[0].permute(1, 2, 0)


def evenly(frames: list[int], count: int) -> list[int]:
    """`count` of the frames, evenly from the first to the last; all if there are fewer."""
    picked = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[k] for k in picked]


def marked(image, *sets) -> np.ndarray:
    """An image with points drawn on it, enlarged twice so that they can be told apart.

    Each of `sets` is (points (N, 2) in pixels, colour).
    """
    height, width = image.shape[:2]
    picture = Image.fromarray(u8(image)).resize((width * 2, height * 2), Image.LANCZOS)
    draw = ImageDraw.Draw(picture)
    r = MARK_RADIUS
    for points, colour in sets:
        for x, y in np.asarray(points) * 2:
            draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)
    return np.asarray(picture)
