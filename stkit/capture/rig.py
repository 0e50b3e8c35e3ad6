"""Many calibrated cameras around one head: NeRSemble's folders and Gaussian-Head-Avatar's, brought into a capture's world.

Their world is any; the capture's is that of one camera. Landmarks seen by several cameras are triangulated and laid on the
capture's 3D landmarks: turn, shift and one scale. Facts of the layouts: nersemble-data's README (cameras world-to-camera, OpenCV,
intrinsics shared, colour matrices after Cheung et al. 2004) and lineage.md 1.1, 2.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.capture.detect import mattes_of, still_landmarks
from stkit.face_models.landmarks import KEPT_66
from stkit.io.video import VideoError, frames_at

HALF = 2.4  # decimetres from the head's centre to the border of a crop
NERSEMBLE_TALL = 3208  # the height of the pictures its intrinsics are for
TRUSTED_DM = 0.15  # largest misfit of the two sets of landmarks
LAYOUTS = """neither of the two layouts that are read:
  NeRSemble: PARTICIPANT/sequences/NAME/images/cam_SERIAL.mp4 with PARTICIPANT/calibration/camera_params.json; give PARTICIPANT/sequences/NAME
  Gaussian-Head-Avatar: images/FRAME/image_CAMERA.jpg with cameras/FRAME/camera_CAMERA.npz; give the folder that holds both"""


@dataclass(frozen=True)
class Rig:
    """Pictures (F, V, S, S, 3) and mattes (F, V, S, S), uint8, of the capture's frames `frames` (F); V cameras in its world."""

    names: list[str]
    cameras: list[Camera]
    frames: list[int]
    images: np.ndarray
    mattes: np.ndarray

    def shot(self, k: int, v: int) -> tuple[Tensor, Tensor]:
        """Image over white (S, S, 3) and matte (S, S, 1) of frame number `frames[k]` by camera v, floats in [0, 1]."""
        matte = torch.from_numpy(self.mattes[k, v]).float()[..., None] / 255
        return torch.from_numpy(self.images[k, v]).float() / 255 * matte + 1 - matte, matte


@dataclass(frozen=True)
class Calibrated:
    """What a layout's reader finds: `viewmats` (V, 4, 4) world-to-camera, read(v, times) -> pictures, `Ks` (V, 3, 3) in pixels.

    Ks are those of pictures `tall` pixels high, whatever is read; None: of the pictures as they are.
    """

    names: list[str]
    viewmats: Tensor
    Ks: Tensor
    read: Callable[[int, list[float]], list[np.ndarray]]
    tall: int | None = None


def load_rig(
    folder: str | Path, capture: Capture, count: int = 40, progress=lambda x, **k: x
) -> Rig:
    """Read `count` of the capture's training frames from every camera of `folder`, cropped around the head to the capture's size.

    One camera's pictures are in memory at a time.

    `capture` is one of these cameras' videos, tracked: moments are found by its times. Raises VideoError for another layout, a
    broken calibration, fewer than two cameras that see the face, or landmarks that do not lie on each other.
    """
    folder = Path(folder)
    found = (
        _nersemble(folder)
        if (folder / "images").is_dir() and any((folder / "images").glob("cam_*.mp4"))
        else _gha(folder)
    )
    train, _ = capture.split()
    frames = sorted(
        {
            train[k]
            for k in np.linspace(0, len(train) - 1, min(count, len(train))).round().astype(int)
        }
    )
    times = [float(capture.times[t]) for t in frames]
    looks = sorted({frames[int(k)] for k in np.linspace(0, len(frames) - 1, 5)})
    Ks, seen = found.Ks.clone(), []
    for v in progress(range(len(found.names)), desc="finding the face"):
        rows = found.read(v, [float(capture.times[t]) for t in looks])
        Ks[v, :2] *= rows[0].shape[0] / found.tall if found.tall else 1.0
        seen.append(still_landmarks(rows))
    points, marks = [], []
    for i, t in enumerate(looks):
        who = [v for v in range(len(found.names)) if seen[v][i] is not None]
        if len(who) >= 2:
            pixels = torch.stack(
                [torch.as_tensor(seen[v][i], dtype=torch.float32)[KEPT_66] for v in who]
            )
            points.append(triangulate(pixels, found.viewmats[who], Ks[who]))
            marks.append(capture.landmarks3d[t])
    if not points:
        raise VideoError(
            f"{folder}: no moment at which two cameras see the face; is it the sequence that was tracked?"
        )
    R, shift, scale = similarity(torch.cat(points), torch.cat(marks))
    misfit = float(
        (scale * torch.cat(points) @ R.T + shift - torch.cat(marks)).norm(dim=1).median()
    )
    if misfit > TRUSTED_DM:
        raise VideoError(
            f"{folder}: the cameras' landmarks miss the tracked ones by {100 * misfit:.0f} mm; is the capture one of this rig's videos?"
        )
    centre = torch.stack([capture.head_centre(t) for t in frames]).mean(0)
    size, names, cameras, images = capture.size, [], [], []
    for v, name in enumerate(progress(found.names, desc="reading cameras")):
        viewmat = torch.eye(4)
        viewmat[:3, :3] = found.viewmats[v, :3, :3] @ R.T
        viewmat[:3, 3] = scale * found.viewmats[v, :3, 3] - viewmat[:3, :3] @ shift
        K = Ks[v]
        x, y, z = (viewmat[:3, :3] @ centre + viewmat[:3, 3]).tolist()
        half = HALF * float(K[0, 0]) / z
        left, top = (
            float(K[0, 0]) * x / z + float(K[0, 2]) - half,
            float(K[1, 1]) * y / z + float(K[1, 2]) - half,
        )
        own = K.clone()
        own[0, 2], own[1, 2] = K[0, 2] - left, K[1, 2] - top
        own[:2] *= size / (2 * half)
        names.append(name)
        cameras.append(Camera(viewmat, own, size, size))
        images.append(
            np.stack([_window(p, left, top, 2 * half, size) for p in found.read(v, times)])
        )
    mattes = [mattes_of(rows) for rows in progress(images, desc="mattes")]
    return Rig(names, cameras, frames, np.stack(images, 1), np.stack(mattes, 1))


