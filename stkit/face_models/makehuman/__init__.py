"""MakeHuman's head as a face model, and the population that it stands for."""

from stkit.face_models.makehuman.head import MakeHumanHead, makehuman, shape_targets

__all__ = ["MakeHumanHead", "makehuman", "shape_targets"]
