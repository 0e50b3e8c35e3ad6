"""MakeHuman's head as a face model: sculpted by artists, CC0, always there.

80 identity directions, 52 ARKit actions by name and 12 more expressions; eyes, teeth, tongue and
mouth. See ORIGIN.md beside this file for where it comes from.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from stkit.face_models.detector import DetectorError
from stkit.face_models.linear import LinearModel
from stkit.face_models.makehuman.shapes import Targets
from stkit.io.tensors import load_tensors

FOLDER = Path(__file__).parent
HEAD_FILE, EXPRESSIONS_FILE = "head.safetensors", "expressions.safetensors"
TARGETS_FILE = "targets.safetensors"
KIND = "makehuman head"
DETECTOR_FILE, DETECTOR_KIND = "detector.safetensors", "mediapipe on makehuman"
POINTS_FILE = "landmark_points.json"  # where the 468 points lie, by stkit.synthetic.map_landmarks
PARTS = (
    "skin",
    "mouth",
    "eye_l",
    "eye_r",
    "teeth_upper",
    "teeth_lower",
    "tongue",
    "lashes",
    "hair",
)
SKIN, LASHES, HAIR = 0, 7, 8  # numbers of parts
IDENTITIES = 80  # directions of a person's shape; a hair shell's come after them
ARKIT = 52  # of the 64 expressions: 0 at rest, 1 in full
ARKIT_UNIT = 0.35  # a usual change of an action
# vertices around the pupil of the right and of the left eye, whose middle is on the eye's axis
PUPILS = ((5391, 5418, 5373, 5400), (5319, 5346, 5301, 5328))


@lru_cache(maxsize=1)
def alike(names: tuple[str, ...]) -> Tensor:
    """Pairs (P, 2) among the actions' names: left and right, and for glances to a side one eye
    inwards, the other outwards.
    """
    crossed = {"eyeLookInRight": "eyeLookOutRight", "eyeLookOutRight": "eyeLookInRight"}
    pairs = []
    for k, name in enumerate(names):
        other = name.removesuffix("Left") + "Right"
        other = crossed.get(other, other)
        if name.endswith("Left") and name not in ("jawLeft", "mouthLeft") and other in names:
            pairs.append((k, names.index(other)))
    return torch.tensor(pairs)


@dataclass(frozen=True)
class MakeHumanHead(LinearModel):
    """A linear model whose first 52 expression coefficients are ARKit's, 0 at rest and 1 in full.

    face_part (F,) and vertex_part (V,): numbers of `PARTS`. The vertices of a hair shell come
    last; they were copied from those that `shell_parent` (S,) names.
    """

    face_part: Tensor
    vertex_part: Tensor
    shell_parent: Tensor
    bounded = ARKIT

    @property
    def pupils(self) -> Tensor:
        """Vertices (2, 4) around the pupils of the right and the left eye."""
        return torch.tensor(PUPILS)

    @property
    def detector(self) -> DetectorError:
        """Where MediaPipe misses the points, as made-up people show it."""
        return mediapipe_error()

    @property
    def pairs(self) -> Tensor:
        """Pairs (P, 2) of actions that a face usually does alike."""
        return alike(self.expression_names)

    @property
    def units(self) -> Tensor:
        """A usual change of each expression coefficient (64,)."""
        return torch.where(torch.arange(self.betas) < ARKIT, ARKIT_UNIT, 1.0)

    def part(self, *names: str) -> Tensor:
        """Mask (V,) of the vertices that belong to the named parts."""
        numbers = torch.tensor([PARTS.index(name) for name in names])
        return torch.isin(self.vertex_part, numbers)

    def middle_of(self, part: str, verts: Tensor) -> Tensor:
        """The middle (3,) of a part, such as an eyeball, among vertices (V, 3)."""
        points = verts[self.part(part)]
        return (points.min(0).values + points.max(0).values) / 2

    def vertices_of(self, *mediapipe: int) -> Tensor:
        """The vertices (K,) at points with these numbers of MediaPipe's."""
        known = {int(k): i for i, k in enumerate(self.dense_mediapipe)}
        return self.dense[[known[k] for k in mediapipe]]


@lru_cache(maxsize=1)
def makehuman() -> MakeHumanHead:
    """The head as it was sculpted, loaded once in a process."""
    data, _ = load_tensors(FOLDER / HEAD_FILE, KIND)
    expressions = Targets.load(FOLDER / EXPRESSIONS_FILE)
    faces, face_part = data["faces"].long(), data["face_part"].long()
    vertex_part = torch.zeros(len(data["mean"]), dtype=torch.long)
    vertex_part[faces.reshape(-1)] = face_part.repeat_interleave(3)
    return MakeHumanHead(
        "makehuman",
        mean=data["mean"],
        faces=faces,
        identity=data["identity"].float(),
        expression=expressions.dense(),
        landmarks=data["landmarks"].long(),
        dense=data["dense"].long(),
        dense_mediapipe=data["dense_mediapipe"].long(),
        expression_names=expressions.names,
        face_part=face_part,
        vertex_part=vertex_part,
        shell_parent=torch.zeros(0, dtype=torch.long),
    )


@lru_cache(maxsize=1)
def mediapipe_error() -> DetectorError:
    """Learned by `stkit.studies.detector_error`; loaded once in a process."""
    data, _ = load_tensors(FOLDER / DETECTOR_FILE, DETECTOR_KIND)
    return DetectorError(**{name: x.float() for name, x in data.items()})


@lru_cache(maxsize=1)
def shape_targets() -> Targets:
    """The shapes of random people, loaded once in a process."""
    return Targets.load(FOLDER / TARGETS_FILE)
