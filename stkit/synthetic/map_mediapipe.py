"""How builtin_mediapipe.npz was made: MediaPipe's FaceMesh looks at renders of the built-in head.

    python -m stkit.synthetic.map_mediapipe

Each of the 468 face points is taken from the frontal view, or, where that sees the surface at a
grazing angle, from the view 28 degrees to the point's own side; the ray through the detected pixel
names the vertex. Lips and lids come out right because the mouth is open and the eyes too. Points of
the 68-set around eyes and lips keep our hand-placed vertices, whose meaning (corner, lid, lip) is
exact.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera, orbit_camera
from stkit.face_models.builtin_head import BuiltinHead
from stkit.face_models.builtin_landmarks import MAPPING, hand_landmarks
from stkit.face_models.landmarks import MEDIAPIPE_68
from stkit.render import MeshImage, render_mesh
from stkit.synthetic.appearance import albedo, normals_of, random_style, shade

SIZE = 768  # pixels of the renders
FOCAL = 5.0  # image widths
POINTS = 468  # of MediaPipe's face, without the irises
SIDE = 28  # degrees
JAW_OPEN = 0.7  # the expression in which the lips are apart
STYLE_SEED = 1
FRONTAL_BONUS = 0.45  # by which the frontal view is preferred, as a cosine; chosen by eye
SKIN = 0  # the part that points may lie on
FIRST_HAND_PLACED = 36  # of the 68 landmarks: eyes and lips


@dataclass(frozen=True)
class _Head:
    """The head with open mouth and eyes: vertices (V, 3), normals (V, 3), colours (V, 3), bare
    faces.
    """

    model: BuiltinHead
    verts: Tensor
    normals: Tensor
    colours: Tensor
    bare_faces: Tensor


def main() -> None:
    """Write the table of vertices and their MediaPipe numbers that the built-in head loads."""
    head = _open_mouthed()
    best = np.full(POINTS, -1.0)  # how squarely each point's vertex is seen
    vertex = np.full(POINTS, -1)
    frontal = _detected(head, 0)
    for azimuth in (0, -SIDE, SIDE):
        camera = _camera(azimuth)
        points = frontal if azimuth == 0 else _detected(head, azimuth)
        bare = render_mesh(head.verts, head.bare_faces, head.colours, camera)
        view = torch.nn.functional.normalize(camera.centre(), dim=0)
        for k, (x, y) in enumerate(points):
            if azimuth * (frontal[k][0] - 0.5) < 0:
                continue  # the far half of a turned face is guessed by the detector
            v = _vertex_at(bare, head.bare_faces, int(x * SIZE), int(y * SIZE))
            if v is None or head.model.surface.part[v] != SKIN:
                continue
            cosine = float(head.normals[v] @ view) + (FRONTAL_BONUS if azimuth == 0 else 0)
            if cosine > best[k]:
                best[k], vertex[k] = cosine, v
    by_hand = hand_landmarks(head.model.surface)
    for k in range(FIRST_HAND_PLACED, 68):
        vertex[MEDIAPIPE_68[k]] = by_hand[k]
    keep = vertex >= 0
    numbers = np.flatnonzero(keep)
    np.savez(MAPPING, vertex=vertex[keep].astype(np.int32), mediapipe=numbers.astype(np.int32))
    print(f"{keep.sum()} of {POINTS} points mapped; {MAPPING.name} written")


def _open_mouthed() -> _Head:
    """The built-in head as MediaPipe is shown it."""
    model = BuiltinHead.load()
    beta = torch.zeros(64)
    beta[model.expression_names.index("jaw_open")] = JAW_OPEN
    verts = model.verts(torch.zeros(80), beta)
    normals = normals_of(verts, model.faces)
    style = random_style(STYLE_SEED)
    colours = shade(albedo(model.surface, style), normals, model.surface, style)
    bare = model.part("skin", "eye_l", "eye_r", "mouth", "teeth_upper", "teeth_lower")
    return _Head(model, verts, normals, colours, model.faces[bare[model.faces].all(1)])


def _camera(azimuth: float) -> Camera:
    return orbit_camera(front_camera(SIZE, focal=FOCAL), azimuth)


def _detected(head: _Head, azimuth: float) -> list[tuple[float, float]]:
    """MediaPipe's points in a render, in picture widths and heights. Ends the program without a
    face.
    """
    import mediapipe as mp

    camera = _camera(azimuth)
    full = render_mesh(head.verts, head.model.faces, head.colours, camera, background=0.8)
    picture = (full.image.clamp(0, 1) * 255).byte().numpy()
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True) as mesh:
        found = mesh.process(picture)
    if not found.multi_face_landmarks:
        raise SystemExit(f"no face found at azimuth {azimuth}: the head does not look like one")
    landmarks = found.multi_face_landmarks[0].landmark[:POINTS]
    return [(point.x, point.y) for point in landmarks]


def _vertex_at(picture: MeshImage, faces: Tensor, x: int, y: int) -> int | None:
    """The vertex that is nearest to the surface in a pixel of a render; None beside the head."""
    if not (0 <= x < SIZE and 0 <= y < SIZE) or picture.face_id[y, x] < 0:
        return None
    return int(faces[picture.face_id[y, x], int(picture.bary[y, x].argmax())])


if __name__ == "__main__":
    main()
