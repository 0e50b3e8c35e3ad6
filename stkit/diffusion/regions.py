"""Soft masks of face regions from 66 landmarks and colour: what the paint editor paints on.

Distances are in eye distances (of the outer corners of the eyes) and heights are measured along the
face's own upward axis, from the chin to the bridge of the nose. Where no source is named, the
numbers are the kit's, chosen by eye.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

# indices into the 66 landmarks, in iBUG's order without the two outer corners of the mouth: the
# inner corners, 58 and 62, close the outline of the lips
OUTER_LIPS, INNER_LIPS = [58, *range(48, 53), 62, *range(53, 58)], list(range(58, 66))
EYES = (list(range(36, 42)), list(range(42, 48)))
BROWS = (list(range(17, 22)), list(range(22, 27)))
CHIN, BRIDGE, NOSE_TIP, JAW = 8, 27, 30, slice(0, 17)

SMALLEST_EYE = 0.12  # least eye distance, as a share of the picture's width: a face in profile
WHITE = 0.985  # darkest channel from which on a pixel is background
TYPICAL_SKIN = np.array([0.7, 0.5, 0.4])  # where the face shows too little skin to measure
BITS = 3  # OpenCV draws at 1/8 pixel
SCALE = 2**BITS


def eye_distance(landmarks: np.ndarray, width: int) -> float:
    """Distance, in pixels, of the outer corners of the eyes.

    landmarks (66, 2); width: the picture's, in pixels.
    """
    apart = float(np.linalg.norm(landmarks[36] - landmarks[45]))
    return max(apart, SMALLEST_EYE * width)


def up_of_face(landmarks: np.ndarray) -> np.ndarray:
    """Unit vector (2,) from the chin to the bridge of the nose."""
    up = landmarks[BRIDGE] - landmarks[CHIN]
    return up / max(np.linalg.norm(up), 1e-6)


def draw_polygons(
    shape: tuple[int, ...], polygons: Sequence[np.ndarray], blur: float, hull: bool = False
) -> np.ndarray:
    """Mask (H, W) of polygons (N, 2), or of their convex hulls, blurred by `blur` pixels."""
    mask = np.zeros(shape, np.float32)
    for polygon in polygons:
        points = np.round(np.asarray(polygon) * SCALE).astype(np.int32)
        points = cv2.convexHull(points) if hull else points
        cv2.fillPoly(mask, [points], 1.0, lineType=cv2.LINE_AA, shift=BITS)
    return cv2.GaussianBlur(mask, (0, 0), blur)


def draw_discs(
    shape: tuple[int, ...], centres: Sequence[np.ndarray], radius: float, blur: float
) -> np.ndarray:
    """Mask (H, W) of discs around points (2,), blurred; radius and blur in pixels."""
    mask = np.zeros(shape, np.float32)
    for centre in centres:
        at = tuple(np.round(np.asarray(centre) * SCALE).astype(int))
        cv2.circle(mask, at, int(radius * SCALE), 1.0, -1, cv2.LINE_AA, BITS)
    return cv2.GaussianBlur(mask, (0, 0), blur)


@dataclass(frozen=True)
class _Face:
    """What all regions are measured by.

    image (H, W, 3); p (66, 2) landmarks in pixels; eye: eye distance in pixels; soft: usual blur of
    a border in pixels; up (2,) unit vector; foreground (H, W); height (H, W) of each pixel above
    the chin in eye distances.
    """

    image: np.ndarray
    p: np.ndarray
    eye: float
    soft: float
    up: np.ndarray
    foreground: np.ndarray
    height: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.image.shape[:2]

    def polygons(self, *polygons: np.ndarray, blur: float, hull: bool = False) -> np.ndarray:
        return draw_polygons(self.shape, polygons, blur, hull)

    def disc(self, centre: np.ndarray, radius: float, blur: float) -> np.ndarray:
        """A disc; radius and blur in eye distances."""
        return draw_discs(self.shape, [centre], radius * self.eye, blur * self.eye)

    def below(self, brow_height: float) -> np.ndarray:
        """The face up to a line `brow_height` eye distances above the brows (H, W)."""
        top = self.p[17:27] + brow_height * self.eye * self.up
        outline = np.concatenate([self.p[JAW], top])
        return self.polygons(outline, blur=self.soft, hull=True) * self.foreground


def find_regions(image: np.ndarray, landmarks: np.ndarray) -> dict[str, np.ndarray]:
    """Masks (H, W) in [0, 1] for an image (H, W, 3) over white and landmarks (66, 2) in pixels.

    Keys: foreground, face, skin, lips, mouth, eyes, sockets, brows, nose, cheeks, forehead, hair,
    head (face, hair, and skin from the chin up), clothes.
    """
    measures = _measure(image, landmarks)
    regions = _features(measures)
    regions["face"] = measures.below(0.25)
    distance = _distance_to_skin(measures, regions)
    skin_like = np.clip((0.62 - distance) / 0.22, 0, 1)
    # the forehead belongs to the face as far as it looks like skin
    high = measures.below(0.62)
    regions["face"] = np.maximum(regions["face"], high * skin_like).astype(np.float32)
    regions["skin"] = _skin(measures, regions["face"], skin_like)
    regions["hair"] = _hair(measures, regions["face"], regions["skin"], distance)
    above_chin = regions["skin"] * (measures.height > 0)
    regions["head"] = np.maximum.reduce([regions["face"], regions["hair"], above_chin])
    regions["clothes"] = _clothes(measures, regions)
    regions["foreground"] = measures.foreground
    return {name: np.clip(mask, 0, 1).astype(np.float32) for name, mask in regions.items()}


def _measure(image: np.ndarray, landmarks: np.ndarray) -> _Face:
    height_px, width_px = image.shape[:2]
    eye = eye_distance(landmarks, width_px)
    up = up_of_face(landmarks)
    background = (image.min(2) > WHITE).astype(np.float32)
    foreground = 1 - cv2.GaussianBlur(background, (0, 0), 1.0)
    ys, xs = np.mgrid[0:height_px, 0:width_px]
    height = ((np.stack([xs, ys], -1) - landmarks[CHIN]) @ up) / eye
    return _Face(image, landmarks, eye, max(1.0, 0.03 * eye), up, foreground, height)


def _features(m: _Face) -> dict[str, np.ndarray]:
    """What the landmarks alone give: lips, mouth, eyes, sockets, brows, nose, cheeks, forehead."""
    p, eye, up = m.p, m.eye, m.up
    mouth = m.polygons(p[INNER_LIPS], blur=0.5 * m.soft)
    opening = np.linalg.norm(p[60] - p[64]) / eye
    mouth = mouth * float(np.clip((opening - 0.03) / 0.05, 0, 1))  # closed lips have no inside
    lips = np.clip(m.polygons(p[OUTER_LIPS], blur=0.6 * m.soft) - mouth, 0, 1)
    sockets = [m.disc(p[e].mean(0), 0.24, 0.09) for e in EYES]
    cheeks = [
        m.disc(0.45 * p[jaw] + 0.30 * p[lid] + 0.25 * p[NOSE_TIP], 0.19, 0.09)
        for jaw, lid in ((3, 41), (13, 46))
    ]
    thick = 0.055 * eye
    brows = [np.concatenate([p[b] + thick * up, p[b][::-1] - thick * up]) for b in BROWS]
    brow_top = p[17:27] + 0.42 * eye * up
    forehead = np.concatenate([p[17:27], brow_top[::-1]])
    return {
        "lips": lips,
        "mouth": mouth,
        "eyes": m.polygons(*[p[e] for e in EYES], blur=0.5 * m.soft),
        "sockets": np.clip(sockets[0] + sockets[1], 0, 1),
        "brows": m.polygons(*brows, blur=0.8 * m.soft),
        "nose": m.disc(p[NOSE_TIP], 0.15, 0.03),
        "cheeks": np.clip(cheeks[0] + cheeks[1], 0, 1),
        "forehead": m.polygons(forehead, blur=2 * m.soft, hull=True),
    }


def _distance_to_skin(m: _Face, regions: dict[str, np.ndarray]) -> np.ndarray:
    """How far each pixel's colour is from the face's skin (H, W).

    Chroma counts most, brightness a little.
    """
    bare = regions["face"] > 0.9
    for name, most in (("lips", 0.1), ("mouth", 0.1), ("eyes", 0.1), ("brows", 0.2)):
        bare &= regions[name] < most
    tone = np.median(m.image[bare], 0) if bare.sum() > 20 else TYPICAL_SKIN
    chroma = np.abs(_chroma(m.image) - _chroma(tone)).sum(-1)
    return chroma * 4 + np.abs(m.image.mean(-1) - tone.mean()) * 0.65


def _chroma(colours: np.ndarray) -> np.ndarray:
    """Colours (..., 3) without their brightness."""
    return colours / np.maximum(colours.sum(-1, keepdims=True), 1e-3)


def _skin(m: _Face, face: np.ndarray, skin_like: np.ndarray) -> np.ndarray:
    """The face, and what looks like skin from the neck up."""
    from_neck = np.clip((m.height + 1.7) / 0.3, 0, 1)
    elsewhere = skin_like * m.foreground * from_neck * (m.height < 2.3)
    skin = np.clip(np.maximum(face, elsewhere), 0, 1)
    return cv2.GaussianBlur(skin.astype(np.float32), (0, 0), m.soft)


def _hair(m: _Face, face: np.ndarray, skin: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """What is neither face nor skin above the chin, and what looks like it further down."""
    above = np.clip((m.height - 0.15) / 0.4, 0, 1)
    hair = m.foreground * (1 - np.maximum(face, skin * (distance < 0.5))) * above
    crown = (hair > 0.9) & (m.height > 1.5)
    if crown.sum() > 40:  # long hair hangs below the chin: keep what looks like the hair on top
        colour = np.median(m.image[crown], 0)
        same = np.clip((0.30 - np.abs(m.image - colour).mean(-1)) / 0.15, 0, 1)
        hanging = 0.9 * same * m.foreground * (1 - np.maximum(face, skin)) * (m.height > -0.8)
        hair = np.maximum(hair * np.where(m.height > 1.1, 1, same), hanging)
    _, parts = cv2.connectedComponents((hair > 0.45).astype(np.uint8))
    on_top = parts[(m.height > 1.3) & (parts > 0)]
    if len(on_top):  # a dark collar may look like hair: keep what hangs together with the crown
        largest = (parts == np.bincount(on_top).argmax()).astype(np.uint8)
        hair = hair * cv2.dilate(largest, np.ones((5, 5), np.uint8))
    return cv2.GaussianBlur(hair.astype(np.float32), (0, 0), m.soft)


def _clothes(m: _Face, regions: dict[str, np.ndarray]) -> np.ndarray:
    """The rest of the figure below the chin."""
    rest = m.foreground - regions["skin"] - regions["hair"] - regions["face"]
    return np.clip(rest, 0, 1) * np.clip((0.15 - m.height) / 0.3, 0, 1)
