"""Is a difference larger than chance? Paired differences with bootstrap intervals.

Two methods are compared on the same heads with the same seeds. The bootstrap (Efron 1979) draws
heads anew, and of each head its seeds, and takes the middle 95 % of the mean differences.
"""

from dataclasses import dataclass

import numpy as np

DRAWS = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean difference and the interval around it; `heads` and `seeds` say of how many pairs."""

    mean: float
    low: float
    high: float
    heads: int
    seeds: int

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval is on one side of zero, otherwise 0."""
        return int(self.low > 0) - int(self.high < 0)

    def __str__(self) -> str:
        return f"{self.mean:+.3g} [{self.low:+.3g}, {self.high:+.3g}]"


def paired(differences: list[list[float]], seed: int = 0) -> Interval | None:
    """The interval of differences by head and seed; None where a single pair shows nothing.

    Where there is one head alone its seeds are drawn, and the interval speaks of that head only.
    """
    groups = [np.asarray(d, float) for d in differences if len(d)]
    count = sum(len(g) for g in groups)
    if count < 2:
        return None
    means = _drawn_means(groups, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    mean = float(np.mean([g.mean() for g in groups]))
    return Interval(mean, float(low), float(high), len(groups), max(len(g) for g in groups))


def _drawn_means(groups: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Means (DRAWS,) of heads drawn with replacement, whose seeds are drawn with replacement."""
    counts = np.array([len(g) for g in groups])
    table = np.stack([np.resize(g, counts.max()) for g in groups])
    heads = rng.integers(len(groups), size=(DRAWS, len(groups)))
    seeds = (rng.random((*heads.shape, counts.max())) * counts[heads][..., None]).astype(int)
    counted = np.arange(counts.max()) < counts[heads][..., None]
    values = table[heads[..., None], seeds] * counted
    return (values.sum(2) / counts[heads]).mean(1)