def calibration_files(folder: str | Path) -> list[Path]:
    """The files that say where a rig's cameras stand and how they see colours: what its result depends on besides its pictures."""
    folder = Path(folder)
    calibration = folder.parent.parent / "calibration"
    return (
        sorted([*calibration.glob("*.json"), *(folder / "cameras").glob("*/camera_*.npz")])
        if folder.is_dir()
        else []
    )


def triangulate(pixels: Tensor, viewmats: Tensor, Ks: Tensor) -> Tensor:
    """World points (N, 3) from their pixels (V, N, 2) in V cameras, by the direct linear transform."""
    P = Ks @ viewmats[:, :3]
    rows = pixels[..., None] * P[:, None, 2:] - P[:, None, :2]
    A = rows.permute(1, 0, 2, 3).flatten(1, 2).double()
    x = torch.linalg.svd(A / A.norm(dim=2, keepdim=True)).Vh[:, -1]
    return (x[:, :3] / x[:, 3:]).float()


def similarity(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """R (3, 3), shift (3,) and scale () with scale R a + shift nearest to b in least squares (Umeyama 1991); points (N, 3)."""
    ma, mb = a.mean(0), b.mean(0)
    U, S, Vh = torch.linalg.svd((b - mb).T @ (a - ma))
    signs = torch.tensor([1.0, 1.0, float(torch.sign(torch.linalg.det(U @ Vh)))])
    R = U @ torch.diag(signs) @ Vh
    scale = (S * signs).sum() / (a - ma).square().sum()
    return R, mb - scale * R @ ma, scale


def correct_colours(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) uint8 under a colour matrix (3, n), applied in linear light to the n terms of Cheung et al. 2004.

    n is 3 (RGB), 5 (RGB, RGB product, 1), 7, 8, 10 or 11 (with squares and pair products), as in the library colour-science, which
    the data set's own tool uses; ValueError otherwise.
    """
    levels = np.arange(256) / 255.0
    table = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )
    r, g, b = table[image].reshape(-1, 3).T
    one, product = np.ones_like(r), r * g * b
    pairs, squares = [r * g, r * b, g * b], [r * r, g * g, b * b]
    terms = {
        3: [r, g, b],
        5: [r, g, b, product, one],
        7: [r, g, b, *pairs, one],
        8: [r, g, b, *pairs, product, one],
        10: [r, g, b, *pairs, *squares, one],
        11: [r, g, b, *pairs, *squares, product, one],
    }.get(matrix.shape[-1])
    if terms is None or matrix.shape != (3, matrix.shape[-1]):
        raise ValueError(
            f"a colour matrix of shape {matrix.shape}; 3 x 3, 5, 7, 8, 10 or 11 are read"
        )
    y = np.clip(np.stack(terms, 1) @ matrix.T.astype(np.float32), 0, 1)
    shown = np.where(y <= 0.0031308, 12.92 * y, 1.055 * y ** (1 / 2.4) - 0.055)
    return (shown.reshape(image.shape) * 255).round().astype(np.uint8)


def _nersemble(folder: Path) -> Calibrated:
    """`folder` is PARTICIPANT/sequences/NAME of the NeRSemble dataset, version 2."""
    calibration = folder.parent.parent / "calibration"
    told = _json(calibration / "camera_params.json")
    colours = (
        _json(calibration / "color_calibration.json")
        if (calibration / "color_calibration.json").exists()
        else {}
    )
    try:
        K = torch.tensor(told["intrinsics"], dtype=torch.float32).reshape(3, 3)
        poses = {
            name: torch.tensor(m, dtype=torch.float32).reshape(4, 4)
            for name, m in told["world_2_cam"].items()
        }
        matrices = {name: np.array(m, np.float64) for name, m in colours.items()}
        for matrix in matrices.values():
            correct_colours(np.zeros((1, 1, 3), np.uint8), matrix)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as e:
        raise VideoError(
            f"{calibration}: needs 'world_2_cam' (4 x 4 by serial number), 'intrinsics' (3 x 3) and colour matrices, but: {e}"
        ) from e
    names = [n for n in poses if (folder / "images" / f"cam_{n}.mp4").exists()]
    if len(names) < 2:
        raise VideoError(
            f"{folder / 'images'}: {len(names)} of the {len(poses)} calibrated cameras' videos (cam_SERIAL.mp4) are there, two are needed"
        )

    def read(v: int, times: list[float]) -> list[np.ndarray]:
        pictures = frames_at(folder / "images" / f"cam_{names[v]}.mp4", times)
        return (
            [correct_colours(p, matrices[names[v]]) for p in pictures]
            if names[v] in matrices
            else pictures
        )

    return Calibrated(
        names,
        torch.stack([poses[n] for n in names]),
        K.expand(len(names), 3, 3),
        read,
        NERSEMBLE_TALL,
    )


def _gha(folder: Path) -> Calibrated:
    """`folder` holds images/FRAME/image_CAMERA.jpg and cameras/FRAME/camera_CAMERA.npz, taken as 25 frames a second."""
    from PIL import Image

    moments = (
        sorted(p for p in (folder / "images").glob("*") if p.is_dir())
        if (folder / "images").is_dir()
        else []
    )
    files = sorted((folder / "cameras" / moments[0].name).glob("camera_*.npz")) if moments else []
    if not files:
        raise VideoError(f"{folder}: {LAYOUTS}")
    picture = lambda moment, name: next(
        (p for e in ("jpg", "png") if (p := moment / f"image_{name}.{e}").exists()), None
    )
    names = [f.stem.removeprefix("camera_") for f in files]
    names = [n for n in names if all(picture(m, n) for m in moments)]
    if len(names) < 2:
        raise VideoError(
            f"{folder}: {len(names)} cameras have a calibration and a picture of every frame, two are needed"
        )
    viewmats, Ks = [], []
    for name in names:
        file = folder / "cameras" / moments[0].name / f"camera_{name}.npz"
        try:
            with np.load(file, allow_pickle=False) as data:
                viewmats.append(
                    torch.cat(
                        [
                            torch.from_numpy(data["extrinsic"]).float().reshape(-1, 4)[:3],
                            torch.tensor([[0, 0, 0, 1.0]]),
                        ]
                    )
                )
                Ks.append(torch.from_numpy(data["intrinsic"]).float().reshape(3, 3))
        except Exception as e:  # numpy and zipfile raise many kinds
            raise VideoError(
                f"{file}: no camera ('intrinsic' 3 x 3, 'extrinsic' 3 x 4): {e}"
            ) from e

    def read(v: int, times: list[float]) -> list[np.ndarray]:
        if times and round(25 * times[-1]) > len(moments):
            raise VideoError(
                f"{folder}: {len(moments)} frames, but the capture asks for second {times[-1]:.2f}; is it this sequence, 25 frames a second?"
            )
        at = [moments[min(round(25 * s), len(moments) - 1)] for s in times]
        return [np.asarray(Image.open(picture(m, names[v])).convert("RGB")) for m in at]

    return Calibrated(names, torch.stack(viewmats), torch.stack(Ks), read)


def _json(path: Path):
    try:
        return json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as e:
        raise VideoError(f"{path}: no calibration can be read ({e})") from e


def _window(picture: np.ndarray, left: float, top: float, side: float, size: int) -> np.ndarray:
    """The square at (left, top) of a picture, white where it reaches beyond, resized to `size` pixels."""
    import cv2

    scale = size / side
    shrunk = cv2.GaussianBlur(picture, (0, 0), 0.35 / scale) if scale < 0.6 else picture
    M = np.array(
        [
            [scale, 0, -left * scale + 0.5 * scale - 0.5],
            [0, scale, -top * scale + 0.5 * scale - 0.5],
        ]
    )
    return cv2.warpAffine(
        shrunk,
        M,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(255, 255, 255),
    )
