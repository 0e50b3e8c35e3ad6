"""Where MediaPipe's 468 face points lie on MakeHuman's head: the detector looks at made-up people.

    python -m stkit.synthetic.map_landmarks

Random people of the population are painted plainly and rendered from the front and from both sides.
Each detected point names a point of the surface, which is the same point on the mean head; the mean
over people and views, weighted by how squarely the surface is seen, goes into
`face_models/makehuman/landmark_points.json`, with its standard deviation. Then
`stkit.face_models.makehuman.bake` puts a vertex there. Points of the mouth are taken from open
mouths, so that the upper lip's stay on the upper lip.

The detector's points on the rims of lids and lips mean the rim, but on a plain render they lie up
to 3 mm beside it. There the nearest point of the visible rim is taken: otherwise a fitted mouth
presses its lips together where the person's just touch, and eyes open too little.
"""

import json
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera, orbit_camera
from stkit.face_models.makehuman import makehuman, shape_targets
from stkit.face_models.makehuman.head import FOLDER, PARTS, POINTS_FILE, MakeHumanHead
from stkit.geometry import vertex_normals
from stkit.io.tensors import write_text
from stkit.render import MeshImage, render_mesh
from stkit.synthetic.person import random_person

SIZE, FOCAL = 768, 4.5  # pixels of the renders; focal length in image widths
POINTS = 468  # of MediaPipe's face, without the irises
PEOPLE = 30
AZIMUTHS = (0, -28, 28)  # degrees
JAW_OPEN = 0.35  # in the pictures that show the lips
SQUARE = 0.3  # cosine below which a surface is too slanted to be read
NEAR = 4  # pixels: a point beside the skin, such as on a lid's rim, takes the nearest skin
EYE_PARTS, MOUTH_PARTS = (
    [PARTS.index(name) for name in names]
    for names in (("eye_l", "eye_r"), ("mouth", "teeth_upper", "teeth_lower", "tongue"))
)
HEAD_MIDDLE = torch.tensor([0.0, 0.1, -0.35])  # canonical decimetres

# fmt: off
MOUTH = {  # MediaPipe's numbers of lips and what lies within
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
    76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408,
    62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407,
}
LIDS = {  # those along the rims of the lids, without the corners
    246, 161, 160, 159, 158, 157, 173, 154, 153, 145, 144, 163, 7, 155,
    466, 388, 387, 386, 385, 384, 398, 381, 380, 374, 373, 390, 249, 382,
}
LIPS = {  # and along the inner rims of the lips
    191, 80, 81, 82, 13, 312, 311, 310, 415, 95, 88, 178, 87, 14, 317, 402, 318, 324,
}
# fmt: on
RIM_NEAR = 30  # pixels: how far a rim may be from the detector's point


@dataclass
class Sums:
    """Weighted sums over pictures: of points (468, 3), their squares (468,), and weights (468,)."""

    points: np.ndarray
    squares: np.ndarray
    weights: np.ndarray


def main() -> None:
    """Write the table and say how well the people agree."""
    sums = Sums(np.zeros((POINTS, 3)), np.zeros(POINTS), np.zeros(POINTS))
    faces_found = 0
    for seed in range(PEOPLE):
        for jaw in (0.0, JAW_OPEN):
            for azimuth in AZIMUTHS:
                faces_found += _look(seed, jaw, azimuth, sums)
    known = sums.weights > 0
    middle = np.full((POINTS, 3), np.nan)
    middle[known] = sums.points[known] / sums.weights[known, None]
    variance = sums.squares[known] / sums.weights[known] - (middle[known] ** 2).sum(1)
    deviation = np.sqrt(np.maximum(variance, 0))
    rows = {
        str(k): [round(float(x), 4) for x in (*middle[k], s)]
        for k, s in zip(np.flatnonzero(known), deviation)
    }
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(row)}" for k, row in rows.items())
    write_text(FOLDER / POINTS_FILE, "{\n" + lines + "\n}\n")
    pictures = PEOPLE * 2 * len(AZIMUTHS)
    print(f"a face in {faces_found} of {pictures} pictures; {known.sum()} of {POINTS} points")
    mean, largest = 100 * deviation.mean(), 100 * deviation.max()
    print(f"standard deviation: mean {mean:.1f} mm, largest {largest:.1f} mm")


