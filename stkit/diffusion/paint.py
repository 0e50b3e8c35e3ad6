"""PaintEditor: a rule-based stand-in for a diffusion editor. No network: it paints face regions by recipe.

It exists so that the whole method runs with nothing downloaded. Like a diffusion editor it has a strength b: hardly visible
at 0.1, clear at 0.5, and beyond that it spills past the face and washes identity out.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from stkit.diffusion.protocols import PromptError
from stkit.diffusion.regions import BROWS, EYES, find_regions

Paint = Callable[["Canvas"], None]


class Canvas:
    """An image being painted: `x` (H, W, 3), regions `r`, landmarks `p` (66, 2), `eye` the eye distance in pixels."""

    def __init__(self, image: np.ndarray, regions: dict[str, np.ndarray], landmarks: np.ndarray):
        self.x, self.source, self.r, self.p = image.copy(), image, regions, landmarks
        self.eye = float(max(np.linalg.norm(landmarks[36] - landmarks[45]), 0.12 * image.shape[1]))
        self.grey = image @ np.array([0.299, 0.587, 0.114])

    def _mix(self, mask: np.ndarray, value: np.ndarray) -> None:
        self.x = self.x + mask[..., None] * (value - self.x)

    def _mask(self, region) -> np.ndarray:
        return self.r[region] if isinstance(region, str) else region

    def paint(self, region, colour, amount: float = 1.0) -> None:
        """Opaque make-up that keeps some of the light and shade."""
        mask = self._mask(region)
        level = self.grey[mask > 0.5].mean() if (mask > 0.5).any() else 0.5
        light = np.clip(1 + 0.55 * (self.grey / max(level, 0.05) - 1), 0.35, 1.5)[..., None]
        self._mix(amount * mask, np.clip(np.asarray(colour) * light, 0, 1))

    def tint(self, region, colour, amount: float = 1.0) -> None:
        """Dye: the region's own brightness, another hue."""
        mask = self._mask(region)
        level = max(self.grey[mask > 0.5].mean() if (mask > 0.5).any() else 0.5, 0.12)
        self._mix(amount * mask, np.clip(np.asarray(colour) * (self.grey / level)[..., None], 0, 1))

    def material(self, region, ramp: list[tuple[float, float, float]], amount: float = 1.0) -> None:
        """Another substance: brightness looked up in a ramp of colours, dark to light."""
        mask = self._mask(region)
        inside = self.grey[mask > 0.5]
        low, high = np.percentile(inside, [2, 98]) if len(inside) > 10 else (0.0, 1.0)
        t = np.clip(
            (cv2.GaussianBlur(self.grey.astype(np.float32), (0, 0), 0.012 * self.eye + 0.3) - low)
            / max(high - low, 0.05),
            0,
            1,
        )
        stops = np.linspace(0, 1, len(ramp))
        self._mix(
            amount * mask,
            np.stack([np.interp(t, stops, [c[k] for c in ramp]) for k in range(3)], -1),
        )

    def strokes(
        self,
        lines: list[np.ndarray],
        colour,
        width: float,
        amount: float = 1.0,
        closed: bool = False,
    ) -> None:
        """Soft lines through points, width in eye distances."""
        mask = np.zeros(self.grey.shape, np.float32)
        for line in lines:
            cv2.polylines(
                mask,
                [np.round(line * 8).astype(np.int32)],
                closed,
                1.0,
                max(1, round(width * self.eye)),
                cv2.LINE_AA,
                3,
            )
        mask = cv2.GaussianBlur(mask, (0, 0), 0.4 * width * self.eye + 0.4)
        self._mix(np.clip(amount * mask, 0, 1) * self.r["foreground"], np.asarray(colour, float))

    def dots(self, centres, radius: float, colour, amount: float = 1.0) -> None:
        """Soft discs, radius in eye distances."""
        mask = np.zeros(self.grey.shape, np.float32)
        for c in centres:
            cv2.circle(
                mask,
                tuple(np.round(c * 8).astype(int)),
                int(radius * self.eye * 8),
                1.0,
                -1,
                cv2.LINE_AA,
                3,
            )
        self._mix(
            amount
            * cv2.GaussianBlur(mask, (0, 0), 0.15 * radius * self.eye + 0.3)
            * self.r["foreground"],
            np.asarray(colour, float),
        )

    def swell(self, region: str, pixels: float) -> np.ndarray:
        """The region grown by `pixels` eye distances."""
        size = 2 * int(round(pixels * self.eye)) + 1
        return cv2.GaussianBlur(
            cv2.dilate(self.r[region], cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))),
            (0, 0),
            1,
        )

    def wrinkles(self, colour, amount: float) -> None:
        """Lines of age: forehead, between the brows, crow's feet, from nose to mouth, under the eyes."""
        p, e = self.p, self.eye
        up = (p[27] - p[8]) / max(np.linalg.norm(p[27] - p[8]), 1e-6)
        across = np.linspace(0, 1, 12)[:, None]
        lines = [
            p[18] + (p[25] - p[18]) * across + up * e * (h + 0.03 * np.sin(np.pi * across))
            for h in (0.16, 0.25, 0.34)
        ]
        lines += [
            np.array([p[21] * 0.6 + p[22] * 0.4, (p[21] * 0.6 + p[22] * 0.4) + 0.12 * e * up])
        ]
        lines += [
            np.array([p[22] * 0.6 + p[21] * 0.4, (p[22] * 0.6 + p[21] * 0.4) + 0.12 * e * up])
        ]
        for corner, side in ((p[36], p[36] - p[39]), (p[45], p[45] - p[42])):
            side = side / max(np.linalg.norm(side), 1e-6)
            lines += [
                np.array([corner + 0.05 * e * side, corner + 0.20 * e * side + t * e * up])
                for t in (-0.10, 0.0, 0.08)
            ]
        for wing, mouth, jaw in ((p[31], p[48], p[5]), (p[35], p[52], p[11])):
            bend = 0.55 * mouth + 0.45 * jaw
            lines.append(
                np.array(
                    [
                        wing + 0.04 * e * up,
                        0.5 * wing + 0.30 * mouth + 0.20 * jaw,
                        0.75 * mouth + 0.25 * bend,
                    ]
                )
            )
        for eye in EYES:
            q = p[eye]
            lines.append(np.array([q[0], q[5], q[4], q[3]]) - 0.10 * e * up)
        self.strokes(lines, colour, 0.018, amount)


