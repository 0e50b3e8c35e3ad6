"""Many calibrated cameras around one head, brought into a capture's world.

Their world is any; the capture's is that of one camera. Landmarks seen by several cameras are
triangulated and laid on the capture's 3D landmarks: turn, shift and one scale.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.capture.crops import window
from stkit.capture.detect import still_landmarks
from stkit.capture.mattes import mattes_of
from stkit.capture.rig_gaussian_head_avatar import GAUSSIAN_HEAD_AVATAR
from stkit.capture.rig_layout import CalibratedCameras, RigLayout
from stkit.capture.rig_nersemble import NERSEMBLE
from stkit.face_models.landmarks import KEPT_66
from stkit.geometry import umeyama
from stkit.io.video import VideoError

LAYOUTS: tuple[RigLayout, ...] = (NERSEMBLE, GAUSSIAN_HEAD_AVATAR)  # a new layout is one line here

HALF = 2.4  # decimetres from the head's centre to the border of a crop; chosen by eye
TRUSTED_DM = 0.15  # decimetres: largest median misfit of the two sets of landmarks; chosen by eye
ALIGNMENT_FRAMES = 5  # frames whose landmarks are triangulated


@dataclass(frozen=True)
class Rig:
    """What V cameras in the capture's world show of F of its frames.

    frames: the capture's frame numbers (F); images (F, V, S, S, 3) and mattes (F, V, S, S) uint8.
    """

    names: list[str]
    cameras: list[Camera]
    frames: list[int]
    images: np.ndarray
    mattes: np.ndarray

    def shot(self, k: int, v: int) -> tuple[Tensor, Tensor]:
        """Image over white (S, S, 3) and matte (S, S, 1) of `frames[k]` by camera v, in [0, 1]."""
        matte = torch.from_numpy(self.mattes[k, v]).float()[..., None] / 255
        image = torch.from_numpy(self.images[k, v]).float() / 255
        return image * matte + 1 - matte, matte


@dataclass(frozen=True)
class _Similarity:
    """From the rig's world to the capture's: x -> scale R x + shift."""

    R: Tensor
    shift: Tensor
    scale: Tensor

    def viewmat(self, foreign: Tensor) -> Tensor:
        """The capture's world-to-camera matrix (4, 4) of a camera in the rig's world."""
        out = torch.eye(4)
        out[:3, :3] = foreign[:3, :3] @ self.R.T
        out[:3, 3] = self.scale * foreign[:3, 3] - out[:3, :3] @ self.shift
        return out


@dataclass(frozen=True)
class _HeadWindow:
    """The square of a camera's pictures that shows the head, pixels, and that square's camera."""

    camera: Camera
    left: float
    top: float
    side: float


def load_rig(
    folder: str | Path, capture: Capture, count: int = 40, progress=lambda x, **k: x
) -> Rig:
    """Read `count` of the capture's training frames from every camera of `folder`.

    Pictures are cropped around the head to the capture's size; one camera's are in memory at a
    time. `capture` is one of these cameras' videos, tracked: moments are found by its times. Raises
    VideoError for another layout, a broken calibration, fewer than two cameras that see the face,
    or landmarks that do not lie on each other.
    """
    folder = Path(folder)
    found = _read(folder)
    train, _ = capture.split()
    chosen = np.linspace(0, len(train) - 1, min(count, len(train))).round().astype(int)
    frames = sorted({train[k] for k in chosen})
    times = [float(capture.times[t]) for t in frames]
    some = np.linspace(0, len(frames) - 1, ALIGNMENT_FRAMES)
    moments = sorted({frames[int(k)] for k in some})
    landmarks, Ks = _find_faces(found, [float(capture.times[t]) for t in moments], progress)
    placed = _place(landmarks, found, Ks, capture.landmarks3d[moments], folder)
    centre = torch.stack([capture.head_centre(t) for t in frames]).mean(0)
    cameras, images = [], []
    for v in progress(range(len(found.names)), desc="reading cameras"):
        part = _head_window(placed.viewmat(found.viewmats[v]), Ks[v], centre, capture.size)
        cameras.append(part.camera)
        pictures = [
            window(picture, part.left, part.top, part.side, capture.size)
            for picture in found.read(v, times)
        ]
        images.append(np.stack(pictures))
    mattes = [mattes_of(pictures) for pictures in progress(images, desc="mattes")]
    return Rig(found.names, cameras, frames, np.stack(images, 1), np.stack(mattes, 1))


def calibration_files(folder: str | Path) -> list[Path]:
    """The files that say where a rig's cameras stand and how they see colours, sorted.

    They are what its result depends on besides its pictures.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return sorted(file for layout in LAYOUTS for file in layout.calibration_files(folder))


