"""What a file of tracked parameters says about a head, whatever its format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.errors import RequestError

MAX_VALUE = 100.0  # the largest coefficient or angle that is believed; usual ones are below 5
FRAME_RATE = 25.0  # frames a second, for formats that do not say


@dataclass(frozen=True)
class Tracked:
    """Tracked motion, as the built-in head's.

    beta (F, 64), head rotation (F, 3) as axis-angle, times (F,) in seconds from the first frame,
    and the file or folder it came from.
    """

    beta: Tensor
    rotation: Tensor
    times: Tensor
    source: str


def checked(path: Path, values: np.ndarray) -> Tensor:
    """Values as float32. Raises ValueError naming the file if one cannot be meant."""
    if not np.isfinite(values).all() or np.abs(values).max(initial=0) > MAX_VALUE:
        raise RequestError(f"{path}: holds a value that is not finite or larger than {MAX_VALUE:g}")
    return torch.from_numpy(values).float()


def even_times(frames: int, rate: float = FRAME_RATE) -> Tensor:
    """Times (F,) in seconds of evenly spaced frames."""
    return torch.arange(frames) / rate
