"""Colour transport: the affine map that carries one region's colours over to another's.

Between two normal distributions the map of least mean squared change is known in closed form
(Monge and Kantorovich's problem): y = m_t + A (x - m_s) with
A = S_s^(-1/2) (S_s^(1/2) S_t S_s^(1/2))^(1/2) S_s^(-1/2) for covariances S_s and S_t (Pitie and
Kokaram 2007, "The linear Monge-Kantorovitch linear colour mapping").
"""

import torch
from torch import Tensor

from stkit.art.art_style import Colours, colours_of

LEAST_DEVIATION = 0.02  # of colours: regions of one flat colour have a covariance as well
LEAST_PIXELS = 20.0  # a region of fewer has no colours of its own


def colour_statistics(colours: Tensor, shares: Tensor) -> Colours | None:
    """Mean and covariance of colours (..., 3) that belong to a region by shares (...); None where
    the region is too small.
    """
    x, w = colours.reshape(-1, 3), shares.reshape(-1)
    total = w.sum()
    if total < LEAST_PIXELS:
        return None
    mean = (w[:, None] * x).sum(0) / total
    apart = x - mean
    covariance = (w[:, None, None] * apart[:, :, None] * apart[:, None, :]).sum(0) / total
    return colours_of(mean.tolist(), covariance.tolist())


def covariance_of(colours: Colours) -> Tensor:
    """The covariance (3, 3), with at least `LEAST_DEVIATION` in every direction."""
    return torch.tensor(colours.covariance) + LEAST_DEVIATION**2 * torch.eye(3)


def transport_matrix(source: Tensor, target: Tensor) -> Tensor:
    """A (3, 3), symmetric, with A S_s A = S_t for covariances source and target (3, 3)."""
    root, inverse = _root(source), torch.linalg.inv(_root(source))
    return inverse @ _root(root @ target @ root) @ inverse


def _root(matrix: Tensor) -> Tensor:
    """The square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def transported(x: Tensor, source: Colours, target: Colours) -> Tensor:
    """Colours x (..., 3) of a region with the source's colours, carried over to the target's."""
    matrix = transport_matrix(covariance_of(source), covariance_of(target))
    apart = x - torch.tensor(source.mean)
    return torch.tensor(target.mean) + apart @ matrix
