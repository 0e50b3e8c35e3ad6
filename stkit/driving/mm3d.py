"""Folders of Multiview-3DMM-Fitting, the tracker of the paper's lineage (lineage.md 2).

params/FRAME/ holds params.npz with id_coeff, exp_coeff, scale and pose, and lmk_3d.npy with the
landmarks (66, 3) in the world. Folders that stkit wrote have stkit.json beside params/.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.capture.capture import Capture
from stkit.driving.parameters import Tracked, even_times
from stkit.errors import RequestError
from stkit.face_models.protocol import FaceModel
from stkit.face_models.seated import BETAS
from stkit.face_models.transfer import beta_of
from stkit.io.limits import read_npz
from stkit.io.safe_pickle import load_npy
from stkit.io.tensors import read_json, write_text
from stkit.io.untrusted import guard
from stkit.space import canonical_points, to_world

ABOUT = "stkit.json"
LANDMARKS = (66, 3)


@dataclass(frozen=True)
class _Frame:
    """One frame's params.npz: pose (6,), scale (1,) and expression coefficients (E,)."""

    pose: Tensor
    scale: Tensor
    coefficients: Tensor


def is_3dmm(folder: Path) -> bool:
    """Whether a folder is one of Multiview-3DMM-Fitting; nothing but params/ need be in it."""
    return (folder / "params").is_dir()


def read_3dmm(folder: Path) -> Tracked:
    """Read a folder; there are 25 frames a second.

    Coefficients of another basis are carried over by the landmarks, counted from the calmest frame;
    those of the built-in head are read exactly. Raises ValueError naming the file that is wrong.
    """
    folders = sorted(p for p in (folder / "params").iterdir() if p.is_dir())
    if not folders:
        raise RequestError(f"{folder}/params: is empty; expected one folder for each frame")
    frames = [_read_frame(f / "params.npz") for f in folders]
    pose = torch.stack([frame.pose for frame in frames])
    if len({len(frame.coefficients) for frame in frames}) > 1:
        raise RequestError(f"{folder}: exp_coeff has another length in some frames")
    coefficients = torch.stack([frame.coefficients for frame in frames])
    if read_json(folder / ABOUT).get("face_model") == "makehuman":
        beta = coefficients
        if beta.shape[1] != BETAS:
            raise RequestError(
                f"{folder}: exp_coeff has {beta.shape[1]} numbers, the built-in head has {BETAS}"
            )
    else:
        points = [
            canonical_points(_read_landmarks(f / "lmk_3d.npy"), frame.pose, frame.scale)
            for f, frame in zip(folders, frames)
        ]
        calmest = int(torch.stack([row.norm() for row in coefficients]).argmin())
        beta = beta_of(torch.stack(points), points[calmest], face_models.builtin())
    return Tracked(beta, rotation=pose[:, :3], times=even_times(len(pose)), source=str(folder))


def _read_frame(file: Path) -> _Frame:
    def read() -> list[np.ndarray]:
        data = read_npz(file)
        keys = ("pose", "scale", "exp_coeff")
        return [np.asarray(data[key], np.float32).reshape(-1) for key in keys]

    pose, scale, coefficients = guard(file, read)
    numbers = np.concatenate([pose, scale, coefficients])
    fits = pose.shape == (6,) and scale.shape == (1,) and np.isfinite(numbers).all()
    if not fits or scale[0] == 0:
        raise RequestError(
            f"{file}: pose {pose.shape} and scale {scale.shape} must be 6 and 1 finite numbers"
        )
    return _Frame(*map(torch.from_numpy, (pose, scale, coefficients)))


def _read_landmarks(file: Path) -> Tensor:
    marks = np.asarray(load_npy(file))
    if marks.shape != LANDMARKS or not np.isfinite(marks).all():
        raise RequestError(f"{file}: is {marks.shape}, expected {LANDMARKS} finite numbers")
    return torch.from_numpy(marks).float()


def write_3dmm(capture: Capture, folder: Path) -> None:
    """A capture as Multiview-3DMM-Fitting leaves it, with vertices.npy for each frame.

    vertices and landmarks are in stkit's world, decimetres; stkit.json names the face model and,
    unless it is built in, its seat (see `Seated`).
    """
    folder = Path(folder)
    face = capture.face()
    for t in range(len(capture)):
        _write_frame(capture, face, t, folder / "params" / f"{t:04d}")
    about = {
        "face_model": face.name,
        "source": Path(capture.source).name,
        "frames": len(capture),
    }
    if capture.seat is not None:
        about["seat"] = capture.seat.tolist()
    write_text(folder / ABOUT, json.dumps(about))


def _write_frame(capture: Capture, face: FaceModel, t: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "params.npz",
        id_coeff=capture.identity.reshape(1, -1).numpy(),
        exp_coeff=capture.beta[t].reshape(1, -1).numpy(),
        scale=capture.scale.reshape(1).numpy(),
        pose=capture.pose[t].reshape(1, -1).numpy(),
    )
    np.save(folder / "lmk_3d.npy", capture.landmarks3d[t].numpy())
    world = to_world(
        face.verts(capture.identity, capture.beta[t]),
        replace(capture.frame_pose(t), torso=torch.zeros(6)),
        follow=torch.ones(1),
    )
    np.save(folder / "vertices.npy", world.numpy())
