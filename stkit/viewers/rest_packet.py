"""Gaussians at rest as integers of 8 and 16 bits: the part of a packet that still pictures and
moving heads share.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.render.gaussians import Gaussians
from stkit.viewers.packet import Packet, camera_header, require_square

MAX_UINT16 = 65535
MAX_INT8 = 127
MAX_UINT8 = 255
SMALLEST_SCALE = 1e-6  # decimetres
SMALLEST_RANGE = 1e-6  # of values that are all the same
SMALLEST_STEP = 1e-9


@dataclass(frozen=True)
class RestScene:
    """What a splat viewer shows before anything moves.

    looks: the same N Gaussians once, or twice where they were edited; pivot (3,): what the camera
    turns around, world decimetres; follow (N,): how far each moves with the head, 1, or with the
    chest, 0; distance (N,): decimetres to the nearest landmark, for the weight overlay; scale:
    world decimetres per decimetre of the Gaussians.
    """

    looks: list[Gaussians]
    camera: Camera
    pivot: Tensor
    follow: Tensor
    distance: Tensor | None
    scale: float
    alt: str
    caption: str = ""

    def packet(self) -> Packet:
        """The scene without motion, sliders and basis. ValueError if the camera's picture is not
        square.
        """
        require_square(self.camera)
        first, n = self.looks[0], len(self.looks[0])
        means = _Range.of([first.means])
        log_scales = [g.scales.clamp_min(SMALLEST_SCALE).log() for g in self.looks]
        scale_range = _Range.of(log_scales)
        distance = torch.zeros(n) if self.distance is None else self.distance
        distance_step = max(float(distance.max()) / MAX_UINT16, SMALLEST_STEP)
        offsets = [g.means - first.means for g in self.looks[1:]]
        offset_step = max([float(o.abs().max()) / MAX_INT8 for o in offsets] + [SMALLEST_STEP])
        steps = {"distanceStep": distance_step, "offsetStep": offset_step}
        ranges = means.header("mean") | scale_range.header("logScale")
        arrays = {
            "means": _integers((first.means - means.low) / means.step, np.uint16),
            "follow": _integers(MAX_UINT8 * self.follow, np.uint8),
            "distance": _integers(distance / distance_step, np.uint16),
        }
        for k, (g, logs) in enumerate(zip(self.looks, log_scales)):
            codes = (logs - scale_range.low) / scale_range.step
            arrays[f"log_scales{k}"] = _integers(codes, np.uint16)
            quats = torch.nn.functional.normalize(g.quats, dim=-1)
            arrays[f"quats{k}"] = _integers(MAX_INT8 * quats, np.int8)
            rgba = MAX_UINT8 * torch.cat([g.colors, g.opacities[:, None]], 1)
            arrays[f"rgba{k}"] = _integers(rgba.clamp(0, MAX_UINT8), np.uint8)
        for k, offset in enumerate(offsets, 1):
            arrays[f"offset{k}"] = _integers(offset / offset_step, np.int8)
        return Packet(self._header() | ranges | steps, arrays)

    def _header(self) -> dict[str, Any]:
        return {
            "kind": "splats",
            "count": len(self.looks[0]),
            "scale": self.scale,
            "looks": ["head", "edited"][: len(self.looks)],
            "camera": camera_header(self.camera),
            "pivot": self.pivot.tolist(),
            "components": [],
            "sliders": [],
            "clip": None,
            "posable": False,
            "weights": self.distance is not None,
            "alt": self.alt,
            "caption": self.caption,
        }


@dataclass(frozen=True)
class _Range:
    """Columns as uint16: low + code * step, low and step (C,)."""

    low: Tensor
    step: Tensor

    @staticmethod
    def of(values: list[Tensor]) -> "_Range":
        """The range of all rows of values (N, C)."""
        rows = torch.cat(values)
        low, high = rows.min(0).values, rows.max(0).values
        return _Range(low, (high - low).clamp_min(SMALLEST_RANGE) / MAX_UINT16)

    def header(self, name: str) -> dict[str, list[float]]:
        return {f"{name}Low": self.low.tolist(), f"{name}Step": self.step.tolist()}


def _integers(x: Tensor, dtype: type) -> np.ndarray:
    return x.round().numpy().astype(dtype)
