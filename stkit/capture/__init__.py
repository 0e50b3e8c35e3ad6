"""From a video to a tracked `Capture`."""

from stkit.capture.capture import Capture, Clip, Track
from stkit.capture.frame_choice import choose_neutral, sampling_probabilities

__all__ = ["Capture", "Clip", "Track", "choose_neutral", "sampling_probabilities"]
