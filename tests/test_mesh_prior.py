"""Mesh-prior views: where they stand, and that they show the frame they were made from."""

import torch

from stkit.diffusion.mesh_prior import MeshPriorViews
from stkit.views import FRONTAL


def test_views_stand_where_v3d_would(mesh):
    head, capture, _ = mesh
    views = MeshPriorViews()(capture, head)
    assert views.azimuths == FRONTAL and sorted(FRONTAL) == [-60, -40, -20, 20, 40, 60]
    assert views.source == "mesh-prior"
    for values in (views.images, views.trust):
        assert torch.isfinite(values).all() and values.min() >= 0 and values.max() <= 1
    assert (views.alphas.mean((1, 2, 3)) > 0.1).all()
    front = MeshPriorViews()(capture, head, (0.0,))
    inner = (front.trust[0] > 0.9).expand(-1, -1, 3)
    difference = (front.images[0] - capture.image(capture.neutral)).abs()
    assert difference[inner].mean() < 0.03, "seen from the front it is the frame"
