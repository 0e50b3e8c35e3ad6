"""A sitter before a camera moves a head, frame after frame, as `motion.retarget` does for clips."""

from dataclasses import replace

import torch

from stkit.capture.capture import Capture
from stkit.capture.live import LiveFrame, Sitter
from stkit.geometry import so3_exp, so3_log
from stkit.space import FramePose


class LiveRetarget:
    """What has changed since the sitter's neutral frame is added to the subject's neutral frame.

    The chest stays as it is in that frame. The subject was tracked with the built-in face model:
    others' expressions have other names.
    """

    def __init__(self, subject: Capture, sitter: Sitter):
        self.rest = subject.frame_pose(subject.neutral)
        self.sitter = sitter
        self.ratio = subject.scale / sitter.scale
        neutral = so3_exp(sitter.neutral.pose[:3])
        self.turned_back = neutral.T @ so3_exp(self.rest.pose[:3])

    def __call__(self, frame: LiveFrame) -> FramePose:
        """What the subject's head does for a frame of the sitter."""
        neutral, rest = self.sitter.neutral, self.rest
        beta = rest.beta + frame.beta - neutral.beta
        rotation = so3_log(so3_exp(frame.pose[:3]) @ self.turned_back)
        place = rest.pose[3:] + self.ratio * (frame.pose[3:] - neutral.pose[3:])
        pose = rest.pose.clone()
        pose[:3], pose[3:] = rotation, place
        return replace(rest, beta=beta, pose=pose)


def resting_sitter(subject: Capture) -> Sitter:
    """A sitter of the subject's size whose neutral frame is all zeros, as Live Link Face's is."""
    nothing = LiveFrame(torch.zeros_like(subject.beta[0]), torch.zeros(6))
    empty = torch.zeros(0, 3)
    return Sitter(subject.scale, nothing, empty, empty, empty)