def _clown(c: Canvas) -> None:
    c.paint("face", (0.97, 0.96, 0.95), 0.92)
    c.dots([c.p[e].mean(0) for e in EYES], 0.21, (0.20, 0.42, 0.85), 0.8)
    c._mix(c.r["eyes"], c.source)
    c.paint(c.swell("lips", 0.05) * (1 - c.r["mouth"]), (0.85, 0.08, 0.12), 0.95)
    c.dots(
        [
            0.35 * c.p[3] + 0.25 * c.p[41] + 0.40 * c.p[48],
            0.35 * c.p[13] + 0.25 * c.p[46] + 0.40 * c.p[52],
        ],
        0.13,
        (0.92, 0.35, 0.38),
        0.8,
    )
    c.dots([c.p[30]], 0.15, (0.88, 0.05, 0.08), 1.0)
    c.dots([c.p[30] + c.eye * np.array([-0.04, -0.05])], 0.03, (1, 0.75, 0.75), 0.9)


def _statue(ramp, hair: float = 1.0) -> Paint:
    def run(c: Canvas) -> None:
        c.material("skin", ramp)
        c.material("face", ramp)
        c.material("hair", ramp, hair)
        c.material("eyes", [ramp[1], ramp[-2], ramp[-2]], 0.8)

    return run


BRONZE = [
    (0.10, 0.06, 0.03),
    (0.36, 0.22, 0.10),
    (0.62, 0.41, 0.19),
    (0.85, 0.64, 0.34),
    (1.0, 0.90, 0.66),
]
GOLD = [
    (0.25, 0.14, 0.01),
    (0.60, 0.40, 0.05),
    (0.90, 0.68, 0.16),
    (1.0, 0.86, 0.42),
    (1.0, 0.98, 0.80),
]
MARBLE = [
    (0.42, 0.42, 0.44),
    (0.66, 0.66, 0.68),
    (0.84, 0.84, 0.85),
    (0.95, 0.95, 0.95),
    (1.0, 1.0, 1.0),
]
SILVER = [
    (0.10, 0.11, 0.13),
    (0.34, 0.36, 0.40),
    (0.60, 0.62, 0.66),
    (0.84, 0.86, 0.90),
    (1.0, 1.0, 1.0),
]


def _dye(colour) -> Paint:
    def run(c: Canvas) -> None:
        c.tint("hair", colour, 0.92)
        c.tint("brows", colour, 0.6)

    return run


def _lipstick(c: Canvas) -> None:
    c.paint("lips", (0.78, 0.04, 0.16), 0.92)


