"""Stage 01's report: how well the tracker's model lies on the frames."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from stkit.capture import Capture
from stkit.capture.preprocess import model_landmarks
from stkit.face_models.landmarks import KEPT_66
from stkit.geometry import vertex_normals
from stkit.io.images import evenly, figure, marked, sheet
from stkit.metrics import pictures as metrics
from stkit.render import render_mesh
from stkit.runs.store import Work
from stkit.space import to_world

DETECTED, FITTED = (
    (86, 180, 233),
    (213, 94, 0),
)  # blue and orange, told apart by colour-blind people
EYES = (36, 45)  # outer corners, of the 68 landmarks
KEY_LIGHT, FILL_LIGHT = (-0.41, 0.41, 0.82), (0.55, 0.14, 0.82)  # directions in the world
AMBIENT, KEY, FILL = 0.25, 0.45, 0.15  # grey levels


def tracking(work: Work, capture: Capture, losses: dict[str, list[float]]) -> None:
    """Landmark errors; frames with landmarks, mattes and the fitted head; beta and pose over
    time.
    """
    _numbers(work, capture)
    frames = evenly(list(range(len(capture))), 5)
    rows: list[list] = [
        [landmarks_picture(capture, t) for t in frames],
        [capture.image(t) for t in frames],
        [model_picture(capture, t) for t in frames],
    ]
    work.figure(
        "tracking",
        sheet(rows, [f"frame {t}" for t in frames], ["landmarks", "matted", "fitted"]),
        "Five frames of the clip with landmarks, the same cut out over white, and the fitted grey "
        "head in the same poses",
        "Blue: MediaPipe's points. Orange: the fitted face model's 66 landmarks, with this "
        "person's constant offsets. Below: matte over white, and the fitted head.",
    )
    work.figure(
        "signals",
        figure(lambda fig: _draw_signals(fig, capture, losses)),
        "Curves of expression coefficients and head rotation over the frames, and the falling loss "
        "of the fit",
        "What the tracker hands on: expression and pose, frame by frame.",
    )


def _numbers(work: Work, capture: Capture) -> None:
    eyes = (capture.landmarks[:, EYES[0], :2] - capture.landmarks[:, EYES[1], :2]).norm(dim=1)
    detected, camera = capture.landmarks[:, KEPT_66, :2], capture.camera
    nme = metrics.nme(camera.project(capture.landmarks3d), detected, eyes)
    bare = metrics.nme(camera.project(model_landmarks(capture)), detected, eyes)
    work.record("track.nme", float(nme.mean()))
    work.record("track.nme_model", float(bare.mean()))
    work.record("track.nme_worst", float(nme.max()))
    work.record("frames", len(capture))
    work.record("neutral", capture.neutral)
    work.fact("face_model", capture.face().name)


def landmarks_picture(capture: Capture, t: int) -> np.ndarray:
    """Frame t with MediaPipe's landmarks in blue and the fitted model's in orange."""
    fitted = capture.camera.project(capture.landmarks3d[t])
    frame = torch.from_numpy(capture.frames[t]) / 255
    return marked(frame, (capture.landmarks[t, :, :2], DETECTED), (fitted, FITTED))


def model_picture(capture: Capture, t: int) -> Tensor:
    """The fitted face model (H, W, 3), grey, as frame t."""
    face = capture.face()
    world = to_world(face.verts(capture.identity, capture.beta[t]), capture.frame_pose(t))
    normals = vertex_normals(world, face.faces)
    key, fill = ((normals @ torch.tensor(x)).clamp_min(0) for x in (KEY_LIGHT, FILL_LIGHT))
    grey = (AMBIENT + KEY * key + FILL * fill)[:, None].expand(-1, 3)
    return render_mesh(world, face.faces, grey, capture.camera, background=1.0).image


def _draw_signals(fig: Figure, capture: Capture, losses: dict[str, list[float]]) -> None:
    beta, turn, loss = fig.subplots(1, 3)
    liveliest = capture.beta.std(0).argsort(descending=True)[:6]
    beta.plot(capture.beta[:, liveliest], lw=1)
    beta.set(title="the six liveliest beta", xlabel="frame")
    turn.plot(torch.rad2deg(capture.pose[:, :3]), lw=1)
    turn.set(title="head rotation (degrees)", xlabel="frame")
    turn.legend(["x", "y", "z"], fontsize=8, frameon=False)
    for name, values in losses.items():
        loss.semilogy(values, lw=1, label=name)
    loss.set(title="loss of the fit", xlabel="step")
    if losses:
        loss.legend(fontsize=8, frameon=False)