def _read(folder: Path) -> CalibratedCameras:
    """The cameras of a folder, by the first layout that recognises it. Raises VideoError."""
    for layout in LAYOUTS:
        if layout.recognises(folder):
            return layout.read(folder)
    known = "".join(f"\n  {layout.description}" for layout in LAYOUTS)
    raise VideoError(f"{folder}: none of the layouts that are read:{known}")


def _find_faces(
    found: CalibratedCameras, times: list[float], progress
) -> tuple[list[list[np.ndarray | None]], Tensor]:
    """The 68 landmarks (68, 2) in pixels of every camera's pictures at `times`, None without a
    face.

    With them the Ks (V, 3, 3) of the pictures as they are.
    """
    Ks = found.Ks.clone()
    landmarks = []
    for v in progress(range(len(found.names)), desc="finding the face"):
        pictures = found.read(v, times)
        Ks[v, :2] *= pictures[0].shape[0] / found.K_height if found.K_height else 1.0
        landmarks.append(still_landmarks(pictures))
    return landmarks, Ks


def _place(
    landmarks: list[list[np.ndarray | None]],
    found: CalibratedCameras,
    Ks: Tensor,
    tracked: Tensor,
    folder: Path,
) -> _Similarity:
    """How the rig's world lies in the capture's. Raises VideoError.

    landmarks: of every camera and moment; tracked (M, 66, 3): the capture's at these moments.
    """
    foreign, own = [], []
    for i, points in enumerate(tracked):
        marks = {v: of_camera[i] for v, of_camera in enumerate(landmarks)}
        pixels = {v: x[KEPT_66] for v, x in marks.items() if x is not None}
        if len(pixels) >= 2:
            views = list(pixels)
            seen = torch.as_tensor(np.stack([*pixels.values()]), dtype=torch.float32)
            foreign.append(triangulate(seen, found.viewmats[views], Ks[views]))
            own.append(points)
    if not foreign:
        raise VideoError(
            f"{folder}: no moment at which two cameras see the face; is it the sequence that was "
            "tracked?"
        )
    return _aligned(torch.cat(foreign), torch.cat(own), folder)


def _aligned(foreign: Tensor, own: Tensor, folder: Path) -> _Similarity:
    """The similarity from the rig's landmarks (N, 3) to the capture's. Raises VideoError."""
    R, shift, scale = umeyama(foreign, own)
    misfit = float((scale * foreign @ R.T + shift - own).norm(dim=1).median())
    if misfit > TRUSTED_DM:
        raise VideoError(
            f"{folder}: the cameras' landmarks miss the tracked ones by {100 * misfit:.0f} mm; is "
            "the capture one of this rig's videos?"
        )
    return _Similarity(R, shift, scale)


def _head_window(viewmat: Tensor, K: Tensor, centre: Tensor, size: int) -> _HeadWindow:
    """Where a camera's pictures show the head around `centre` (3,), at `size` pixels."""
    x, y, z = (viewmat[:3, :3] @ centre + viewmat[:3, 3]).tolist()
    half = HALF * float(K[0, 0]) / z
    left = float(K[0, 0]) * x / z + float(K[0, 2]) - half
    top = float(K[1, 1]) * y / z + float(K[1, 2]) - half
    cropped = K.clone()
    cropped[0, 2] = K[0, 2] - left
    cropped[1, 2] = K[1, 2] - top
    cropped[:2] *= size / (2 * half)
    return _HeadWindow(Camera(viewmat, cropped, size, size), left, top, 2 * half)


def triangulate(pixels: Tensor, viewmats: Tensor, Ks: Tensor) -> Tensor:
    """World points (N, 3) from their pixels (V, N, 2) in V cameras, by the direct linear transform.

    viewmats (V, 4, 4) world-to-camera, Ks (V, 3, 3) pixels.
    """
    P = Ks @ viewmats[:, :3]
    rows = pixels[..., None] * P[:, None, 2:] - P[:, None, :2]
    A = rows.permute(1, 0, 2, 3).flatten(1, 2).double()
    x = torch.linalg.svd(A / A.norm(dim=2, keepdim=True)).Vh[:, -1]
    return (x[:, :3] / x[:, 3:]).float()