def _zombie(c: Canvas) -> None:
    c.tint("skin", (0.47, 0.58, 0.42), 0.9)
    c.tint("face", (0.47, 0.58, 0.42), 0.9)
    c.paint("sockets", (0.16, 0.12, 0.14), 0.55)
    c.paint("eyes", (0.88, 0.88, 0.78), 0.75)
    c.paint("lips", (0.30, 0.16, 0.20), 0.85)
    c.wrinkles((0.20, 0.22, 0.14), 0.5)


def _modigliani(c: Canvas) -> None:
    c.material(
        "face",
        [
            (0.40, 0.18, 0.08),
            (0.72, 0.40, 0.20),
            (0.88, 0.58, 0.34),
            (0.94, 0.70, 0.46),
            (0.96, 0.78, 0.56),
        ],
        0.95,
    )
    c.tint("skin", (0.86, 0.56, 0.34), 0.75)
    c.paint("eyes", (0.30, 0.42, 0.50), 0.95)
    c.paint("lips", (0.70, 0.22, 0.16), 0.9)
    c.paint("cheeks", (0.86, 0.42, 0.26), 0.5)
    p = c.p
    c.strokes(
        [p[b] for b in BROWS] + [p[27:31], p[:17], p[[31, 33, 35]]], (0.22, 0.12, 0.08), 0.028, 0.85
    )
    c.strokes([p[e] for e in EYES], (0.16, 0.10, 0.08), 0.022, 0.8, closed=True)


def _sunburn(c: Canvas) -> None:
    c.tint("face", (0.90, 0.42, 0.34), 0.55)
    c.tint("cheeks", (0.92, 0.28, 0.22), 0.7)
    c.tint("nose", (0.92, 0.24, 0.20), 0.8)
    c.tint("forehead", (0.92, 0.32, 0.26), 0.5)


def _old(c: Canvas) -> None:
    c.tint("hair", (0.80, 0.80, 0.82), 0.9)
    c.tint("brows", (0.70, 0.70, 0.72), 0.8)
    c.tint(
        "face",
        c.source[c.r["face"] > 0.9].mean(0) * [0.98, 0.95, 0.92]
        if (c.r["face"] > 0.9).any()
        else (0.8, 0.7, 0.6),
        0.4,
    )
    c.paint("sockets", (0.45, 0.30, 0.28), 0.18)
    c.wrinkles((0.28, 0.16, 0.12), 0.75)


def _vampire(c: Canvas) -> None:
    c.paint("face", (0.90, 0.90, 0.93), 0.75)
    c.tint("skin", (0.86, 0.86, 0.90), 0.7)
    c.paint("sockets", (0.28, 0.10, 0.18), 0.5)
    c.paint("eyes", (0.75, 0.10, 0.08), 0.55)
    c.paint("lips", (0.45, 0.0, 0.06), 0.95)


def _joker(c: Canvas) -> None:
    c.paint("face", (0.95, 0.95, 0.93), 0.88)
    c.paint("sockets", (0.08, 0.08, 0.10), 0.75)
    c._mix(c.r["eyes"], c.source)
    p = c.p
    c.paint(c.swell("lips", 0.03) * (1 - c.r["mouth"]), (0.72, 0.05, 0.08), 0.95)
    c.strokes(
        [
            np.array([p[48], 0.55 * p[48] + 0.45 * p[3]]),
            np.array([p[52], 0.55 * p[52] + 0.45 * p[13]]),
        ],
        (0.72, 0.05, 0.08),
        0.07,
        0.95,
    )
    c.tint("hair", (0.22, 0.55, 0.24), 0.92)


def _skin(colour, amount: float = 0.9) -> Paint:
    def run(c: Canvas) -> None:
        c.tint("skin", colour, amount)
        c.tint("face", colour, amount)

    return run


def _beard(c: Canvas) -> None:
    p, e = c.p, c.eye
    mask = np.zeros(c.grey.shape, np.float32)
    jaw = np.concatenate(
        [
            p[2:15],
            0.5 * p[14:15] + 0.5 * p[52:53],
            p[[35, 33, 31]] * 0.5 + p[[52, 50, 48]] * 0.5,
            0.5 * p[2:3] + 0.5 * p[48:49],
        ]
    )
    cv2.fillPoly(mask, [np.round(jaw * 8).astype(np.int32)], 1.0, cv2.LINE_AA, 3)
    mask = (
        cv2.GaussianBlur(mask, (0, 0), 0.04 * e)
        * c.r["foreground"]
        * (1 - c.r["lips"])
        * (1 - c.r["mouth"])
    )
    hair = c.source[c.r["hair"] > 0.8]
    grain = (
        1
        + 0.25
        * np.sin(np.arange(mask.shape[1]) * 2.1)[None]
        * np.sin(np.arange(mask.shape[0]) * 1.3)[:, None]
    )
    tone = (np.median(hair, 0) if len(hair) > 20 else np.array([0.2, 0.13, 0.09])) * 0.8
    c._mix(0.85 * mask, np.clip(tone * grain[..., None], 0, 1))


