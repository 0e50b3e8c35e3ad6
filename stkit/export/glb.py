"""Gaussians as a binary glTF file by Khronos's extension KHR_gaussian_splatting, by pygltflib.

glTF: metres, y up, the face looks along +z; rotations x, y, z, w; scales are lengths and opacities
lie in [0, 1]. Tools that do not know the extension show coloured points.
"""

from pathlib import Path

import numpy as np
import pygltflib as gltf
import torch

from stkit.export.conventions import METRES, TrainedFields
from stkit.io.tensors import replace_file
from stkit.render.gaussians import Gaussians

EXTENSION = "KHR_gaussian_splatting"
KERNEL = {
    "kernel": "ellipse",
    "colorSpace": "srgb_rec709_display",
    "sortingMethod": "cameraDistance",
    "projection": "perspective",
}
SHAPES = {1: gltf.SCALAR, 2: gltf.VEC2, 3: gltf.VEC3, 4: gltf.VEC4}
NUMBERS = {
    "float32": gltf.FLOAT,
    "uint8": gltf.UNSIGNED_BYTE,
    "uint16": gltf.UNSIGNED_SHORT,
    "uint32": gltf.UNSIGNED_INT,
}
GENERATOR = "stkit (a synthetic head)"


class Binary:
    """A glTF file that grows array by array."""

    def __init__(self) -> None:
        self.file = gltf.GLTF2(asset=gltf.Asset(generator=GENERATOR), scene=0)
        self.bytes = bytearray()

    def view(self, data: bytes, target: int | None = None) -> int:
        """The index of a buffer view of these bytes; each begins at a multiple of four."""
        self.bytes += b"\0" * (-len(self.bytes) % 4)
        self.file.bufferViews.append(
            gltf.BufferView(
                buffer=0, byteOffset=len(self.bytes), byteLength=len(data), target=target
            )
        )
        self.bytes += data
        return len(self.file.bufferViews) - 1

    def array(
        self,
        values: np.ndarray,
        target: int | None = gltf.ARRAY_BUFFER,
        normalized: bool = False,
        limits: bool = False,
    ) -> int:
        """The index of an accessor of values (N,) or (N, C); limits: with its least and largest
        values, as positions must have them.
        """
        rows = values.reshape(len(values), -1)
        accessor = gltf.Accessor(
            bufferView=self.view(np.ascontiguousarray(rows).tobytes(), target),
            componentType=NUMBERS[rows.dtype.name],
            count=len(rows),
            type=SHAPES[rows.shape[1]],
        )
        accessor.normalized = normalized
        if limits:
            accessor.min, accessor.max = rows.min(0).tolist(), rows.max(0).tolist()
        self.file.accessors.append(accessor)
        return len(self.file.accessors) - 1

    def write(self, path: Path) -> None:
        """The file, whole or not at all."""
        self.file.buffers = [gltf.Buffer(byteLength=len(self.bytes))]
        self.file.set_binary_blob(bytes(self.bytes))
        content = b"".join(self.file.save_to_bytes())
        replace_file(Path(path), lambda part: part.write_bytes(content))


def write_glb(gaussians: Gaussians, path: Path) -> None:
    """A GLB of points with the extension's attributes, degree 0, metres."""
    metres = gaussians.moved(torch.eye(3), torch.zeros(3), METRES)
    fields, out = TrainedFields.of(metres), Binary()
    lengths = metres.scales.detach().numpy().astype(np.float32)
    opacities = metres.opacities.detach().numpy().astype(np.float32)
    colors = metres.colors.detach().clamp(0, 1).numpy()
    rgba = np.concatenate([colors, opacities[:, None]], 1)
    attributes = {
        "POSITION": out.array(fields.means, limits=True),
        "COLOR_0": out.array((255 * rgba).round().astype(np.uint8), normalized=True),
        f"{EXTENSION}:ROTATION": out.array(np.roll(fields.quats, -1, 1)),
        f"{EXTENSION}:SCALE": out.array(lengths),
        f"{EXTENSION}:OPACITY": out.array(opacities),
        f"{EXTENSION}:SH_DEGREE_0_COEF_0": out.array(fields.sh0),
    }
    points = gltf.Primitive(mode=gltf.POINTS, extensions={EXTENSION: dict(KERNEL)})
    for name, index in attributes.items():
        setattr(points.attributes, name, index)
    out.file.extensionsUsed = [EXTENSION]
    out.file.meshes = [gltf.Mesh(name="head", primitives=[points])]
    out.file.nodes = [gltf.Node(name="head", mesh=0)]
    out.file.scenes = [gltf.Scene(nodes=[0])]
    out.write(path)
