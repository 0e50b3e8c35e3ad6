"""Soft masks of face regions from 66 landmarks and colour: what the paint editor paints on."""

import cv2
import numpy as np

OUTER_LIPS, INNER_LIPS = list(range(48, 58)), list(range(58, 66))
EYES = (list(range(36, 42)), list(range(42, 48)))
BROWS = (list(range(17, 22)), list(range(22, 27)))


def find_regions(image: np.ndarray, landmarks: np.ndarray) -> dict[str, np.ndarray]:
    """Masks (H, W) in [0, 1] for an image (H, W, 3) over white and landmarks (66, 2) in pixels.

    Keys: foreground, face, skin, lips, mouth, eyes, sockets, brows, nose, cheeks, forehead, hair, clothes.
    """
    H, W = image.shape[:2]
    p = landmarks
    eye = max(np.linalg.norm(p[36] - p[45]), 0.12 * W)
    soft = max(1.0, 0.03 * eye)
    up = p[27] - p[8]
    up = up / max(np.linalg.norm(up), 1e-6)

    def fill(*polygons, blur=soft, hull=False):
        mask = np.zeros((H, W), np.float32)
        for polygon in polygons:
            q = np.round(np.asarray(polygon) * 8).astype(np.int32)
            cv2.fillPoly(
                mask, [cv2.convexHull(q) if hull else q], 1.0, lineType=cv2.LINE_AA, shift=3
            )
        return cv2.GaussianBlur(mask, (0, 0), blur)

    def disc(centre, radius, blur=soft):
        mask = np.zeros((H, W), np.float32)
        cv2.circle(
            mask,
            tuple(np.round(np.asarray(centre) * 8).astype(int)),
            int(radius * 8),
            1.0,
            -1,
            cv2.LINE_AA,
            3,
        )
        return cv2.GaussianBlur(mask, (0, 0), blur)

    foreground = 1 - cv2.GaussianBlur((image.min(2) > 0.985).astype(np.float32), (0, 0), 1.0)
    brow_top = p[17:27] + 0.42 * eye * up
    face = fill(np.concatenate([p[:17], p[17:27] + 0.25 * eye * up]), hull=True) * foreground
    lips = fill(p[OUTER_LIPS], blur=0.6 * soft)
    mouth = fill(p[INNER_LIPS], blur=0.5 * soft)
    opening = np.linalg.norm(p[60] - p[64]) / eye
    mouth = mouth * float(np.clip((opening - 0.03) / 0.05, 0, 1))
    lips = np.clip(lips - mouth, 0, 1)
    eyes = fill(*[p[e] for e in EYES], blur=0.5 * soft)
    sockets = np.clip(sum(disc(p[e].mean(0), 0.24 * eye, 0.09 * eye) for e in EYES), 0, 1)
    thick = 0.055 * eye
    brows = fill(
        *[np.concatenate([p[b] + thick * up, p[b][::-1] - thick * up]) for b in BROWS],
        blur=0.8 * soft,
    )
    nose = disc(p[30], 0.15 * eye, 0.03 * eye)
    centre = p[30]
    cheeks = np.clip(
        sum(
            disc(0.45 * p[k] + 0.30 * p[e] + 0.25 * centre, 0.19 * eye, 0.09 * eye)
            for k, e in ((3, 41), (13, 46))
        ),
        0,
        1,
    )
    forehead = fill(np.concatenate([p[17:27], brow_top[::-1]]), hull=True, blur=2 * soft)
    core = (face > 0.9) & (lips < 0.1) & (mouth < 0.1) & (eyes < 0.1) & (brows < 0.2)
    tone = np.median(image[core], 0) if core.sum() > 20 else np.array([0.7, 0.5, 0.4])
    chroma = lambda x: x / np.maximum(x.sum(-1, keepdims=True), 1e-3)
    distance = (
        np.abs(chroma(image) - chroma(tone)).sum(-1) * 4
        + np.abs(image.mean(-1) - tone.mean()) * 0.65
    )
    skin_like = np.clip((0.62 - distance) / 0.22, 0, 1)
    high = fill(np.concatenate([p[:17], p[17:27] + 0.62 * eye * up]), hull=True) * foreground
    face = np.maximum(face, high * skin_like).astype(
        np.float32
    )  # the forehead, as far as it looks like skin
    ys, xs = np.mgrid[0:H, 0:W]
    height = ((np.stack([xs, ys], -1) - p[8]) @ up) / eye  # in eye distances above the chin
    neck_zone = np.clip((height + 1.7) / 0.3, 0, 1)
    skin = np.clip(np.maximum(face, skin_like * foreground * neck_zone * (height < 2.3)), 0, 1)
    skin = cv2.GaussianBlur(skin.astype(np.float32), (0, 0), soft)
    above = np.clip((height - 0.15) / 0.4, 0, 1)
    hair = foreground * (1 - np.maximum(face, skin * (distance < 0.5))) * above
    # long hair hangs below the chin: keep what looks like the hair on top
    crown = (hair > 0.9) & (height > 1.5)
    if crown.sum() > 40:
        look = np.median(image[crown], 0)
        same = np.clip((0.30 - np.abs(image - look).mean(-1)) / 0.15, 0, 1)
        hair = np.maximum(
            hair * np.where(height > 1.1, 1, same),
            0.9 * same * foreground * (1 - np.maximum(face, skin)) * (height > -0.8),
        )
    _, parts = cv2.connectedComponents((hair > 0.45).astype(np.uint8))
    top = parts[(height > 1.3) & (parts > 0)]
    if len(top):  # a dark collar may look like hair: keep what hangs together with the crown
        hair = hair * cv2.dilate(
            (parts == np.bincount(top).argmax()).astype(np.uint8), np.ones((5, 5), np.uint8)
        )
    hair = cv2.GaussianBlur(hair.astype(np.float32), (0, 0), soft)
    clothes = np.clip(foreground - skin - hair - face, 0, 1) * np.clip((0.15 - height) / 0.3, 0, 1)
    return {
        k: np.clip(v, 0, 1).astype(np.float32)
        for k, v in dict(
            foreground=foreground,
            face=face,
            skin=skin,
            lips=lips,
            mouth=mouth,
            eyes=eyes,
            sockets=sockets,
            brows=brows,
            nose=nose,
            cheeks=cheeks,
            forehead=forehead,
            hair=hair,
            clothes=clothes,
        ).items()
    }