def _makeup(c: Canvas) -> None:
    c.paint("sockets", (0.45, 0.25, 0.55), 0.35)
    c.tint("cheeks", (0.92, 0.42, 0.46), 0.6)
    c.paint("lips", (0.80, 0.12, 0.30), 0.85)
    c.strokes([c.p[e] for e in EYES], (0.08, 0.05, 0.06), 0.02, 0.8, closed=True)


def _skull(c: Canvas) -> None:
    c.paint("face", (0.96, 0.95, 0.91), 0.9)
    c.paint("sockets", (0.05, 0.05, 0.06), 0.92)
    c.paint("nose", (0.08, 0.07, 0.07), 0.85)
    p = c.p
    c.strokes(
        [np.concatenate([p[3:4], p[48:49], p[63:64], p[52:53], p[13:14]])],
        (0.1, 0.1, 0.1),
        0.03,
        0.9,
    )
    teeth = [
        np.array([a + (a - b) * 0.5, b + (b - a) * 0.5])
        for a, b in zip(p[48:53], p[[57, 56, 55, 54, 53]])
    ]
    c.strokes(teeth, (0.12, 0.12, 0.12), 0.02, 0.8)


def _sketch(c: Canvas) -> None:
    blur = cv2.GaussianBlur(c.grey.astype(np.float32), (0, 0), 0.05 * c.eye + 0.5)
    lines = np.clip(c.grey / np.maximum(blur, 0.05), 0, 1) ** 4
    c._mix(
        c.r["foreground"],
        np.clip(0.25 + 0.72 * lines, 0, 1)[..., None] * np.array([1.0, 0.99, 0.96]),
    )


# (words that name it, canonical name, recipe); the first entry whose words all appear wins
RECIPES: list[tuple[tuple[str, ...], str, Paint]] = [
    (("clown",), "clown", _clown),
    (("joker",), "joker", _joker),
    (("bronze",), "bronze statue", _statue(BRONZE)),
    (("gold",), "golden statue", _statue(GOLD)),
    (("marble",), "marble statue", _statue(MARBLE)),
    (("silver",), "silver statue", _statue(SILVER)),
    (("robot",), "silver statue", _statue(SILVER)),
    (("statue",), "bronze statue", _statue(BRONZE)),
    (("sculpture",), "marble statue", _statue(MARBLE)),
    (("red", "hair"), "red hair", _dye((0.72, 0.20, 0.08))),
    (("blond", "hair"), "blond hair", _dye((0.88, 0.72, 0.40))),
    (("blue", "hair"), "blue hair", _dye((0.15, 0.35, 0.85))),
    (("green", "hair"), "green hair", _dye((0.20, 0.62, 0.28))),
    (("pink", "hair"), "pink hair", _dye((0.92, 0.45, 0.66))),
    (("black", "hair"), "black hair", _dye((0.07, 0.07, 0.08))),
    (("lipstick",), "lipstick", _lipstick),
    (("zombie",), "zombie", _zombie),
    (("modigliani",), "Modigliani painting", _modigliani),
    (("sunburn",), "sunburn", _sunburn),
    (("old",), "old", _old),
    (("aged",), "old", _old),
    (("elderly",), "old", _old),
    (("vampire",), "vampire", _vampire),
    (("hulk",), "green skin", _skin((0.36, 0.62, 0.28))),
    (("green", "skin"), "green skin", _skin((0.36, 0.62, 0.28))),
    (("orc",), "green skin", _skin((0.40, 0.55, 0.30))),
    (("avatar",), "blue skin", _skin((0.30, 0.50, 0.82))),
    (("blue", "skin"), "blue skin", _skin((0.30, 0.50, 0.82))),
    (("tan",), "tan", _skin((0.70, 0.45, 0.28), 0.6)),
    (("pale",), "pale", _skin((0.93, 0.86, 0.84), 0.7)),
    (("beard",), "beard", _beard),
    (("makeup",), "make-up", _makeup),
    (("make-up",), "make-up", _makeup),
    (("skull",), "skull", _skull),
    (("skeleton",), "skull", _skull),
    (("sketch",), "pencil sketch", _sketch),
    (("drawing",), "pencil sketch", _sketch),
]
SYNONYMS = {
    "blonde": "blond",
    "golden": "gold",
    "elder": "old",
    "older": "old",
    "sunburned": "sunburn",
    "sunburnt": "sunburn",
    "ginger": "red hair",
    "redhead": "red hair",
    "grandfather": "old",
    "grandmother": "old",
    "tanned": "tan",
    "bearded": "beard",
    "pencil": "sketch",
    "undead": "zombie",
    "dracula": "vampire",
    "dyed": "hair",
    "lips": "lipstick",
}


