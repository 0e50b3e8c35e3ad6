"""Pictures for people: labelled sheets of images, curves, maps; every one comes with alt text and a caption."""

import io
import os

import numpy as np
import torch

from stkit.errors import RequestError
from stkit.io import images as plots

os.environ.setdefault("MPLBACKEND", "Agg")


def u8(image) -> np.ndarray:
    """(H, W, 3) uint8 of a float image in [0, 1] or a uint8 array."""
    if isinstance(image, torch.Tensor):
        image = image.detach().numpy()
    return (
        image if image.dtype == np.uint8 else (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
    )


def colour_map(values, low: float = 0.0, high: float = 1.0, name: str = "viridis") -> np.ndarray:
    """(H, W, 3) uint8 picture of a map (H, W) or (H, W, 1), readable to colour-blind people."""
    import matplotlib

    v = values.detach().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    v = v[..., 0] if v.ndim == 3 else v
    return (
        matplotlib.colormaps[name](np.clip((v - low) / (high - low), 0, 1))[..., :3] * 255
    ).astype(np.uint8)


def sheet(
    rows: list[list],
    columns: list[str] | None = None,
    labels: list[str] | None = None,
    height: int = 200,
) -> np.ndarray:
    """One picture of rows of images with column titles above and row labels at the left."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=13)
    left = 0 if not labels else 8 + max(int(font.getlength(s)) for s in labels) + 6
    top = 0 if not columns else 22
    lines = []
    for row in rows:
        tiles = [Image.fromarray(u8(x)) for x in row]
        lines.append(
            [
                t.resize((max(1, round(t.width * height / t.height)), height), Image.LANCZOS)
                for t in tiles
            ]
        )
    width = left + max(sum(t.width + 4 for t in line) for line in lines)
    canvas = Image.new("RGB", (width, top + (height + 4) * len(lines)), "white")
    draw = ImageDraw.Draw(canvas)
    for r, line in enumerate(lines):
        x, y = left, top + r * (height + 4)
        if labels:
            draw.text((4, y + height // 2 - 8), labels[r], fill="black", font=font)
        for c, tile in enumerate(line):
            canvas.paste(tile, (x, y))
            if columns and r == 0 and c < len(columns):
                draw.text((x + 4, 3), columns[c], fill="black", font=font)
            x += tile.width + 4
    return np.asarray(canvas)


def figure(draw, width: float = 9.0, height: float = 3.2) -> np.ndarray:
    """A matplotlib figure as an image: draw(fig) fills it."""
    import matplotlib

    matplotlib.use("Agg", force=False)
    from matplotlib.figure import Figure
    from PIL import Image

    fig = Figure(figsize=(width, height), dpi=100, layout="constrained")
    draw(fig)
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer).convert("RGB"))


def curves(
    history: dict[str, list[float]], title: str = "", log: bool = True, smooth: int = 15
) -> np.ndarray:
    """Loss terms against the step, smoothed by a running mean."""

    def draw(fig):
        ax = fig.add_subplot()
        for name, values in history.items():
            v = np.asarray(values, float)
            k = min(smooth, max(len(v) // 4, 1))
            ax.plot(
                np.arange(len(v) - k + 1) + k / 2,
                np.convolve(v, np.ones(k) / k, "valid"),
                label=name,
                lw=1.4,
            )
        if log:
            ax.set_yscale("log")
        ax.set(xlabel="step", ylabel="loss", title=title)
        ax.legend(ncol=4, fontsize=8, frameon=False)
        ax.grid(alpha=0.25)

    return figure(draw)


def png(image) -> bytes:
    """An image as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(u8(image)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def jpeg(image, quality: int = 88) -> bytes:
    """An image as JPEG: for the frames of a clip."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(u8(image)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def show(image, alt: str, caption: str = "", width: int | None = None) -> None:
    """Display an image in a notebook with its alt text, the caption below; the alt text also travels in the output's metadata."""
    from IPython.display import Image as Shown
    from IPython.display import Markdown, display

    if not alt.strip():
        raise RequestError("show: every figure needs alt text that says what is to be seen")
    display(Shown(png(image), width=width, alt=alt), metadata={"image/png": {"alt": alt}})
    if caption:
        display(Markdown(f"*{caption}*"))


def spread(frames: list[int], count: int) -> list[int]:
    """`count` of the frames, evenly."""
    return [
        frames[k]
        for k in np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    ]


def marked(image, *sets) -> np.ndarray:
    """An image with point sets ((N, 2), colour) drawn on it, enlarged twice so that points can be told apart."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(plots.u8(image)).resize(
        (image.shape[1] * 2, image.shape[0] * 2), Image.LANCZOS
    )
    draw = ImageDraw.Draw(picture)
    for points, colour in sets:
        for x, y in np.asarray(points) * 2:
            draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
    return np.asarray(picture)
