"""Shapes of random people, drawn from the population."""

import numpy as np
from torch import Tensor

from stkit.face_models.makehuman import population
from stkit.face_models.makehuman.shapes import Targets


def random_shape(targets: Targets, seed: int) -> Tensor:
    """Vertices (V, 3) of a random person at rest, canonical decimetres."""
    rng = np.random.default_rng(seed)
    weights = population.trait_weights(population.draw_traits(rng))
    weights |= population.draw_shape(rng, population.axes(targets.names))
    return targets.shape(population.weight_vector(targets.names, weights))
