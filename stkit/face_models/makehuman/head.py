"""MakeHuman's head as a face model: sculpted by artists, CC0, always there.

80 identity directions, 52 ARKit actions by name and 12 more expressions; eyes, teeth, tongue and
mouth. See ORIGIN.md beside this file for where it comes from.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from stkit.face_models.linear import LinearModel
from stkit.face_models.makehuman.shapes import Targets
from stkit.io.tensors import load_tensors

FOLDER = Path(__file__).parent
HEAD_FILE, EXPRESSIONS_FILE = "head.safetensors", "expressions.safetensors"
TARGETS_FILE = "targets.safetensors"
KIND = "makehuman head"
POINTS_FILE = "landmark_points.json"  # where the 468 points lie, by stkit.synthetic.map_landmarks
PARTS = ("skin", "mouth", "eye_l", "eye_r", "teeth_upper", "teeth_lower", "tongue", "lashes")
ARKIT = 52  # of the 64 expressions


@dataclass(frozen=True)
class MakeHumanHead(LinearModel):
    """A linear model whose first 52 expression coefficients are ARKit's, 0 at rest and 1 in full.

    face_part (F,) and vertex_part (V,): numbers of `PARTS`.
    """

    face_part: Tensor
    vertex_part: Tensor

    def part(self, *names: str) -> Tensor:
        """Mask (V,) of the vertices that belong to the named parts."""
        numbers = torch.tensor([PARTS.index(name) for name in names])
        return torch.isin(self.vertex_part, numbers)


@lru_cache(maxsize=1)
def makehuman() -> MakeHumanHead:
    """The head, loaded once in a process."""
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
    )


@lru_cache(maxsize=1)
def shape_targets() -> Targets:
    """The shapes of random people, loaded once in a process."""
    return Targets.load(FOLDER / TARGETS_FILE)
