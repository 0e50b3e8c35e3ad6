"""A picture being painted on: the brushes that the recipes are written with.

Colours are RGB in [0, 1]; sizes are in eye distances, the distance of the outer corners of the
eyes, so that a recipe looks the same on a near and on a far face.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from stkit.diffusion.regions import EYES, draw_discs, eye_distance, up_of_face

Colour = Sequence[float] | np.ndarray
Ramp = Sequence[tuple[float, float, float]]  # colours of a substance, dark to light
Region = str | np.ndarray  # a name among the regions, or a mask (H, W)

LUMA = np.array([0.299, 0.587, 0.114])  # brightness of RGB, ITU-R BT.601
# What follows is the kit's, chosen by eye.
LEAST_LEVEL = 0.12  # brightness a dyed region is taken to have at least, lest dark hair glow
FORM = 0.12  # eye distances: the size of forms that a glossy substance brings out
SHINES_FROM = 0.7  # brightness from which on a glossy substance shines
FOREHEAD_LINES = (0.16, 0.25, 0.34)  # heights of the wrinkles above the brows, eye distances
CROWS_FEET = (-0.10, 0.0, 0.08)  # rise of the three lines at each eye, eye distances
WRINKLE_WIDTH = 0.018  # eye distances


class Canvas:
    """An image being painted.

    picture (H, W, 3); regions: masks (H, W) by name; landmarks (66, 2) in pixels.

    source (H, W, 3): the image before; grey (H, W): its brightness; eye: the eye distance in
    pixels.
    """

    def __init__(self, image: np.ndarray, regions: dict[str, np.ndarray], landmarks: np.ndarray):
        self.picture = image.copy()
        self.source = image
        self.regions = regions
        self.landmarks = landmarks
        self.eye = eye_distance(landmarks, image.shape[1])
        self.grey = image @ LUMA

    def mix(self, mask: np.ndarray, value: np.ndarray) -> None:
        """Blend a colour (3,) or a picture (H, W, 3) in by a mask (H, W)."""
        self.picture = self.picture + mask[..., None] * (value - self.picture)

    def restore(self, region: str) -> None:
        """Bring the source back in a region."""
        self.mix(self.regions[region], self.source)

    def paint(self, region: Region, colour: Colour, amount: float = 1.0) -> None:
        """Opaque make-up that keeps some of the light and shade."""
        mask = self._mask(region)
        shading = self.grey / max(self._level(mask), 0.05)
        light = np.clip(1 + 0.55 * (shading - 1), 0.35, 1.5)[..., None]
        self.mix(amount * mask, np.clip(np.asarray(colour) * light, 0, 1))

    def tint(self, region: Region, colour: Colour, amount: float = 1.0) -> None:
        """Dye: the region's own brightness, another hue."""
        mask = self._mask(region)
        level = max(self._level(mask), LEAST_LEVEL)
        dyed = np.asarray(colour) * (self.grey / level)[..., None]
        self.mix(amount * mask, np.clip(dyed, 0, 1))

    def material(self, region: Region, ramp: Ramp, amount: float = 1.0, gloss: float = 0.0) -> None:
        """Another substance: brightness looked up in a ramp of colours.

        gloss in [0, 1]: how strongly it mirrors the light. Forms stand out more, and what is bright
        for its surroundings gets a white highlight.
        """
        mask = self._mask(region)
        inside = self.grey[mask > 0.5]
        low, high = np.percentile(inside, [2, 98]) if len(inside) > 10 else (0.0, 1.0)
        smooth = cv2.GaussianBlur(self.grey.astype(np.float32), (0, 0), 0.012 * self.eye + 0.3)
        level = np.clip((smooth - low) / max(high - low, 0.05), 0, 1)
        around = cv2.GaussianBlur(level, (0, 0), FORM * self.eye + 0.5)
        level = np.clip(level + gloss * (level - around), 0, 1)
        stops = np.linspace(0, 1, len(ramp))
        channels = [np.interp(level, stops, [colour[k] for colour in ramp]) for k in range(3)]
        shine = np.clip((level - SHINES_FROM) / (1 - SHINES_FROM), 0, 1) ** 2
        shine = gloss * shine * np.clip(0.5 + 4 * (level - around), 0, 1)
        picture = np.stack(channels, -1)
        self.mix(amount * mask, picture + shine[..., None] * (1 - picture))

    def strokes(
        self,
        lines: Sequence[np.ndarray],
        colour: Colour,
        width: float,
        amount: float = 1.0,
        closed: bool = False,
    ) -> None:
        """Soft lines through points (N, 2), width in eye distances."""
        mask = np.zeros(self.grey.shape, np.float32)
        thickness = max(1, round(width * self.eye))
        for line in lines:
            points = np.round(line * 8).astype(np.int32)
            cv2.polylines(mask, [points], closed, 1.0, thickness, cv2.LINE_AA, 3)
        mask = cv2.GaussianBlur(mask, (0, 0), 0.4 * width * self.eye + 0.4)
        inside = np.clip(amount * mask, 0, 1) * self.regions["foreground"]
        self.mix(inside, np.asarray(colour, float))

    def dots(
        self, centres: Sequence[np.ndarray], radius: float, colour: Colour, amount: float = 1.0
    ) -> None:
        """Soft discs around points (2,), radius in eye distances."""
        blur = 0.15 * radius * self.eye + 0.3
        mask = draw_discs(self.grey.shape, centres, radius * self.eye, blur)
        self.mix(amount * mask * self.regions["foreground"], np.asarray(colour, float))

    def swell(self, region: str, margin: float) -> np.ndarray:
        """The mask (H, W) of a region grown by `margin` eye distances."""
        size = 2 * int(round(margin * self.eye)) + 1
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        return cv2.GaussianBlur(cv2.dilate(self.regions[region], brush), (0, 0), 1)

    def wrinkles(self, colour: Colour, amount: float) -> None:
        """Lines of age: forehead, between the brows, crow's feet, nose to mouth, under the eyes."""
        lines = [
            *self._forehead_lines(),
            *self._crows_feet(),
            *self._nose_to_mouth(),
            *self._under_eyes(),
        ]
        self.strokes(lines, colour, WRINKLE_WIDTH, amount)

    def _forehead_lines(self) -> list[np.ndarray]:
        """Three lines across the forehead and two short ones between the brows."""
        p, eye, up = self.landmarks, self.eye, up_of_face(self.landmarks)
        along = np.linspace(0, 1, 12)[:, None]
        arch = 0.03 * np.sin(np.pi * along)
        lines = [p[18] + (p[25] - p[18]) * along + up * eye * (h + arch) for h in FOREHEAD_LINES]
        for inner, other in ((p[21], p[22]), (p[22], p[21])):
            foot = inner * 0.6 + other * 0.4
            lines.append(np.array([foot, foot + 0.12 * eye * up]))
        return lines

    def _crows_feet(self) -> list[np.ndarray]:
        p, eye, up = self.landmarks, self.eye, up_of_face(self.landmarks)
        lines = []
        for corner, inner in ((p[36], p[39]), (p[45], p[42])):
            outwards = corner - inner
            outwards = outwards / max(np.linalg.norm(outwards), 1e-6)
            for rise in CROWS_FEET:
                end = corner + 0.20 * eye * outwards + rise * eye * up
                lines.append(np.array([corner + 0.05 * eye * outwards, end]))
        return lines

    def _nose_to_mouth(self) -> list[np.ndarray]:
        p, eye, up = self.landmarks, self.eye, up_of_face(self.landmarks)
        lines = []
        for wing, mouth, jaw in ((p[31], p[48], p[5]), (p[35], p[52], p[11])):
            bend = 0.55 * mouth + 0.45 * jaw
            middle = 0.5 * wing + 0.30 * mouth + 0.20 * jaw
            lines.append(np.array([wing + 0.04 * eye * up, middle, 0.75 * mouth + 0.25 * bend]))
        return lines

    def _under_eyes(self) -> list[np.ndarray]:
        up = up_of_face(self.landmarks)
        lids = (self.landmarks[eye] for eye in EYES)
        return [np.array([q[0], q[5], q[4], q[3]]) - 0.10 * self.eye * up for q in lids]

    def _mask(self, region: Region) -> np.ndarray:
        return self.regions[region] if isinstance(region, str) else region

    def _level(self, mask: np.ndarray) -> float:
        """Mean brightness of the source inside a mask; 0.5 where the mask is empty."""
        inside = mask > 0.5
        return float(self.grey[inside].mean()) if inside.any() else 0.5