def _look(seed: int, jaw: float, azimuth: float, sums: Sums) -> bool:
    """Add what one picture shows to the sums; whether a face was found."""
    head, rest = makehuman(), makehuman().mean
    verts = random_person(seed).verts()
    verts = verts + jaw * head.expression[head.expression_names.index("jawOpen")]
    camera = orbit_camera(front_camera(SIZE, focal=FOCAL), azimuth, target=HEAD_MIDDLE)
    picture = _render(head, verts, camera)
    found = _detect(picture)
    if found is None:
        return False
    normals = vertex_normals(verts, head.faces)
    middle = found[:, 0].mean()
    readable = (picture.face_id >= 0).numpy()
    part = head.face_part[picture.face_id.clamp_min(0)].numpy()
    part[~readable] = PARTS.index("hair")
    readable &= part == 0
    lid_rim, lip_rim = (readable & _beside(np.isin(part, x)) for x in (EYE_PARTS, MOUTH_PARTS))
    for k, (x, y) in enumerate(found):
        if (k in MOUTH) != (jaw > 0) or azimuth * (x - middle) < 0:
            continue  # the far half of a turned face is guessed by the detector
        rim = lid_rim if k in LIDS else lip_rim if k in LIPS else None
        at = _nearest(readable, x, y, NEAR) if rim is None else _nearest(rim, x, y, RIM_NEAR)
        if at is None:
            continue
        corners = head.faces[picture.face_id[at]]
        share = picture.bary[at]
        view = torch.nn.functional.normalize(camera.centre() - share @ verts[corners], dim=0)
        cosine = float(torch.nn.functional.normalize(share @ normals[corners], dim=0) @ view)
        if cosine < SQUARE:
            if rim is None:
                continue
            cosine = SQUARE  # a rim is where the surface turns away
        point = (share @ rest[corners]).numpy()
        sums.points[k] += cosine * point
        sums.squares[k] += cosine * (point**2).sum()
        sums.weights[k] += cosine
    return True


def _render(head: MakeHumanHead, verts: Tensor, camera: Camera) -> MeshImage:
    """A plainly painted head before grey."""
    keep = ~head.part("lashes")[head.faces].any(1)
    towards = torch.nn.functional.normalize(camera.centre() + torch.tensor([2.0, 5.0, 0.0]), dim=0)
    light = 0.45 + 0.55 * (vertex_normals(verts, head.faces) @ towards).clamp_min(0)
    colours = light[:, None] * _paint(head)
    out = render_mesh(verts, head.faces[keep], colours, camera, background=0.8)
    numbers = torch.nonzero(keep)[:, 0]
    face_id = torch.where(out.face_id >= 0, numbers[out.face_id.clamp_min(0)], -1)
    return out._replace(face_id=face_id)


def _paint(head: MakeHumanHead) -> Tensor:
    """Skin, lips, brows, eyes and mouth in one colour each (V, 3)."""
    targets, x = shape_targets(), head.mean
    colours = torch.tensor([0.80, 0.60, 0.50]).repeat(len(x), 1)
    lips = sum(
        targets.displacement(f"mouth-{lip}lip-volume-incr").norm(dim=1)
        for lip in ("upper", "lower")
    )
    colours[lips > 0.25 * lips.max()] = torch.tensor([0.64, 0.36, 0.34])
    across = (x[:, 0].abs() - 0.10) / 0.38
    ridge = 0.31 + 0.03 * torch.sin(across.clamp(0, 1) * 2.4)  # where browDown acts most
    brow = (across > 0) & (across < 1) & ((x[:, 1] - ridge).abs() < 0.035) & (x[:, 2] > 0)
    colours[brow & head.part("skin")] = torch.tensor([0.25, 0.16, 0.12])
    for side in ("eye_l", "eye_r"):
        eye = head.part(side)
        off = x - x[eye].mean(0)
        colours[eye] = 0.93
        colours[eye & (off[:, 2] > 0) & (off[:, :2].norm(dim=1) < 0.065)] = 0.15
    colours[head.part("mouth", "tongue")] = torch.tensor([0.45, 0.15, 0.15])
    colours[head.part("teeth_upper", "teeth_lower")] = 0.92
    return colours


def _detect(picture: MeshImage) -> np.ndarray | None:
    """MediaPipe's points (468, 2) in pixels, or None without a face."""
    import mediapipe as mp

    image = (picture.image.clamp(0, 1) * 255).byte().numpy()
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True) as mesh:
        found = mesh.process(image)
    if not found.multi_face_landmarks:
        return None
    points = found.multi_face_landmarks[0].landmark[:POINTS]
    return SIZE * np.array([[p.x, p.y] for p in points])


def _beside(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask (H, W) and those next to it."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _nearest(allowed: np.ndarray, x: float, y: float, away: int) -> tuple[int, int] | None:
    """The row and column of the allowed pixel (H, W) nearest to (x, y), at most `away` pixels."""
    row, column = int(y), int(x)
    top, left = max(row - away, 0), max(column - away, 0)
    near = np.argwhere(allowed[top : row + away + 1, left : column + away + 1])
    if not len(near):
        return None
    distance = np.hypot(near[:, 0] + top + 0.5 - y, near[:, 1] + left + 0.5 - x)
    best = near[distance.argmin()]
    return int(best[0]) + top, int(best[1]) + left


if __name__ == "__main__":
    main()
