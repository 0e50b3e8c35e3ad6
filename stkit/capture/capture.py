"""The tracked clip that every later stage reads: what was filmed, and what the head does in it."""

from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import Camera, front_camera, orbit_camera
from stkit.errors import RequestError
from stkit.face_models.seated import Seated
from stkit.geometry import nearest
from stkit.io.limits import read_npz
from stkit.io.tensors import replace_file
from stkit.io.untrusted import guard
from stkit.space import HEAD_CENTRE, FramePose, canonical_points, to_world

HELD_OUT = 0.2  # share of the frames, the last ones, that no training sees


def split_frames(count: int) -> tuple[list[int], list[int]]:
    """The frames of a clip for training, and the last fifth, which training never sees."""
    cut = count - max(1, round(HELD_OUT * count))
    return list(range(cut)), list(range(cut, count))


@dataclass(frozen=True)
class Arrays:
    """Dataclasses of arrays, tensors, numbers and words that are stored as one .npz without pickled
    objects.
    """

    def save(self, path: Path) -> None:
        """Write one .npz, whole or not at all; fields that are None are left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {
            name: x.cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
            for name, x in values.items()
            if x is not None
        }

        def write(part: Path) -> None:
            with part.open("wb") as file:
                np.savez(file, **plain)

        replace_file(Path(path), write)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises ValueError naming the file if a field is missing or of the
        wrong shape.
        """
        known = fields(cls)

        def read():
            data = read_npz(path)
            needed = [f.name for f in known if f.name in data or f.default is MISSING]
            found = cls(**{name: _typed(name, data[name]) for name in needed})
            found.check()
            return found

        try:
            return guard(path, read)
        except RequestError as e:
            raise RequestError(
                f"{path}: not a {cls.__name__.lower()} of this version ({e}); "
                "delete its folder and run the stage again"
            ) from e

    def check(self) -> None:
        """Raise ValueError if shapes disagree."""

    def to(self, device: torch.device | str) -> Self:
        """The same with its tensors on another device; arrays stay in main memory."""
        tensors = {
            f.name: getattr(self, f.name).to(device)
            for f in fields(self)
            if isinstance(getattr(self, f.name), Tensor)
        }
        return replace(self, **tensors)


def _typed(name: str, value: np.ndarray) -> np.ndarray | Tensor | int | float | str:
    """A stored array as the field's type: pictures stay arrays, words, numbers and 0-d scale as
    they were.
    """
    if name in ("frames", "mattes"):
        return value
    if value.ndim == 0 and name != "scale":
        return value.item()
    return torch.from_numpy(value)


@dataclass(frozen=True)
class Clip(Arrays):
    """What was filmed and detected: F frames of S x S pixels.

    frames (F, S, S, 3) and mattes (F, S, S) uint8; landmarks (F, 68, 3): x, y in pixels and score;
    dense (F, M, 2) pixels; times (F,) seconds; focal: focal length in image widths; source: whose
    clip it is, in words.
    """

    frames: np.ndarray
    mattes: np.ndarray
    landmarks: Tensor
    dense: Tensor
    times: Tensor
    focal: float
    source: str

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> int:
        """Width and height of the frames, pixels."""
        return self.frames.shape[1]

    @property
    def camera(self) -> Camera:
        """The tracking camera at the frames' resolution."""
        return front_camera(self.size, focal=self.focal).to(self.landmarks.device)

    def image(self, t: int) -> Tensor:
        """Frame t over white (S, S, 3), float in [0, 1]."""
        matte = self.matte(t)
        frame = torch.from_numpy(self.frames[t]).to(matte.device).float() / 255
        return frame * matte + (1 - matte)

    def matte(self, t: int) -> Tensor:
        """Foreground of frame t (S, S, 1) in [0, 1]."""
        matte = torch.from_numpy(self.mattes[t]).to(self.landmarks.device)
        return matte.float()[..., None] / 255


