"""The layout of the NeRSemble dataset, version 2.

Facts from the README of nersemble-data: cameras are world-to-camera in OpenCV's axes, intrinsics
are shared, colour matrices are optional.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stkit.capture.colours import correct_colours
from stkit.capture.rig_layout import CalibratedCameras, RigLayout
from stkit.io.video import VideoError, frames_at

K_HEIGHT = 3208  # pixels: the height of the pictures that the intrinsics are for
DESCRIPTION = (
    "NeRSemble: PARTICIPANT/sequences/NAME/images/cam_SERIAL.mp4 with "
    "PARTICIPANT/calibration/camera_params.json; give PARTICIPANT/sequences/NAME"
)


@dataclass(frozen=True)
class _Calibration:
    """K (3, 3), and by serial number the world-to-camera matrices (4, 4) and colour matrices (3,
    n).
    """

    K: Tensor
    viewmats: dict[str, Tensor]
    colours: dict[str, np.ndarray]


def _recognises(folder: Path) -> bool:
    """Whether the folder holds the films of a sequence."""
    return (folder / "images").is_dir() and any((folder / "images").glob("cam_*.mp4"))


def _read(folder: Path) -> CalibratedCameras:
    """The cameras of `folder`, which is PARTICIPANT/sequences/NAME. Raises VideoError."""
    calibration = _calibration(_calibration_folder(folder))
    known = calibration.viewmats
    names = [name for name in known if _film(folder, name).exists()]
    if len(names) < 2:
        raise VideoError(
            f"{folder / 'images'}: {len(names)} of the {len(known)} calibrated cameras' videos "
            "(cam_SERIAL.mp4) are there, two are needed"
        )

    def read_pictures(v: int, times: list[float]) -> list[np.ndarray]:
        pictures = frames_at(_film(folder, names[v]), times)
        matrix = calibration.colours.get(names[v])
        return pictures if matrix is None else [correct_colours(p, matrix) for p in pictures]

    viewmats = torch.stack([known[name] for name in names])
    Ks = calibration.K.expand(len(names), 3, 3)
    return CalibratedCameras(names, viewmats, Ks, read_pictures, K_HEIGHT)


def _calibration_files(folder: Path) -> list[Path]:
    """The calibration of the participant that a sequence belongs to."""
    return list(_calibration_folder(folder).glob("*.json"))


NERSEMBLE = RigLayout(DESCRIPTION, _recognises, _read, _calibration_files)


def _calibration_folder(folder: Path) -> Path:
    return folder.parent.parent / "calibration"


def _film(folder: Path, name: str) -> Path:
    return folder / "images" / f"cam_{name}.mp4"


def _calibration(folder: Path) -> _Calibration:
    """What the calibration's files say. Raises VideoError, naming the folder."""
    cameras = _json(folder / "camera_params.json")
    colour_file = folder / "color_calibration.json"
    matrices = _json(colour_file) if colour_file.exists() else {}
    try:
        K = torch.tensor(cameras["intrinsics"], dtype=torch.float32).reshape(3, 3)
        viewmats = {name: _viewmat(rows) for name, rows in cameras["world_2_cam"].items()}
        colours = {name: np.array(rows, np.float64) for name, rows in matrices.items()}
        for matrix in colours.values():  # raises for a shape that cannot be applied
            correct_colours(np.zeros((1, 1, 3), np.uint8), matrix)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as e:
        raise VideoError(
            f"{folder}: needs 'world_2_cam' (4 x 4 by serial number), 'intrinsics' (3 x 3) and "
            f"colour matrices, but: {e}"
        ) from e
    return _Calibration(K, viewmats, colours)


def _viewmat(rows: list) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(4, 4)


def _json(path: Path) -> Any:
    """What a file of JSON holds. Raises VideoError."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as e:
        raise VideoError(f"{path}: no calibration can be read ({e})") from e
