"""Editing strength b ~ N(0.5, 1) and how it is brought into [0.02, 0.98] (lineage.md 4.1).

b is the noise level the render is lifted to before it is denoised, as t / 1000 in
Instruct-NeRF2NeRF. Most of N(0.5, 1) falls outside; the paper does not say what happens there.
Drawing again (truncate) comes out almost uniform.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from stkit.errors import RequestError

LOW, HIGH = 0.02, 0.98
SAMPLERS = ("truncate", "clip", "uniform", "narrow")


def sample_strength(
    count: int,
    generator: torch.Generator,
    sampler: str = "truncate",
    mean: float = 0.5,
    std: float = 1.0,
) -> Float[Tensor, " count"]:
    """`count` strengths (count,) in [0.02, 0.98].

    truncate: N(mean, std), draws outside are drawn again (default). clip: they are moved to the
    ends (63 % of them). uniform: U(0.02, 0.98), as IN2N. narrow: N(mean, 0.15) truncated, if std 1
    was a slip.
    """
    if sampler not in SAMPLERS:
        raise RequestError(f"sampler {sampler!r} is not one of {', '.join(SAMPLERS)}")
    if sampler == "uniform":
        return LOW + (HIGH - LOW) * torch.rand(count, generator=generator)
    if sampler == "clip":
        return (mean + std * torch.randn(count, generator=generator)).clamp(LOW, HIGH)
    std = 0.15 if sampler == "narrow" else std
    out = torch.empty(0)
    while len(out) < count:
        draw = mean + std * torch.randn(4 * count + 16, generator=generator)
        out = torch.cat([out, draw[(draw >= LOW) & (draw <= HIGH)]])
    return out[:count]
