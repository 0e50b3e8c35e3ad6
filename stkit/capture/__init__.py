"""From a video to a tracked `Capture`; and the synthetic subject, whose truth is known."""

from stkit.capture.capture import Capture, chances, head_centre, head_transform
from stkit.space import HEAD_CENTRE, skin_weight, to_world

__all__ = [
    "HEAD_CENTRE",
    "Capture",
    "chances",
    "head_centre",
    "head_transform",
    "skin_weight",
    "to_world",
]
