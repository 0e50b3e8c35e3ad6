"""Folds of the skin: those of age, and those that an expression deepens."""

import numpy as np
import torch
from torch import Tensor

from stkit.synthetic import chart
from stkit.synthetic.marks import LEFT_EYE, RIGHT_EYE, marks
from stkit.synthetic.person import Person

BETWEEN_BROWS = 9  # MediaPipe's point


def expression_wrinkles(person: Person) -> dict[str, Tensor]:
    """Relief that an expression deepens, by name, decimetres; stronger in the old."""
    more = 0.35 + 0.9 * person.skin.wrinkles
    depths = {"forehead": 0.010, "frown": 0.010, "crow": 0.008, "nasolabial": 0.012, "nose": 0.006}
    return {name: more * depth * folds(name, person.seed) for name, depth in depths.items()}


def folds(name: str, seed: int) -> Tensor:
    """One family of folds, both sides, about -1 at their bottoms."""
    rng = np.random.default_rng(seed + sum(map(ord, name)))
    out = torch.zeros(chart.SIZE, chart.SIZE)
    for path, width in _fold_paths(name, rng):
        out = out + chart.groove(path, width)
    return out


def _fold_paths(name: str, rng: np.random.Generator) -> list[tuple[Tensor, float]]:
    """The folds' paths (K, 2) on the chart and their widths, decimetres."""
    paths = {
        "forehead": _forehead_lines,
        "frown": _frown_lines,
        "crow": _crows_feet,
        "nasolabial": _nasolabial_folds,
        "nose": _nose_lines,
        "bags": _bags,
    }[name]
    return paths(rng)


def _forehead_lines(rng: np.random.Generator) -> list[tuple[Tensor, float]]:
    x = torch.linspace(-0.5, 0.5, 24)
    out = []
    for k in range(4):
        y = float(marks(BETWEEN_BROWS)[0, 1]) + 0.20 + 0.095 * k + rng.normal(0, 0.01)
        waves = 0.012 * torch.sin(7 * x + rng.uniform(0, 6)) + 0.05 * torch.cos(4 * x) - 0.05
        shift = rng.normal(0, 0.05)
        out.append((torch.stack([x * rng.uniform(0.7, 1.0) + shift, y + waves], 1), 0.018))
    return out


def _frown_lines(rng: np.random.Generator) -> list[tuple[Tensor, float]]:
    base = marks(BETWEEN_BROWS)[0]
    out = []
    for side in (-1, 1):
        y = torch.linspace(-0.09, 0.12, 10)
        x = side * (0.055 + 0.05 * (y + 0.05).abs()) + rng.normal(0, 0.006)
        out.append((base + torch.stack([x, y], 1), 0.016))
    return out


def _crows_feet(rng: np.random.Generator) -> list[tuple[Tensor, float]]:
    out = []
    for side, corner in ((-1, marks(33)[0]), (1, marks(263)[0])):
        for tilt in (0.35, 0.05, -0.25, -0.55):
            length = rng.uniform(0.12, 0.2)
            s = torch.linspace(0.04, length, 8)
            y = tilt * s + 0.3 * (s**2) * np.sign(tilt)
            out.append((corner + torch.stack([side * s, y], 1), 0.011))
    return out


def _nasolabial_folds(rng: np.random.Generator) -> list[tuple[Tensor, float]]:
    out = []
    for side, wing, mouth in ((-1, marks(129)[0], marks(61)[0]), (1, marks(358)[0], marks(291)[0])):
        out_by = torch.tensor([side * 0.05, 0.03])
        start, end = wing + out_by, mouth + torch.tensor([side * 0.10, -0.06])
        s = torch.linspace(0, 1, 16)[:, None]
        bend = torch.tensor([side * (0.06 + rng.normal(0, 0.01)), 0.0]) * torch.sin(torch.pi * s)
        out.append((start + s * (end - start) + bend, 0.028))
    return out


def _nose_lines(rng: np.random.Generator) -> list[tuple[Tensor, float]]:
    base = marks(6)[0]
    out = []
    for side in (-1, 1):
        for k in range(2):
            s = torch.linspace(0, 1, 8)
            x = side * (0.03 + 0.09 * s)
            y = 0.02 - 0.05 * k - 0.05 * s + rng.normal(0, 0.006)
            out.append((base + torch.stack([x, y], 1), 0.012))
    return out


def _bags(rng: np.random.Generator) -> list[tuple[Tensor, float]]:
    out = []
    for ring in (RIGHT_EYE, LEFT_EYE):
        middle = marks(*ring).mean(0)
        x = torch.linspace(-0.17, 0.17, 14)
        y = -0.15 - 0.03 * torch.cos(x * 9) + 0.25 * x.abs() ** 1.5 + rng.normal(0, 0.006)
        out.append((middle + torch.stack([x, y], 1), 0.02))
    return out
