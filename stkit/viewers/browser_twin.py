"""What the browser makes of a packet, computed in Python: the twin of src/splats.js, for tests,
posters and quality.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from stkit.geometry import axis_angle_to_quat, euler_yxz, quat_multiply, so3_exp
from stkit.render.gaussians import Gaussians
from stkit.viewers.motion_basis import CHANNELS
from stkit.viewers.packet import Packet

FRAME = 32  # numbers of a frame of `motion`, see packing
HEAD, CHEST = 0, 16  # where their rigid motions start in it


def browser_gaussians(
    packet: Packet,
    frame: int,
    look: int = 0,
    sliders: dict[str, float] | None = None,
    pose: list[float] | None = None,
) -> Gaussians:
    """What the browser makes of frame `frame` (clamped to the clip), slider positions and head pose
    (yaw, pitch, roll; degrees).

    World-space Gaussians, decimetres. `look`: 0 for the head, 1 for its edited twin.
    """
    header, arrays = packet.header, packet.arrays
    frame = max(0, min(frame, arrays["motion"].size // FRAME - 1))
    values = _decode_rest(packet, look)
    _add_components(packet, values, _coefficients(packet, frame, sliders or {}))
    row = _turned(torch.from_numpy(arrays["motion"].reshape(-1, FRAME)[frame]), pose)
    means = _float32(values["means"])
    follow = _float32(_columns(packet, "follow", 1) / 255)
    quat = follow * row[HEAD + 12 : HEAD + 16] + (1 - follow) * row[CHEST + 12 : CHEST + 16]
    quat = torch.nn.functional.normalize(quat, dim=-1)
    own = torch.nn.functional.normalize(_float32(values[f"quats{look}"]), dim=-1)
    rgba = _float32(values[f"rgba{look}"]).clamp(0, 255).round() / 255
    return Gaussians(
        means=follow * _moved(means, row, HEAD) + (1 - follow) * _moved(means, row, CHEST),
        quats=quat_multiply(quat, own),
        scales=header["scale"] * _float32(values[f"log_scales{look}"]).exp(),
        opacities=rgba[:, 3],
        colors=rgba[:, :3],
    )


def _columns(packet: Packet, name: str, width: int) -> np.ndarray:
    """An array of integers as float32 (N, width)."""
    return packet.arrays[name].reshape(packet.header["count"], width).astype(np.float32)


def _float32(values: Any) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


def _decode_rest(packet: Packet, look: int) -> dict[str, np.ndarray]:
    """The attributes of one look at rest, by array name."""
    h = packet.header
    low, step = np.array(h["meanLow"], np.float32), np.array(h["meanStep"], np.float32)
    means = low + _columns(packet, "means", 3) * step
    if f"offset{look}" in packet.arrays:
        means = means + _columns(packet, f"offset{look}", 3) * h["offsetStep"]
    log_scales, quats, rgba = f"log_scales{look}", f"quats{look}", f"rgba{look}"
    codes = _columns(packet, log_scales, 3)
    return {
        "means": means,
        log_scales: np.array(h["logScaleLow"]) + codes * np.array(h["logScaleStep"]),
        quats: _columns(packet, quats, 4) / 127,
        rgba: _columns(packet, rgba, 4),
    }


def _coefficients(packet: Packet, frame: int, sliders: dict[str, float]) -> list[float]:
    """Those of the clip's frame, then the sliders' positions."""
    clip = packet.header["clip"]
    positions = [sliders.get(s["name"], 0.0) for s in packet.header["sliders"]]
    if not clip:
        return positions
    return [*packet.arrays["coefficients"].reshape(-1, clip["components"])[frame], *positions]


def _add_components(
    packet: Packet, values: dict[str, np.ndarray], coefficients: list[float]
) -> None:
    """Add the basis times its coefficients to the attributes, in place."""
    for component, coefficient in zip(packet.header["components"], coefficients):
        rows = component["rows"]
        for name, value in values.items():
            codes = packet.arrays[f"basis_{name}"][component["starts"][name] :]
            change = codes[: CHANNELS * rows].reshape(-1, CHANNELS)[:, : value.shape[1]]
            value[:rows] += coefficient * component["steps"][name] * change


def _turned(row: Tensor, pose: list[float] | None) -> Tensor:
    """A frame of the motion, its head turned further by yaw, pitch and roll in degrees."""
    if pose is None:
        return row
    yaw, pitch, roll = (torch.deg2rad(torch.tensor([float(angle)])) for angle in pose)
    turn = euler_yxz(yaw, pitch, roll)[0]
    turned = row.clone()
    turned[:9] = (row[:9].reshape(3, 3) @ so3_exp(turn)).flatten()
    turned[12:16] = quat_multiply(row[12:16], axis_angle_to_quat(turn))
    return turned


def _moved(points: Tensor, row: Tensor, start: int) -> Tensor:
    """Points (N, 3) under the rigid motion that starts at `start`."""
    return points @ row[start : start + 9].reshape(3, 3).T + row[start + 9 : start + 12]
