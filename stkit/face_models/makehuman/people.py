"""Shapes of random people, drawn from the population."""

import numpy as np
from torch import Tensor

from stkit.face_models.makehuman.population import (
    Traits,
    axes,
    draw_shape,
    draw_traits,
    trait_weights,
    weight_vector,
)
from stkit.face_models.makehuman.shapes import Targets


def random_shape(targets: Targets, seed: int) -> Tensor:
    """Vertices (V, 3) of a random person at rest, canonical decimetres."""
    return random_person(targets, seed)[1]


def random_person(targets: Targets, seed: int) -> tuple[Traits, Tensor]:
    """Traits of a random person, and vertices (V, 3) at rest."""
    rng = np.random.default_rng(seed)
    traits = draw_traits(rng)
    weights = trait_weights(traits) | draw_shape(rng, axes(targets.names))
    return traits, targets.shape(weight_vector(targets.names, weights))
