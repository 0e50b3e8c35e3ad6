"""A run's files, made small: pictures compressed, tensors in half precision, each stored once."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from stkit.capture import Capture, Clip, Track
from stkit.errors import RequestError
from stkit.io.tensors import load_tensors, save_tensors

JPEG_QUALITY = 95
CLIP, RAW_TRACK, TRACK = "clip.npz", "raw_track.npz", "track.npz"
HALF = torch.float16
STILL_WHOLE = ("verts", "landmarks", "low", "high")  # places, kept in single precision


def save_capture(folder: Path, raw: Capture) -> None:
    """The clip, frames as JPEG and mattes as PNG, and its track."""
    encoded: dict[str, np.ndarray] = {}
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    for t in range(len(raw)):
        frame = cv2.cvtColor(raw.frames[t], cv2.COLOR_RGB2BGR)
        encoded[f"frame_{t:04}"] = cv2.imencode(".jpg", frame, quality)[1]
        encoded[f"matte_{t:04}"] = cv2.imencode(".png", raw.mattes[t])[1]
    points = {"landmarks": raw.landmarks.numpy(), "dense": raw.dense.numpy()}
    facts = {"times": raw.times.numpy(), "focal": raw.focal, "source": raw.source}
    np.savez(folder / CLIP, **encoded, **points, **facts)  # type: ignore[arg-type]
    raw.track.save(folder / RAW_TRACK)


def load_capture(folder: Path) -> Capture:
    """What `save_capture` wrote."""
    raw = Track.load(folder / RAW_TRACK)
    return Capture(**vars(_load_clip(folder / CLIP, len(raw.beta))), **vars(raw))


def _load_clip(path: Path, count: int) -> Clip:
    with np.load(path, allow_pickle=False) as data:
        frames = [cv2.imdecode(data[f"frame_{t:04}"], cv2.IMREAD_COLOR) for t in range(count)]
        mattes = [cv2.imdecode(data[f"matte_{t:04}"], cv2.IMREAD_GRAYSCALE) for t in range(count)]
        return Clip(
            np.stack([cv2.cvtColor(x, cv2.COLOR_BGR2RGB) for x in frames]),
            np.stack(mattes),
            torch.from_numpy(data["landmarks"]),
            torch.from_numpy(data["dense"]),
            torch.from_numpy(data["times"]),
            data["focal"].item(),
            data["source"].item(),
        )


def save_part(path: Path, state: dict[str, Tensor], base: dict[str, Tensor], meta: dict) -> None:
    """The tensors of a state that `base` has not in the same way, in half precision."""
    kept = {}
    for name, x in state.items():
        if name in base and torch.equal(base[name], x):
            continue
        whole = not x.is_floating_point() or name.split(".")[-1] in STILL_WHOLE
        kept[name] = x if whole else x.to(HALF)
    save_tensors(path, kept, meta)


def load_part(path: Path, kind: str, base: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict]:
    """What `save_part` wrote, completed from `base`, in single precision; and the header.

    Raises RequestError naming the file where it is damaged or another kind.
    """
    part, meta = load_tensors(path, kind)
    whole = base | part
    missing = [name for name in meta["names"] if name not in whole]
    if missing:
        raise RequestError(f"{path}: {', '.join(missing)} neither here nor in the head it edits")
    state = {name: whole[name] for name in meta["names"]}
    return {n: x.float() if x.dtype == HALF else x for n, x in state.items()}, meta
