"""A rig on disk: rig.json says what there is, rig.bin.gz holds the numbers, little-endian.

docs/guide/exchange.md describes the layout; `rig_player/` has a reader in 100 lines of Python and
one in JavaScript for three.js.
"""

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from stkit.cameras import Camera
from stkit.export.rig import STEPS, FaceRig
from stkit.geometry import axis_angle_to_quat, quat_multiply, so3_exp
from stkit.io.tensors import replace_file, write_json

SCHEMA, VERSION = "stkit-rig", "1.0"
DESCRIPTION, DATA = "rig.json", "rig.bin.gz"
PLAYER = Path(__file__).parent / "rig_player"
# fine enough that no attribute at rest is off by a visible amount
REST_TYPES = {"means": "<f4", "log_scales": "<f2", "quats": "<f2", "colors": "<f2"}


class _Bytes:
    """Arrays one after the other; each begins at a multiple of four bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def add(self, values: np.ndarray, kind: str) -> dict[str, Any]:
        """Where an array lies, and what it is."""
        self.data += b"\0" * (-len(self.data) % 4)
        entry = {"offset": len(self.data), "type": kind[1:], "shape": list(values.shape)}
        self.data += np.ascontiguousarray(values, dtype=kind).tobytes()
        return entry


def write_rig(rig: FaceRig, camera: Camera, folder: Path, source: str) -> None:
    """The rig of a head, its players and how to start them, in a folder of its own.

    camera: the one that tracked the head, from which a player looks; source: whose head it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store = _Bytes()
    description = {
        "schema": SCHEMA,
        "version": VERSION,
        "generator": "stkit",
        "synthetic": True,
        "source": source,
        "units": "decimetres",
        "axes": "x to the subject's left, y up, z out of the face",
        "count": len(rig.rest),
        "actions": list(rig.names),
        "rest": _rest(rig, store),
        "changes": _changes(rig, store),
        "skeleton": _skeleton(rig),
        "camera": {
            "viewmat": camera.viewmat.tolist(),
            "K": camera.K.tolist(),
            "width": camera.width,
            "height": camera.height,
        },
    }
    description["data"] = {"file": DATA, "bytes": len(store.data)}
    packed = gzip.compress(bytes(store.data), 9, mtime=0)
    replace_file(folder / DATA, lambda part: part.write_bytes(packed))
    write_json(folder / DESCRIPTION, description)
    for file in sorted(PLAYER.iterdir()):
        if file.is_file():
            shutil.copyfile(file, folder / file.name)


def _rest(rig: FaceRig, store: _Bytes) -> dict[str, Any]:
    """The Gaussians at rest; colours and opacities in [0, 1], scales as logarithms."""
    g = rig.rest
    arrays = {"means": g.means, "log_scales": g.scales.log(), "quats": g.quats, "colors": g.colors}
    entries = {name: store.add(_numpy(x), REST_TYPES[name]) for name, x in arrays.items()}
    entries["opacities"] = store.add(_numpy(g.opacities[:, None]), "<f2")
    entries["follow"] = store.add(_numpy(rig.follow[:, None]), "<f2")
    return entries


def _changes(rig: FaceRig, store: _Bytes) -> list[dict[str, Any]]:
    """For each action and attribute that it changes: rows, and codes that `step` multiplies."""
    entries = []
    for k, action in enumerate(rig.names):
        for attribute, step in STEPS.items():
            codes = _numpy((rig.changes[attribute][k] / step).round())
            rows = np.flatnonzero(codes.any(1))
            if len(rows):
                entry: dict[str, Any] = {"action": action, "attribute": attribute, "step": step}
                entry["rows"] = store.add(rows, "<u4")
                entry["codes"] = store.add(codes[rows], "<i2")
                entries.append(entry)
    return entries


def _skeleton(rig: FaceRig) -> dict[str, Any]:
    """Two bones. A Gaussian's place in the world is follow * head + (1 - follow) * chest, each
    scale * R x + translation; rotations blend as quaternions (w, x, y, z).
    """
    f = rig.frame
    torso = so3_exp(f.torso[:3])
    chest = quat_multiply(axis_angle_to_quat(f.torso[:3]), axis_angle_to_quat(f.rest[:3]))
    return {
        "scale": float(f.scale),
        "head": {
            "rotation": axis_angle_to_quat(f.pose[:3]).tolist(),
            "translation": f.pose[3:].tolist(),
        },
        "chest": {
            "rotation": chest.tolist(),
            "translation": (torso @ f.rest[3:] + f.torso[3:]).tolist(),
        },
    }


def _numpy(x: Tensor) -> np.ndarray:
    return x.detach().cpu().numpy()
