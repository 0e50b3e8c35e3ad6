"""What stage 03 learns about each frame beside the head: small offsets of head and chest, and the
lattice of hair and clothes.
"""

from dataclasses import replace

import torch
from torch import nn

from stkit.capture.capture import Capture
from stkit.heads.alignment import UNITS, moved, still
from stkit.space import FramePose


class TrackingOffsets(nn.Module):
    """pose (F, 6) and torso (F, 6), in UNITS, and lattice (F, K, 3), canonical decimetres."""

    def __init__(self, capture: Capture):
        super().__init__()
        self.units = UNITS.to(capture.device)
        self.pose = nn.Parameter(torch.zeros_like(capture.pose))
        self.torso = nn.Parameter(torch.zeros_like(capture.torso))
        self.lattice = nn.Parameter(still(capture))

    def groups(self, lr_track: float, lr_lattice: float) -> list[dict]:
        """Adam groups. They have no momentum: a frame moves only in the steps that look at it."""
        rigid = {"params": [self.pose, self.torso], "lr": lr_track}
        hair = {"params": [self.lattice], "lr": lr_lattice}
        return [{**group, "betas": (0, 0.99)} for group in (rigid, hair)]

    def moved(self, frame: FramePose, t: int) -> FramePose:
        """Frame t with its offsets."""
        pose = frame.pose + self.units * self.pose[t]
        torso = frame.torso + self.units * self.torso[t]
        return replace(frame, pose=pose, torso=torso, lattice=self.lattice[t])

    @torch.no_grad()
    def tracked(self, capture: Capture) -> Capture:
        """The capture with what the frames' offsets have learned."""
        pose, torso = self.units * self.pose, self.units * self.torso
        found = moved(capture, capture.pose + pose, capture.torso + torso)
        return replace(found, lattice=self.lattice.detach())
