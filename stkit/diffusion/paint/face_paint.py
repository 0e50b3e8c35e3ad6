"""Paint on parts of a face, and what grows or sits there: one function an edit.

All colours (RGB in [0, 1]), amounts and sizes (eye distances) are the kit's, chosen by eye.
"""

import cv2
import numpy as np

from stkit.diffusion.paint.canvas import Canvas
from stkit.diffusion.regions import EYES, draw_polygons, up_of_face

HAIR_OF_NOBODY = np.array([0.2, 0.13, 0.09])  # of a beard where no hair is in the picture


def clown(canvas: Canvas) -> None:
    """White face, blue around the eyes, a red mouth, red cheeks and a red nose with a highlight."""
    p = canvas.landmarks
    canvas.paint("face", (0.97, 0.96, 0.95), 0.92)
    canvas.dots([p[eye].mean(0) for eye in EYES], 0.21, (0.20, 0.42, 0.85), 0.8)
    canvas.restore("eyes")
    around_mouth = canvas.swell("lips", 0.05) * (1 - canvas.regions["mouth"])
    canvas.paint(around_mouth, (0.85, 0.08, 0.12), 0.95)
    right_cheek = 0.35 * p[3] + 0.25 * p[41] + 0.40 * p[48]
    left_cheek = 0.35 * p[13] + 0.25 * p[46] + 0.40 * p[52]
    canvas.dots([right_cheek, left_cheek], 0.13, (0.92, 0.35, 0.38), 0.8)
    canvas.dots([p[30]], 0.15, (0.88, 0.05, 0.08), 1.0)
    highlight = p[30] + canvas.eye * np.array([-0.04, -0.05])
    canvas.dots([highlight], 0.03, (1, 0.75, 0.75), 0.9)


def joker(canvas: Canvas) -> None:
    """White face, black around the eyes, a long red mouth, green hair."""
    p, red = canvas.landmarks, (0.72, 0.05, 0.08)
    canvas.paint("face", (0.95, 0.95, 0.93), 0.88)
    canvas.paint("sockets", (0.08, 0.08, 0.10), 0.75)
    canvas.restore("eyes")
    canvas.paint(canvas.swell("lips", 0.03) * (1 - canvas.regions["mouth"]), red, 0.95)
    right_corner = np.array([p[48], 0.55 * p[48] + 0.45 * p[3]])
    left_corner = np.array([p[52], 0.55 * p[52] + 0.45 * p[13]])
    canvas.strokes([right_corner, left_corner], red, 0.07, 0.95)
    canvas.tint("hair", (0.22, 0.55, 0.24), 0.92)


def lipstick(canvas: Canvas) -> None:
    """Red lips."""
    canvas.paint("lips", (0.78, 0.04, 0.16), 0.92)


def beard(canvas: Canvas) -> None:
    """Hair of the head's colour from ear to ear, around the mouth."""
    mask = _beard_mask(canvas)
    across = np.sin(np.arange(mask.shape[1]) * 2.1)[None]
    down = np.sin(np.arange(mask.shape[0]) * 1.3)[:, None]
    grain = 1 + 0.25 * across * down
    hair = canvas.source[canvas.regions["hair"] > 0.8]
    tone = (np.median(hair, 0) if len(hair) > 20 else HAIR_OF_NOBODY) * 0.8
    canvas.mix(0.85 * mask, np.clip(tone * grain[..., None], 0, 1))


def _beard_mask(canvas: Canvas) -> np.ndarray:
    """Mask (H, W) from the jaw up to a line between nose and mouth, without the lips."""
    p, regions = canvas.landmarks, canvas.regions
    above_lip = p[[35, 33, 31]] * 0.5 + p[[52, 50, 48]] * 0.5
    left = 0.5 * p[14:15] + 0.5 * p[52:53]
    right = 0.5 * p[2:3] + 0.5 * p[48:49]
    outline = np.concatenate([p[2:15], left, above_lip, right])
    mask = np.zeros(canvas.grey.shape, np.float32)
    cv2.fillPoly(mask, [np.round(outline * 8).astype(np.int32)], 1.0, cv2.LINE_AA, 3)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.04 * canvas.eye)
    return soft * regions["foreground"] * (1 - regions["lips"]) * (1 - regions["mouth"])


def make_up(canvas: Canvas) -> None:
    """Eye shadow, rouge, lipstick and eyeliner."""
    canvas.paint("sockets", (0.45, 0.25, 0.55), 0.35)
    canvas.tint("cheeks", (0.92, 0.42, 0.46), 0.6)
    canvas.paint("lips", (0.80, 0.12, 0.30), 0.85)
    eyes = [canvas.landmarks[eye] for eye in EYES]
    canvas.strokes(eyes, (0.08, 0.05, 0.06), 0.02, 0.8, closed=True)


def skull(canvas: Canvas) -> None:
    """Bone-white face, black sockets and nose, teeth."""
    p = canvas.landmarks
    canvas.paint("face", (0.96, 0.95, 0.91), 0.9)
    canvas.paint("sockets", (0.05, 0.05, 0.06), 0.92)
    canvas.paint("nose", (0.08, 0.07, 0.07), 0.85)
    canvas.strokes([p[[3, 48, 63, 52, 13]]], (0.1, 0.1, 0.1), 0.03, 0.9)
    upper, lower = p[48:53], p[[57, 56, 55, 54, 53]]
    teeth = [np.array([a + (a - b) * 0.5, b + (b - a) * 0.5]) for a, b in zip(upper, lower)]
    canvas.strokes(teeth, (0.12, 0.12, 0.12), 0.02, 0.8)


