"""What the paint editor paints: one function an edit, written with the brushes of `Canvas`.

All colours (RGB in [0, 1]), amounts and sizes (eye distances) are the kit's, chosen by eye.
"""

from collections.abc import Callable

import cv2
import numpy as np

from stkit.diffusion.paint.canvas import Canvas, Colour, Ramp
from stkit.diffusion.regions import BROWS, EYES

Recipe = Callable[[Canvas], None]

BRONZE: Ramp = (
    (0.10, 0.06, 0.03),
    (0.36, 0.22, 0.10),
    (0.62, 0.41, 0.19),
    (0.85, 0.64, 0.34),
    (1.0, 0.90, 0.66),
)
GOLD: Ramp = (
    (0.25, 0.14, 0.01),
    (0.60, 0.40, 0.05),
    (0.90, 0.68, 0.16),
    (1.0, 0.86, 0.42),
    (1.0, 0.98, 0.80),
)
MARBLE: Ramp = (
    (0.42, 0.42, 0.44),
    (0.66, 0.66, 0.68),
    (0.84, 0.84, 0.85),
    (0.95, 0.95, 0.95),
    (1.0, 1.0, 1.0),
)
SILVER: Ramp = (
    (0.10, 0.11, 0.13),
    (0.34, 0.36, 0.40),
    (0.60, 0.62, 0.66),
    (0.84, 0.86, 0.90),
    (1.0, 1.0, 1.0),
)
MODIGLIANI_SKIN: Ramp = (
    (0.40, 0.18, 0.08),
    (0.72, 0.40, 0.20),
    (0.88, 0.58, 0.34),
    (0.94, 0.70, 0.46),
    (0.96, 0.78, 0.56),
)


def statue(ramp: Ramp, gloss: float) -> Recipe:
    """Skin, face and hair of another substance, polished or dull."""

    def recipe(canvas: Canvas) -> None:
        for region in ("skin", "face", "hair"):
            canvas.material(region, ramp, gloss=gloss)
        canvas.material("eyes", [ramp[1], ramp[-2], ramp[-2]], 0.8)

    return recipe


def hair_dye(colour: Colour) -> Recipe:
    """Hair and brows of another colour."""

    def recipe(canvas: Canvas) -> None:
        canvas.tint("hair", colour, 0.92)
        canvas.tint("brows", colour, 0.6)

    return recipe


def skin_colour(colour: Colour, amount: float = 0.9) -> Recipe:
    """Skin of another colour."""

    def recipe(canvas: Canvas) -> None:
        canvas.tint("skin", colour, amount)
        canvas.tint("face", colour, amount)

    return recipe


def zombie(canvas: Canvas) -> None:
    """Grey-green wrinkled skin, dark sockets, pale eyes."""
    canvas.tint("skin", (0.47, 0.58, 0.42), 0.9)
    canvas.tint("face", (0.47, 0.58, 0.42), 0.9)
    canvas.paint("sockets", (0.16, 0.12, 0.14), 0.55)
    canvas.paint("eyes", (0.88, 0.88, 0.78), 0.75)
    canvas.paint("lips", (0.30, 0.16, 0.20), 0.85)
    canvas.wrinkles((0.20, 0.22, 0.14), 0.5)


def modigliani(canvas: Canvas) -> None:
    """Ochre skin, eyes without pupils, dark outlines."""
    p = canvas.landmarks
    canvas.material("face", MODIGLIANI_SKIN, 0.95)
    canvas.tint("skin", (0.86, 0.56, 0.34), 0.75)
    canvas.paint("eyes", (0.30, 0.42, 0.50), 0.95)
    canvas.paint("lips", (0.70, 0.22, 0.16), 0.9)
    canvas.paint("cheeks", (0.86, 0.42, 0.26), 0.5)
    outlines = [*(p[brow] for brow in BROWS), p[27:31], p[:17], p[[31, 33, 35]]]
    canvas.strokes(outlines, (0.22, 0.12, 0.08), 0.028, 0.85)
    canvas.strokes([p[eye] for eye in EYES], (0.16, 0.10, 0.08), 0.022, 0.8, closed=True)


def sunburn(canvas: Canvas) -> None:
    """Red where the sun reaches first: nose, cheeks, forehead."""
    canvas.tint("face", (0.90, 0.42, 0.34), 0.55)
    canvas.tint("cheeks", (0.92, 0.28, 0.22), 0.7)
    canvas.tint("nose", (0.92, 0.24, 0.20), 0.8)
    canvas.tint("forehead", (0.92, 0.32, 0.26), 0.5)


def old(canvas: Canvas) -> None:
    """Grey hair, duller skin, wrinkles."""
    canvas.tint("hair", (0.80, 0.80, 0.82), 0.9)
    canvas.tint("brows", (0.70, 0.70, 0.72), 0.8)
    face = canvas.regions["face"] > 0.9
    dull: Colour = (0.8, 0.7, 0.6)
    if face.any():
        dull = canvas.source[face].mean(0) * [0.98, 0.95, 0.92]
    canvas.tint("face", dull, 0.4)
    canvas.paint("sockets", (0.45, 0.30, 0.28), 0.18)
    canvas.wrinkles((0.28, 0.16, 0.12), 0.75)


def vampire(canvas: Canvas) -> None:
    """White skin, red eyes, dark lips."""
    canvas.paint("face", (0.90, 0.90, 0.93), 0.75)
    canvas.tint("skin", (0.86, 0.86, 0.90), 0.7)
    canvas.paint("sockets", (0.28, 0.10, 0.18), 0.5)
    canvas.paint("eyes", (0.75, 0.10, 0.08), 0.55)
    canvas.paint("lips", (0.45, 0.0, 0.06), 0.95)


def pencil_sketch(canvas: Canvas) -> None:
    """Dark where the picture is darker than its surroundings, paper elsewhere."""
    blur = cv2.GaussianBlur(canvas.grey.astype(np.float32), (0, 0), 0.05 * canvas.eye + 0.5)
    lines = np.clip(canvas.grey / np.maximum(blur, 0.05), 0, 1) ** 4
    paper = np.array([1.0, 0.99, 0.96])
    drawing = np.clip(0.25 + 0.72 * lines, 0, 1)[..., None] * paper
    canvas.mix(canvas.regions["foreground"], drawing)
