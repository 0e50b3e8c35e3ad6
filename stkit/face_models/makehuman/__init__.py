"""MakeHuman's head as a face model, and the population of made-up people."""

from stkit.face_models.makehuman.head import MakeHumanHead, makehuman, shape_targets

__all__ = ["MakeHumanHead", "makehuman", "shape_targets"]
