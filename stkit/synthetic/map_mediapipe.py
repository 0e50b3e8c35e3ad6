"""How builtin_mediapipe.npz was made: MediaPipe's FaceMesh looks at renders of the built-in head.

    python -m stkit.face_models.map_mediapipe

Each of the 468 face points is taken from the frontal view, or, where that sees the surface at a grazing angle, from the
view 28 degrees to the point's own side; the ray through the detected pixel names the vertex. Lips and lids come out right
because the mouth is open and the eyes too. Points of the 68-set around eyes and lips keep our hand-placed vertices, whose
meaning (corner, lid, lip) is exact.
"""

import numpy as np
import torch

from stkit.cameras import front_camera, orbit_camera
from stkit.face_models.builtin_head import BuiltinHead
from stkit.face_models.builtin_landmarks import MAPPING, hand_landmarks
from stkit.face_models.landmarks import MEDIAPIPE_68
from stkit.render import render_mesh
from stkit.synthetic.appearance import albedo, normals_of, random_style, shade

SIZE = 768


def main() -> None:
    import mediapipe as mp

    head = BuiltinHead.load()
    beta = torch.zeros(64)
    beta[head.expression_names.index("jaw_open")] = 0.7
    verts = head.verts(torch.zeros(80), beta)
    skin = head.part("skin", "eye_l", "eye_r", "mouth", "teeth_upper", "teeth_lower")
    faces = head.faces[skin[head.faces].all(1)]
    normals = normals_of(verts, head.faces)
    style = random_style(1)
    colours = shade(albedo(head.surface, style), normals, head.surface, style)
    best = np.full(468, -1.0)
    vertex = np.full(468, -1)
    for azimuth in (0, -28, 28):
        camera = orbit_camera(front_camera(SIZE, focal=5.0), azimuth)
        full = render_mesh(verts, head.faces, colours, camera, background=0.8)
        bare = render_mesh(verts, faces, colours, camera)
        with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True) as mesh:
            found = mesh.process((full.image.clamp(0, 1) * 255).byte().numpy())
        if not found.multi_face_landmarks:
            raise SystemExit(f"no face found at azimuth {azimuth}: the head does not look like one")
        if azimuth == 0:
            point_side = [point.x - 0.5 for point in found.multi_face_landmarks[0].landmark]
        to_camera = torch.nn.functional.normalize(camera.centre(), dim=0)
        for k, point in enumerate(found.multi_face_landmarks[0].landmark[:468]):
            x, y = int(point.x * SIZE), int(point.y * SIZE)
            if not (0 <= x < SIZE and 0 <= y < SIZE) or bare.face_id[y, x] < 0:
                continue
            v = int(faces[bare.face_id[y, x], int(bare.bary[y, x].argmax())])
            if azimuth * (point_side[k] if azimuth else 1) < 0:
                continue  # the far half of a turned face is guessed by the detector
            square = float(normals[v] @ to_camera) + (0.45 if azimuth == 0 else 0)
            if head.surface.part[v] == 0 and square > best[k]:
                best[k], vertex[k] = square, v
    hand = hand_landmarks(head.surface)
    for k, index in enumerate(MEDIAPIPE_68):
        if k >= 36:
            vertex[index] = hand[k]
    keep = vertex >= 0
    np.savez(
        MAPPING,
        vertex=vertex[keep].astype(np.int32),
        mediapipe=np.flatnonzero(keep).astype(np.int32),
    )
    print(f"{keep.sum()} of 468 points mapped; {MAPPING.name} written")


if __name__ == "__main__":
    main()
