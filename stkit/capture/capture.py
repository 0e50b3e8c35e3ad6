"""The tracked clip that every later stage reads, and how canonical points get into its world."""

import zipfile
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import Camera, front_camera, orbit_camera
from stkit.face_models.landmarks import openings
from stkit.face_models.seated import Seated
from stkit.geometry import nearest, so3_exp, yaw_pitch_roll
from stkit.space import HEAD_CENTRE, canonical_points, to_world


@dataclass(frozen=True)
class Capture:
    """A talking head, frame by frame. F frames of S x S pixels.

    frames (F, S, S, 3) and mattes (F, S, S) uint8; landmarks (F, 68, 3): x, y in pixels and score; dense (F, M, 2) pixels;
    identity (80,), scale () shared by all frames; beta (F, 64); pose (F, 6) head; torso (F, 6) rigid motion of the chest in
    the world since the neutral frame, where the head stood at `rest` (6,); landmarks3d (F, 66, 3) world, decimetres, where the detector has them on this person; times (F,) seconds; neutral: frame index.
    identity and beta belong to `face_model`; where that is not the built-in head, `seat` (7,) places it (see `Seated`) and
    `hull` (V, 3) keeps the built-in head's canonical vertices at the neutral frame: the outline with hair and shoulders.
    """

    frames: np.ndarray
    mattes: np.ndarray
    landmarks: Tensor
    dense: Tensor
    identity: Tensor
    scale: Tensor
    beta: Tensor
    pose: Tensor
    torso: Tensor
    rest: Tensor
    landmarks3d: Tensor
    times: Tensor
    neutral: int
    focal: float
    source: str
    face_model: str = "builtin"
    seat: Tensor | None = None
    hull: Tensor | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> int:
        return self.frames.shape[1]

    @property
    def camera(self) -> Camera:
        """The tracking camera at the frames' resolution."""
        return front_camera(self.size, focal=self.focal).to(self.device)

    @property
    def device(self) -> torch.device:
        return self.beta.device

    def to(self, device: torch.device | str) -> "Capture":
        """The capture with its tensors on another device; frames and mattes stay in main memory and travel one by one."""
        moved = {
            f.name: getattr(self, f.name).to(device)
            for f in fields(self)
            if isinstance(getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)

    def image(self, t: int) -> Tensor:
        """Frame t over white (S, S, 3), float in [0, 1]."""
        matte = self.matte(t)
        return torch.from_numpy(self.frames[t]).to(self.device).float() / 255 * matte + (1 - matte)

    def matte(self, t: int) -> Tensor:
        """Foreground of frame t (S, S, 1) in [0, 1]."""
        return torch.from_numpy(self.mattes[t]).to(self.device).float()[..., None] / 255

    def face(self) -> face_models.FaceModel:
        """The face model that `identity` and `beta` belong to, in canonical space, on the CPU."""
        model = face_models.get(self.face_model)
        if self.face_model == "builtin":
            return model
        seated = Seated(model, self.seat.cpu(), model.landmarks[:0])
        verts = seated.verts(self.identity.cpu(), self.beta[self.neutral].cpu())
        return replace(
            seated, dense=nearest(self.hull.cpu()[face_models.get("builtin").dense], verts)[1][:, 0]
        )

    def hull_verts(self) -> Tensor:
        """Canonical vertices (V, 3) of the built-in head as fitted to the neutral frame, on the CPU."""
        if self.hull is not None:
            return self.hull.cpu()
        return face_models.get("builtin").verts(self.identity.cpu(), self.beta[self.neutral].cpu())

    def split(self, held_out: float = 0.2) -> tuple[list[int], list[int]]:
        """Frames for training and the last `held_out` share, which training never sees."""
        cut = len(self) - max(1, round(held_out * len(self)))
        return list(range(cut)), list(range(cut, len(self)))

    def save(self, path: Path) -> None:
        """Write one .npz (no pickled objects)."""
        data = {
            f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None
        }
        np.savez(
            path,
            **{
                k: v.cpu().numpy() if isinstance(v, Tensor) else np.asarray(v)
                for k, v in data.items()
            },
        )

    @staticmethod
    def load(path: Path) -> "Capture":
        """Read what `save` wrote. Raises ValueError naming the file if a field is missing or has the wrong shape."""
        try:
            with np.load(path, allow_pickle=False) as data:
                values = {
                    f.name: data[f.name]
                    for f in fields(Capture)
                    if f.name in data or f.default is MISSING
                }
        except (KeyError, ValueError, OSError, zipfile.BadZipFile) as e:
            raise ValueError(
                f"{path}: not a capture of this version ({e}); delete its stage folder and run again"
            ) from e
        arrays = ("frames", "mattes")
        out = {
            k: v if k in arrays else torch.from_numpy(v)
            for k, v in values.items()
            if v.ndim or k == "scale"
        }
        out |= {
            "neutral": int(values["neutral"]),
            "focal": float(values["focal"]),
            "source": str(values["source"]),
        }
        out["face_model"] = str(values.get("face_model", "builtin"))
        capture = Capture(**out)
        n = len(capture.frames)
        if (
            capture.beta.shape != (n, 64)
            or capture.pose.shape != (n, 6)
            or capture.landmarks3d.shape != (n, 66, 3)
        ):
            raise ValueError(
                f"{path}: shapes do not agree with {n} frames; delete its stage folder and run again"
            )
        return capture

    def subset(self, indices: list[int]) -> "Capture":
        """The same clip with only these frames; the neutral index moves along, or to the nearest kept frame."""
        index = torch.tensor(indices)
        part = {
            k: getattr(self, k)[index]
            for k in ("landmarks", "dense", "beta", "pose", "torso", "landmarks3d", "times")
        }
        nearest = int((index - self.neutral).abs().argmin())
        return replace(
            self, frames=self.frames[indices], mattes=self.mattes[indices], neutral=nearest, **part
        )


def head_transform(capture: Capture, t: int) -> dict[str, Tensor]:
    """What `to_world` needs for frame t: scale, head pose, chest motion and where the head stood when the chest was at rest."""
    return {
        "scale": capture.scale,
        "pose": capture.pose[t],
        "torso": capture.torso[t],
        "rest": capture.rest,
    }


def head_centre(capture: Capture, t: int) -> Tensor:
    """The middle of the head in frame t (3,), world decimetres: what cameras turn about."""
    return to_world(HEAD_CENTRE.to(capture.device), **head_transform(capture, t))[0]


def choose_neutral(
    beta: Tensor, pose: Tensor, mouth: Tensor, frames: list[int] | None = None
) -> int:
    """The frame with the smallest |beta| among near-frontal ones with a closed mouth (lineage.md 7, reading 19).

    mouth (F,): gap between the lips in units of the eye distance. A small |beta| alone may still be an open mouth.
    """
    yaw, pitch, roll = yaw_pitch_roll(so3_exp(pose[:, :3]))
    turned = yaw.abs() + roll.abs() + (pitch - pitch.median()).abs()
    cost = (
        beta.norm(dim=1) / beta.norm(dim=1).median().clamp_min(1e-6) + turned / 0.1 + mouth / 0.08
    )
    if frames is not None:
        allowed = torch.full_like(cost, torch.inf)
        allowed[frames] = 0
        cost = cost + allowed
    return int(cost.argmin())


def chances(capture: Capture, frames: list[int], rare: float = 0.5) -> Tensor:
    """How often to draw each of the frames, (N,) on the CPU, summing to 1: in `rare` of the draws the rarer, the fewer frames hold lids and lips alike.

    A blink fills a twentieth of a clip and a hundredth of a picture: drawn evenly, a head never learns to close its eyes.
    """
    state = openings(capture.landmarks[frames][..., :2].cpu())
    state = (state - state.median(0).values) / (
        state.quantile(0.95, 0) - state.quantile(0.05, 0)
    ).clamp_min(1e-6)
    density = torch.exp(-0.5 * (torch.cdist(state, state) / 0.15).square()).mean(1)
    seldom = 1 / density
    return (1 - rare) / len(frames) + rare * seldom / seldom.sum()


def orbit_cameras(capture: Capture, azimuths: tuple[float, ...]) -> list[Camera]:
    """Cameras around the middle of the head at the neutral frame."""
    centre = head_centre(capture, capture.neutral)
    return [orbit_camera(capture.camera, a, target=centre) for a in azimuths]


def neutral_landmarks(capture: Capture) -> Tensor:
    """The 66 landmarks of the neutral frame in canonical space (66, 3), decimetres."""
    return canonical_landmarks(capture, capture.neutral)


def canonical_landmarks(capture: Capture, t: int) -> Tensor:
    """x_can = R^T (x_world - T) / S of frame t's 66 landmarks (66, 3): what the deformation must explain."""
    return canonical_points(capture.landmarks3d[t], capture.pose[t], capture.scale)


def dense_landmarks(capture: Capture, t: int) -> Tensor:
    """The fitted model's denser landmark set at frame t in canonical space (M, 3); upstream uses every 100th vertex."""
    face = capture.face()
    return face.points(face.dense, capture.identity.cpu(), capture.beta[t : t + 1].cpu())[0].to(
        capture.device
    )
