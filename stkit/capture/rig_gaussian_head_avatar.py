"""The layout that Gaussian-Head-Avatar trains on (lineage.md 1.1, 2), 25 frames a second."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.capture.rig_layout import CalibratedCameras, RigLayout
from stkit.io.limits import read_npz
from stkit.io.pictures import open_picture
from stkit.io.video import VideoError

FPS = 25  # frames a second
PICTURE_TYPES = ("jpg", "png")
DESCRIPTION = (
    "Gaussian-Head-Avatar: images/FRAME/image_CAMERA.jpg with cameras/FRAME/camera_CAMERA.npz; "
    "give the folder that holds both"
)


def _recognises(folder: Path) -> bool:
    """Whether the first frame with pictures has calibrated cameras."""
    frames = _frames(folder)
    return bool(frames and _camera_files(folder, frames[0]))


def _read(folder: Path) -> CalibratedCameras:
    """The cameras of `folder`, which holds images/ and cameras/. Raises VideoError."""
    frames = _frames(folder)
    files = _camera_files(folder, frames[0])
    files = [f for f in files if all(_picture(frame, _name(f)) for frame in frames)]
    if len(files) < 2:
        raise VideoError(
            f"{folder}: {len(files)} cameras have a calibration and a picture of every frame, two "
            "are needed"
        )
    names = [_name(file) for file in files]
    cameras = [_camera(file) for file in files]

    def read_pictures(v: int, times: list[float]) -> list[np.ndarray]:
        if times and round(FPS * times[-1]) > len(frames):
            raise VideoError(
                f"{folder}: {len(frames)} frames, but the capture asks for second "
                f"{times[-1]:.2f}; is it this sequence, {FPS} frames a second?"
            )
        chosen = [frames[min(round(FPS * s), len(frames) - 1)] for s in times]
        return [_pixels(frame, names[v]) for frame in chosen]

    viewmats = torch.stack([viewmat for viewmat, _ in cameras])
    Ks = torch.stack([K for _, K in cameras])
    return CalibratedCameras(names, viewmats, Ks, read_pictures)


def _calibration_files(folder: Path) -> list[Path]:
    """The cameras of all frames."""
    return list((folder / "cameras").glob("*/camera_*.npz"))


GAUSSIAN_HEAD_AVATAR = RigLayout(DESCRIPTION, _recognises, _read, _calibration_files)


def _frames(folder: Path) -> list[Path]:
    """The folders of the frames' pictures, in the order of their names."""
    if not (folder / "images").is_dir():
        return []
    return sorted(path for path in (folder / "images").glob("*") if path.is_dir())


def _camera_files(folder: Path, frame: Path) -> list[Path]:
    return sorted((folder / "cameras" / frame.name).glob("camera_*.npz"))


def _name(camera_file: Path) -> str:
    return camera_file.stem.removeprefix("camera_")


def _camera(file: Path) -> tuple[Tensor, Tensor]:
    """World-to-camera matrix (4, 4) and K (3, 3). Raises VideoError, naming the file."""
    try:
        data = read_npz(file)
        rows = torch.from_numpy(data["extrinsic"]).float().reshape(-1, 4)[:3]
        K = torch.from_numpy(data["intrinsic"]).float().reshape(3, 3)
        return torch.cat([rows, torch.tensor([[0, 0, 0, 1.0]])]), K
    except Exception as e:  # numpy and zipfile raise many kinds
        raise VideoError(f"{file}: no camera ('intrinsic' 3 x 3, 'extrinsic' 3 x 4): {e}") from e


def _picture(frame: Path, name: str) -> Path | None:
    """The file of a camera's picture in a frame's folder; None where there is none."""
    files = [frame / f"image_{name}.{ending}" for ending in PICTURE_TYPES]
    return next((file for file in files if file.exists()), None)


def _pixels(frame: Path, name: str) -> np.ndarray:
    """A camera's picture (H, W, 3) uint8. Raises VideoError where it has gone meanwhile."""
    file = _picture(frame, name)
    if file is None:
        raise VideoError(f"{frame}: the picture image_{name} has gone while it was being read")
    return np.asarray(open_picture(file, longest=None))