def moustache(canvas: Canvas) -> None:
    """Hair of the head's colour between nose and mouth."""
    p = canvas.landmarks
    hair = canvas.source[canvas.regions["hair"] > 0.8]
    tone = (np.median(hair, 0) if len(hair) > 20 else HAIR_OF_NOBODY) * 0.8
    middle = 0.5 * (p[33] + p[50])
    ends = [0.6 * p[corner] + 0.4 * p[wing] for corner, wing in ((48, 31), (52, 35))]
    canvas.strokes([np.array([ends[0], middle, ends[1]])], tone, 0.16, 0.95)
    canvas.restore("lips")


def freckles(canvas: Canvas) -> None:
    """Small brown spots on nose and cheeks."""
    p, eye = canvas.landmarks, canvas.eye
    rng = np.random.default_rng(0)  # the same spots in every view of a face
    corners = (p[36], p[45], p[30], p[3], p[13])
    for _ in range(90):
        shares = rng.dirichlet([1.0, 1.0, 2.0, 0.35, 0.35])
        at = sum(w * corner for w, corner in zip(shares, corners))
        canvas.dots([at - 0.12 * eye * up_of_face(p)], 0.022, (0.36, 0.19, 0.11), 0.85)
    for region in ("eyes", "lips"):
        canvas.restore(region)


def glasses(canvas: Canvas) -> None:
    """Dark round rims, a bridge and the beginning of the temples."""
    p, eye = canvas.landmarks, canvas.eye
    turn = np.linspace(0, 2 * np.pi, 32)
    circle = 0.30 * eye * np.stack([np.cos(turn), np.sin(turn)], 1)
    middles = [p[lids].mean(0) for lids in EYES]
    rims = [middle + circle for middle in middles]
    across = (middles[1] - middles[0]) / max(float(np.linalg.norm(middles[1] - middles[0])), 1e-6)
    inner = np.array([middles[0] + 0.30 * eye * across, middles[1] - 0.30 * eye * across])
    temples = [
        np.array([middle + side * 0.30 * eye * across, p[ear]])
        for middle, side, ear in ((middles[0], -1, 0), (middles[1], 1, 16))
    ]
    canvas.strokes([*rims, inner, *temples], (0.06, 0.06, 0.07), 0.03, 0.95)


def mime(canvas: Canvas) -> None:
    """A white face, black brows and lips, a black tear."""
    p, black = canvas.landmarks, (0.06, 0.06, 0.07)
    canvas.paint("face", (0.97, 0.97, 0.97), 0.92)
    canvas.paint("brows", black, 0.9)
    canvas.paint("lips", black, 0.9)
    canvas.restore("eyes")
    canvas.strokes([p[lids] for lids in EYES], black, 0.02, 0.9, closed=True)
    tear = p[40] - 0.16 * canvas.eye * up_of_face(p)
    canvas.dots([tear], 0.04, black, 0.95)


def cat(canvas: Canvas) -> None:
    """A black nose, whiskers, lines at the eyes."""
    p, eye, up = canvas.landmarks, canvas.eye, up_of_face(canvas.landmarks)
    black = (0.07, 0.06, 0.06)
    canvas.dots([p[30]], 0.10, black, 0.9)
    canvas.strokes([np.array([p[33], p[50]])], black, 0.02, 0.85)
    whiskers = []
    for jaw, wing in ((2, 31), (14, 35)):
        for rise in (-0.12, 0.0, 0.12):
            start = 0.7 * p[wing] + 0.3 * p[jaw]
            end = 0.15 * p[wing] + 0.85 * p[jaw] + rise * eye * up
            whiskers.append(np.array([start, end]))
    canvas.strokes(whiskers, black, 0.016, 0.85)
    canvas.strokes([p[lids] for lids in EYES], black, 0.03, 0.85, closed=True)


def masked_hero(canvas: Canvas) -> None:
    """A dark mask around the eyes."""
    p, eye, up = canvas.landmarks, canvas.eye, up_of_face(canvas.landmarks)
    top = p[17:27] + 0.06 * eye * up
    bottom = np.array([p[16], 0.6 * p[46] + 0.4 * p[35], p[29], 0.6 * p[41] + 0.4 * p[31], p[0]])
    outline = np.concatenate([top, bottom - 0.05 * eye * up])
    blur = 0.02 * eye + 0.4
    mask = draw_polygons(canvas.grey.shape, [outline], blur) * canvas.regions["foreground"]
    canvas.paint(mask * (1 - canvas.regions["eyes"]), (0.10, 0.12, 0.30), 0.95)


def warrior(canvas: Canvas) -> None:
    """Two stripes of paint on each cheek."""
    p, eye, up = canvas.landmarks, canvas.eye, up_of_face(canvas.landmarks)
    for (jaw, wing), colour in zip(((2, 31), (14, 35)), ((0.75, 0.10, 0.08), (0.75, 0.10, 0.08))):
        start, end = 0.75 * p[wing] + 0.25 * p[jaw], 0.25 * p[wing] + 0.75 * p[jaw]
        for rise, paint in ((0.12, colour), (0.0, (0.93, 0.90, 0.82))):
            canvas.strokes([np.array([start, end]) + rise * eye * up], paint, 0.055, 0.9)
