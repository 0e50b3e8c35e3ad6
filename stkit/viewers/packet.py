"""What travels from Python to the browser: a JSON header, and arrays laid one after another in
bytes.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from stkit.cameras import Camera
from stkit.errors import RequestError

ALIGNMENT = 8  # bytes; typed arrays in JavaScript must start at multiples of their item size


@dataclass
class Packet:
    """`header` (JSON) and `arrays` (name to numpy array), as src/packet.js reads them.

    The header's `kind` says which viewer shows it: 'splats', 'mesh' or 'compare'. What else it
    holds stands where each kind is made: `packing`, `meshes`, `compare`.
    """

    header: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def bytes(self) -> bytes:
        """All arrays, each at a multiple of 8 bytes; fills header['arrays'] with offset, type and
        length.
        """
        parts = []
        offset = 0
        index: dict[str, list] = {}
        for name, array in self.arrays.items():
            raw = np.ascontiguousarray(array).tobytes()
            index[name] = [offset, array.dtype.str[1:], int(array.size)]
            parts.append(raw + bytes(-len(raw) % ALIGNMENT))
            offset += len(parts[-1])
        self.header["arrays"] = index
        return b"".join(parts)


def camera_header(camera: Camera) -> dict[str, Any]:
    """A camera as JSON: viewmat (16 numbers) and K (9), row by row, width and height in pixels."""
    return {
        "viewmat": camera.viewmat.flatten().tolist(),
        "K": camera.K.flatten().tolist(),
        "width": camera.width,
        "height": camera.height,
    }


def camera_from(header: dict[str, Any]) -> Camera:
    """The inverse of `camera_header`."""
    return Camera(
        torch.tensor(header["viewmat"]).reshape(4, 4),
        torch.tensor(header["K"]).reshape(3, 3),
        header["width"],
        header["height"],
    )


def require_square(camera: Camera) -> None:
    """The viewers' canvas is square. ValueError for other cameras."""
    if camera.width != camera.height:
        size = f"{camera.width} x {camera.height}"
        raise RequestError(f"the viewers show square pictures; the camera's are {size}")
