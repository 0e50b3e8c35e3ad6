"""A linear basis of what an expression does to Gaussians: principal components of a clip, then the
sliders.

The head's networks do not run in the browser. Their answers do, rounded to integers of 8 bits.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stkit.render.gaussians import Gaussians

# what counts as one visible error of a Gaussian (the kit's, chosen by eye)
MEANS_TOLERANCE = 0.006  # decimetres
LOG_SCALES_TOLERANCE = 0.10
QUATS_TOLERANCE = 0.05
RGBA_TOLERANCE = 4.0  # of 255

MAX_CODE = 127  # int8
CHANNELS = 4  # numbers in a row of the basis: a texel
SMALLEST = 1e-12  # eigenvalues below are rounding errors

Attributes = dict[str, Tensor]  # array name: values (N, 3 or 4)


def attributes(looks: list[Gaussians]) -> Attributes:
    """What the basis describes of canonical Gaussians, one for each look, by array name.

    means (N, 3) of the first look; of each look k log_scales{k} (N, 3), quats{k} (N, 4) and rgba{k}
    (N, 4), which is 255 times colour and opacity.
    """
    values = {"means": looks[0].means}
    for k, g in enumerate(looks):
        values[f"log_scales{k}"] = g.scales.log()
        values[f"quats{k}"] = g.quats
        values[f"rgba{k}"] = 255 * torch.cat([g.colors, g.opacities[:, None]], 1)
    return values


def tolerances(looks: int) -> dict[str, float]:
    """The tolerance of each of the `attributes` of so many looks."""
    values = {"means": MEANS_TOLERANCE}
    for k in range(looks):
        values[f"log_scales{k}"] = LOG_SCALES_TOLERANCE
        values[f"quats{k}"] = QUATS_TOLERANCE
        values[f"rgba{k}"] = RGBA_TOLERANCE
    return values


@dataclass(frozen=True)
class MotionBasis:
    """Changes of attributes since the rest: K components of a clip, then one change for each
    slider.

    `scores` (T, K) are the components' coefficients in the clip's T frames.
    """

    components: list[Attributes]
    sliders: list[Attributes]
    scores: Tensor
    tolerance: dict[str, float]

    @staticmethod
    def fit(
        moments: list[Attributes],
        sliders: list[Attributes],
        components: int,
        tolerance: dict[str, float],
    ) -> "MotionBasis":
        """The first principal components of `moments`, the changes in each frame, measured in
        tolerances.
        """
        names = list(moments[0])
        sizes = [x.numel() for x in moments[0].values()]
        rows = [torch.cat([m[n].flatten() / tolerance[n] for n in names]) for m in moments]
        flat = torch.stack(rows).double()  # (T, everything)
        values, vectors = torch.linalg.eigh(flat @ flat.T)
        keep = min(components, len(moments))
        strengths = values[-keep:].clamp_min(SMALLEST).sqrt()
        scores = (vectors[:, -keep:] * strengths).flip(1)  # (T, K), the strongest first
        directions = torch.linalg.lstsq(scores, flat).solution.float()  # (K, everything)
        basis = []
        for direction in directions:
            parts = zip(names, direction.split(sizes))
            basis.append({n: p.reshape(moments[0][n].shape) * tolerance[n] for n, p in parts})
        return MotionBasis(basis, sliders, scores, tolerance)

    def quantize(self, rounding: float) -> "QuantizedBasis":
        """The basis as int8, so that rounding moves no Gaussian by more than about `rounding`
        tolerances.
        """
        reach = [*self.scores.abs().max(0).values.tolist(), *[1.0] * len(self.sliders)]
        chunks: dict[str, list[np.ndarray]] = {n: [] for n in self.tolerance}
        starts = dict.fromkeys(self.tolerance, 0)
        entries = []
        for change, far in zip(self.components + self.sliders, reach):
            steps = {}
            codes = {}
            for name, x in change.items():
                coarsest = rounding * self.tolerance[name] / max(far, 1e-9)
                steps[name] = max(float(x.abs().max()) / MAX_CODE, coarsest)
                codes[name] = _codes(x, steps[name])
            rows = max(_rows_in_use(c) for c in codes.values())
            entries.append({"rows": rows, "steps": steps, "starts": dict(starts)})
            for name, c in codes.items():
                chunks[name].append(c[:rows].ravel())
                starts[name] += CHANNELS * rows
        arrays = {f"basis_{n}": np.concatenate(c) for n, c in chunks.items()}
        arrays["coefficients"] = self.scores.float().numpy()
        return QuantizedBasis(entries, arrays)


@dataclass(frozen=True)
class QuantizedBasis:
    """What a packet holds of a basis.

    `components`: for each component the rows it has (those at the end that are all zero are left
    out) and, by attribute, the value of one integer and where its rows start. `arrays`:
    basis_{attribute} int8, and coefficients.
    """

    components: list[dict[str, Any]]
    arrays: dict[str, np.ndarray]


def _codes(x: Tensor, step: float) -> np.ndarray:
    padded = torch.nn.functional.pad(x, (0, CHANNELS - x.shape[1]))
    return (padded / step).round().numpy().astype(np.int8)


def _rows_in_use(codes: np.ndarray) -> int:
    return int(np.flatnonzero(codes.any(1))[-1]) + 1 if codes.any() else 0