def instructions() -> list[str]:
    """The instructions the paint editor knows, once each."""
    return list(dict.fromkeys(name for _, name, _ in RECIPES))


def find_recipe(prompt: str) -> tuple[str, Paint]:
    """The recipe a free choice of words means. Raises PromptError listing what can be done."""
    words = "".join(ch if ch.isalnum() or ch == "-" else " " for ch in prompt.lower()).split()
    known = " ".join(SYNONYMS.get(w, w) for w in words).split()
    for keys, name, recipe in RECIPES:
        if all(k in known for k in keys):
            return name, recipe
    raise PromptError(
        f"the paint editor (a stand-in without a network) cannot do {prompt!r}. It knows: {', '.join(instructions())}. "
        "For any other wish give an InstructPix2Pix folder: --editor DIR"
    )


class PaintEditor:
    """See the module. `name` says that it is a stand-in, wherever it is shown."""

    name = "paint (rule-based stand-in, no diffusion)"
    stand_in = "the rule-based paint editor instead of InstructPix2Pix"
    wants_depth = False

    def check(self, prompt: str) -> None:
        find_recipe(prompt)

    def edit(
        self,
        image: Tensor,
        prompt: str,
        b: float,
        condition: Tensor,
        generator: torch.Generator,
        landmarks: Tensor | None = None,
        text_guidance: float = 1.0,
    ) -> Tensor:
        """Paint over the condition (the unedited frame), and mix with the render by strength, as noise level b would."""
        _, recipe = find_recipe(prompt)
        if landmarks is None:
            landmarks = detect_landmarks(condition)
        p = landmarks.numpy().astype(np.float64)
        frame = condition.numpy().astype(np.float64)
        regions = find_regions(frame, p)
        canvas = Canvas(frame, regions, p)
        recipe(canvas)
        painted = canvas.x
        if (
            b > 0.5
        ):  # beyond the middle a diffusion editor redraws: colour spills over the figure, detail goes
            spill = (b - 0.5) / 0.48
            changed = np.abs(painted - frame).sum(-1) > 0.12
            if changed.any():
                tone = painted[changed].mean(0)
                grey = canvas.grey / max(canvas.grey[regions["foreground"] > 0.5].mean(), 0.1)
                outside = regions["foreground"] * (
                    1 - cv2.GaussianBlur(changed.astype(np.float32), (0, 0), 0.03 * canvas.eye)
                )
                painted = painted + (0.55 * spill * outside)[..., None] * (
                    np.clip(tone * grey[..., None], 0, 1) - painted
                )
            soft = cv2.bilateralFilter(
                painted.astype(np.float32), 0, 0.15 + 0.2 * spill, 0.04 * canvas.eye
            )
            painted = painted + 0.75 * spill * regions["foreground"][..., None] * (soft - painted)
        amount = float(np.clip(1.15 * b / 0.5, 0, 1)) if b < 0.5 else 1.0
        jitter = 0.02 * (torch.rand(3, generator=generator).numpy() - 0.5) * b
        out = image.numpy() + amount * (
            painted + jitter * regions["foreground"][..., None] - image.numpy()
        )
        return torch.from_numpy(np.clip(out, 0, 1).astype(np.float32))


def detect_landmarks(image: Tensor) -> Tensor:
    """66 landmarks (66, 2) by MediaPipe on an image (H, W, 3). Raises ValueError where no face is found."""
    from stkit.capture.detect import still_landmarks
    from stkit.face_models.landmarks import KEPT_66

    points = still_landmarks([(image.clamp(0, 1) * 255).byte().numpy()])[0]
    if points is None:
        raise ValueError(
            "the paint editor found no face in the image; pass landmarks, or use a frontal frame"
        )
    return torch.from_numpy(points).float()[KEPT_66]