@dataclass(frozen=True)
class Track(Arrays):
    """What the head does in a clip of F frames, as tracking found it.

    identity (80,) and scale () are the same in all frames; beta (F, 64) expression; pose (F, 6) of
    the head and torso (F, 6) of the chest, axis-angle and translation in world decimetres: where
    the head is, and how the chest has moved since the neutral frame, when the head was at `rest`
    (6,). landmarks3d (F, 66, 3) world: where the detector has them on this person. neutral: index
    of the neutral frame. identity and beta belong to `face_model`; where that is not the built-in
    head, `seat` (7,) places it (see `Seated`) and `hull` (V, 3) keeps the built-in head's canonical
    vertices at the neutral frame: the outline with hair and shoulders. held_out (H,): the frames
    that no training sees; None: the last fifth. lattice (F, K, 3): how hair and clothes move on
    their own, canonical decimetres (`heads.free_form`); None before the Gaussian stage finds it.
    """

    identity: Tensor
    scale: Tensor
    beta: Tensor
    pose: Tensor
    torso: Tensor
    rest: Tensor
    landmarks3d: Tensor
    neutral: int
    face_model: str = "makehuman"
    seat: Tensor | None = None
    hull: Tensor | None = None
    held_out: Tensor | None = None
    lattice: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.beta.device

    def check(self) -> None:
        """Raise ValueError if shapes disagree."""
        n = len(self.beta)
        wanted = {"beta": (n, 64), "pose": (n, 6), "torso": (n, 6), "landmarks3d": (n, 66, 3)}
        for name, shape in wanted.items():
            found = tuple(getattr(self, name).shape)
            if found != shape:
                raise RequestError(f"{name} has shape {found}, expected {shape}")
        if not 0 <= self.neutral < n:
            raise RequestError(f"neutral frame {self.neutral} of {n}")

    def frame_pose(self, t: int) -> FramePose:
        """What the head does in frame t."""
        lattice = None if self.lattice is None else self.lattice[t]
        return FramePose(self.beta[t], self.pose[t], self.torso[t], self.scale, self.rest, lattice)

    def head_centre(self, t: int) -> Tensor:
        """The middle of the head in frame t (3,), world decimetres: what cameras turn about."""
        return to_world(HEAD_CENTRE.to(self.device), self.frame_pose(t))[0]

    def canonical_landmarks(self, t: int) -> Tensor:
        """x_can = R^T (x_world - T) / S of frame t's 66 landmarks (66, 3): what the deformation
        must explain.
        """
        return canonical_points(self.landmarks3d[t], self.pose[t], self.scale)

    def neutral_landmarks(self) -> Tensor:
        """The 66 landmarks of the neutral frame in canonical space (66, 3), decimetres."""
        return self.canonical_landmarks(self.neutral)

    def dense_landmarks(self, t: int) -> Tensor:
        """The fitted model's denser landmarks at frame t, canonical (M, 3); upstream uses every
        100th vertex.
        """
        face = self.face()
        points = face.points(face.dense, self.identity.cpu(), self.beta[t : t + 1].cpu())
        return points[0].to(self.device)

    def face(self) -> face_models.FaceModel:
        """The face model that `identity` and `beta` belong to, in canonical space, on the CPU."""
        model = face_models.get(self.face_model)
        if self.seat is None or self.hull is None:
            return model
        seated = Seated(model, self.seat.cpu(), model.landmarks[:0])
        verts = seated.verts(self.identity.cpu(), self.beta[self.neutral].cpu())
        dense = self.hull.cpu()[face_models.builtin().dense]
        return replace(seated, dense=nearest(dense, verts)[1][:, 0])

    def hull_verts(self) -> Tensor:
        """Canonical vertices (V, 3) of the built-in head as fitted to the neutral frame, on the
        CPU.
        """
        if self.hull is not None:
            return self.hull.cpu()
        builtin = face_models.builtin()
        return builtin.verts(self.identity.cpu(), self.beta[self.neutral].cpu())


@dataclass(frozen=True)
class Capture(Track, Clip):
    """A talking head, frame by frame: a clip and its track."""

    def check(self) -> None:
        """Raise ValueError if shapes or frame counts disagree."""
        super().check()
        counts = {name: len(getattr(self, name)) for name in ("frames", "mattes", "beta", "times")}
        if len(set(counts.values())) > 1:
            raise RequestError(f"frame counts differ: {counts}")

    def split(self) -> tuple[list[int], list[int]]:
        """Frames for training, and those that training never sees."""
        if self.held_out is None:
            return split_frames(len(self))
        test = self.held_out.tolist()
        return [t for t in range(len(self)) if t not in test], test

    @property
    def still(self) -> bool:
        """Whether all frames are one and the same picture: then no frame says anything new."""
        return bool((self.frames == self.frames[:1]).all())

    @property
    def track(self) -> Track:
        """The track alone, without pictures."""
        return Track(**{f.name: getattr(self, f.name) for f in fields(Track)})

    def with_track(self, track: Track) -> "Capture":
        """The same clip with another track."""
        return replace(self, **{f.name: getattr(track, f.name) for f in fields(Track)})

    def subset(self, indices: list[int]) -> "Capture":
        """The same clip with only these frames; the neutral index moves along, or to the nearest
        kept frame. The last fifth is held out then.
        """
        index = torch.tensor(indices)
        return replace(
            self,
            frames=self.frames[indices],
            mattes=self.mattes[indices],
            landmarks=self.landmarks[index],
            dense=self.dense[index],
            times=self.times[index],
            beta=self.beta[index],
            pose=self.pose[index],
            torso=self.torso[index],
            landmarks3d=self.landmarks3d[index],
            lattice=None if self.lattice is None else self.lattice[index],
            held_out=None,
            neutral=int((index - self.neutral).abs().argmin()),
        )

    def orbit_cameras(self, azimuths: tuple[float, ...]) -> list[Camera]:
        """Cameras around the middle of the head at the neutral frame; degrees to the subject's
        left.
        """
        centre = self.head_centre(self.neutral)
        return [orbit_camera(self.camera, a, target=centre) for a in azimuths]
