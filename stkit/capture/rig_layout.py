"""What the reader of a rig's folders gives: calibrated cameras, and their pictures at any times."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

PictureReader = Callable[[int, list[float]], list[np.ndarray]]


@dataclass(frozen=True)
class CalibratedCameras:
    """The V cameras of a rig in their own world, which may have any axes and unit.

    names: one for each camera; viewmats (V, 4, 4) world-to-camera, OpenCV; Ks (V, 3, 3) in pixels
    of pictures `K_height` pixels high, or, where that is None, of the pictures as they are. read(v,
    times): camera v's pictures (H, W, 3) uint8 at rising times, seconds.
    """

    names: list[str]
    viewmats: Tensor
    Ks: Tensor
    read: PictureReader
    K_height: int | None = None


@dataclass(frozen=True)
class RigLayout:
    """One way of laying out a rig's files; a new one is a module like
    `stkit.capture.rig_nersemble`.

    description: one line that tells a person what to give; recognises(folder): whether the folder
    is of this layout; read(folder): its cameras, or VideoError; calibration_files(folder): the
    files that say where the cameras stand and how they see colours.
    """

    description: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], CalibratedCameras]
    calibration_files: Callable[[Path], list[Path]]
