"""A change of a head's shape, from sculpted targets and traits to how far each vertex moves."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import spsolve
from torch import Tensor

from stkit.face_models.makehuman.head import makehuman, shape_targets
from stkit.face_models.makehuman.population import (
    Traits,
    axes,
    draw_shape,
    draw_traits,
    trait_weights,
    weight_vector,
)

YEARS = 65.0  # between MakeHuman's young (age 0, 25 years) and its old (age 1, 90 years)
PAIRED = ("eye-", "ear-", "cheek-")  # targets that come for the left and the right side
EXAMPLES = 300  # random people whose traits the estimate is learned from
RIDGE = 20.0  # prior's weight of the estimate, on coefficients of standard deviation 1
NECK = (0.1, 0.9)  # decimetres: how far below the chin a neck stretches from, over how far
NOSE, NOSE_SHARE = "nose-scale-depth-decr", 0.03  # the nose: what this moves, at least so far
CHIN_LANDMARK = 8


@dataclass(frozen=True)
class ShapeChange:
    """targets: MakeHuman's by weight; those of `PAIRED` move both sides.

    add and to: traits (age, male, muscle, weight; see `population.Traits`) that grow by an amount
    or become one. neck: decimetres by which it is longer. no_nose: how much of the nose goes, 0
    to 1.
    """

    targets: Mapping[str, float] = field(default_factory=dict)
    add: Mapping[str, float] = field(default_factory=dict)
    to: Mapping[str, float] = field(default_factory=dict)
    neck: float = 0.0
    no_nose: float = 0.0

    def __mul__(self, amount: float) -> "ShapeChange":
        """So many times as much; what traits become stays."""
        scale = {name: amount * x for name, x in self.targets.items()}
        add = {name: amount * x for name, x in self.add.items()}
        nose = min(amount * self.no_nose, 1.0)
        return ShapeChange(scale, add, self.to, amount * self.neck, nose)

    def __add__(self, other: "ShapeChange") -> "ShapeChange":
        """Both together."""
        return ShapeChange(
            _sum(self.targets, other.targets),
            _sum(self.add, other.add),
            {**self.to, **other.to},
            self.neck + other.neck,
            min(self.no_nose + other.no_nose, 1.0),
        )

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.targets or self.add or self.to or self.neck or self.no_nose)


def _sum(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
    return {name: a.get(name, 0.0) + b.get(name, 0.0) for name in {**a, **b}}


def displacement(change: ShapeChange, verts: Tensor, traits: Traits | None = None) -> Tensor:
    """How far a change moves a head's vertices (V, 3), MakeHuman's without hair, decimetres.

    verts (V, 3): the head as it is, at rest. traits: whose head it is, where that is known; else
    they are estimated where the change needs them.
    """
    moved = target_displacement(change.targets)
    if change.add or change.to:
        moved = moved + _trait_displacement(change, traits or estimated_traits(verts))
    if change.neck:
        moved = moved + _longer_neck(verts, change.neck)
    if change.no_nose:
        moved = moved + change.no_nose * _without_nose(verts + moved)
    return moved


def target_displacement(weights: Mapping[str, float]) -> Tensor:
    """What targets by weight add to the base head's vertices (V, 3)."""
    targets = shape_targets()
    moved = torch.zeros_like(targets.base)
    for name, weight in weights.items():
        sides = [f"l-{name}", f"r-{name}"] if name.startswith(PAIRED) else [name]
        for full in sides:
            moved = moved + weight * targets.displacement(full)
    return moved


def changed_traits(change: ShapeChange, traits: Traits) -> Traits:
    """The traits after the change; every one stays in [0, 1]."""
    new = {name: getattr(traits, name) + x for name, x in change.add.items()}
    new |= change.to
    return replace(traits, **{name: min(max(x, 0.0), 1.0) for name, x in new.items()})


def _trait_displacement(change: ShapeChange, traits: Traits) -> Tensor:
    targets = shape_targets()
    after, before = (
        targets.shape(weight_vector(targets.names, trait_weights(t)))
        for t in (changed_traits(change, traits), traits)
    )
    return after - before


def estimated_traits(verts: Tensor) -> Traits:
    """The most likely traits of a head (V, 3), by linear regression over random people."""
    inverse, mean, slope = _regression()
    found = mean + (inverse @ (verts - makehuman().mean).flatten()) @ slope
    age, male, muscle, weight, *ancestry = found.clamp(0, 1).tolist()
    total = max(sum(ancestry), 1e-6)
    african, asian, caucasian = (x / total for x in ancestry)
    return Traits(age, male, (african, asian, caucasian), muscle, weight)


@lru_cache(maxsize=1)
def _regression() -> tuple[Tensor, Tensor, Tensor]:
    """From vertices to identity coefficients (80, 3 V), and from these to traits: (7,), (80, 7)."""
    model, targets = makehuman(), shape_targets()
    inverse = torch.linalg.pinv(model.identity.flatten(1).T)
    found, answers = [], []
    for seed in range(EXAMPLES):
        rng = np.random.default_rng(seed)
        traits = draw_traits(rng)
        weights = trait_weights(traits) | draw_shape(rng, axes(targets.names))
        verts = targets.shape(weight_vector(targets.names, weights))
        found.append(inverse @ (verts - model.mean).flatten())
        shown = [traits.age, traits.male, traits.muscle, traits.weight, *traits.ancestry]
        answers.append(torch.tensor(shown))
    x, y = torch.stack(found), torch.stack(answers)
    centred = y - y.mean(0)
    slope = torch.linalg.solve(x.T @ x + RIDGE * torch.eye(x.shape[1]), x.T @ centred)
    return inverse, y.mean(0), slope


def _longer_neck(verts: Tensor, amount: float) -> Tensor:
    """Shoulders sink by `amount`, the neck is stretched between chin and shoulders."""
    below, over = NECK
    top = verts[makehuman().landmarks[CHIN_LANDMARK], 1] - below
    t = ((top - verts[:, 1]) / over).clamp(0, 1)
    moved = torch.zeros_like(verts)
    moved[:, 1] = -amount * t * t * (3 - 2 * t)
    return moved


def _without_nose(verts: Tensor) -> Tensor:
    """To the flattest surface through the nose's border: there the Laplacian is zero."""
    free = nose_vertices()
    held = np.setdiff1d(np.arange(len(verts)), free)
    rows = _laplacian()[free]
    x = verts.double().numpy()
    found = spsolve(rows[:, free].tocsc(), -rows[:, held] @ x[held])
    moved = torch.zeros_like(verts)
    moved[free] = torch.from_numpy(found).to(verts) - verts[free]
    return moved


def nose_vertices() -> np.ndarray:
    """Numbers of the head's vertices that are the nose."""
    reach = shape_targets().displacement(NOSE).norm(dim=1)
    return np.flatnonzero((reach > NOSE_SHARE * reach.max()).numpy())


@lru_cache(maxsize=1)
def _laplacian() -> csr_matrix:
    """The head's graph Laplacian (V, V): each vertex minus its neighbours."""
    faces = makehuman().faces
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = torch.cat([edges, edges.flip(1)]).unique(dim=0).numpy()
    count = len(makehuman().mean)
    near = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count)).tocsr()
    return (diags(np.asarray(near.sum(1)).ravel()) - near).tocsr()
