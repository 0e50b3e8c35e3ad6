"""From a video to a tracked `Capture`; and the synthetic subject, whose truth is known."""

from .capture import Capture, head_transform, skin_weight, to_world

__all__ = ["Capture", "head_transform", "skin_weight", "to_world"]
