"""GaussianEditor's generations: few Gaussians split where the edit pulls hardest, and the older one is, the harder it is held (lineage.md 5).

Written from the published facts: the top 1 % of masked gradients, every 100 steps; pruning below opacity 0.005; an anchor at the last
densification whose weight starts at 0.05 and grows by 1.3 with each densification lived through, newborns starting anew.
"""

import math

import torch
from torch import Tensor

from stkit.geometry import quat_to_rotation
from stkit.heads.gaussian import GaussianHead

ANCHOR = {
    "feature": 5.0,
    "xyz": 50.0,
    "opacity_logits": 50.0,
    "log_scales": 50.0,
}  # GaussianEditor's lambdas
POINTS = ("xyz", "feature", "log_scales", "quats", "opacity_logits", "follow_logits")
GROWTH, CAP = 1.3, 10.0
SHARE, FAINT, SHRINK = 0.01, 0.005, 1.6  # SHRINK is 3DGS's: two halves of a split Gaussian


class Generations:
    """Which Gaussians of a head may move (`region` (N,) bool), their ages, and where they stood at the last densification.

    `first` is the newborns' anchor weight.
    """

    def __init__(
        self,
        head: GaussianHead,
        optimiser: torch.optim.Optimizer,
        region: Tensor,
        first: float = 0.05,
    ):
        self.head, self.optimiser, self.region, self.first = head, optimiser, region, first
        self.age = torch.zeros_like(head.xyz[:, 0])
        self._anchor_here()

    def _anchor_here(self) -> None:
        self.start = {name: getattr(self.head, name).detach().clone() for name in ANCHOR}
        self.pull, self.looks = torch.zeros_like(self.head.xyz[:, 0]), 0

    def loss(self) -> Tensor:
        """Mean squared distance of the attributes to their anchors, each Gaussian's share by its age."""
        weight = (self.first * GROWTH**self.age).clamp_max(CAP)
        distance = lambda name: (
            (getattr(self.head, name) - self.start[name]).square().reshape(len(weight), -1).mean(1)
        )
        return sum(factor * (weight * distance(name)).mean() for name, factor in ANCHOR.items())

    def mask_gradients(self) -> None:
        """After backward: outside the region nothing learns; inside, remember how hard each position is pulled."""
        for name in POINTS:
            grad = getattr(self.head, name).grad
            if grad is not None:
                grad[~self.region] = 0
        self.pull += self.head.xyz.grad.norm(dim=1)
        self.looks += 1

    @torch.no_grad()
    def densify(self, generator: torch.Generator) -> int:
        """Split the most pulled Gaussians of the region in two, drop faint ones, anchor all anew. Returns how many there are now."""
        faint = self.region & (self.head.opacity_logits.sigmoid() < FAINT)
        wanted = self.region & ~faint
        count = math.ceil(SHARE * int(wanted.sum()))
        split = (
            torch.where(wanted, self.pull, -1.0).topk(count).indices
            if self.looks and count
            else torch.zeros(0, dtype=torch.long)
        )
        from_axis = (
            torch.randn(len(split), 3, generator=generator).to(self.head.xyz.device)
            * self.head.log_scales[split].exp()
        )
        offset = (quat_to_rotation(self.head.quats[split]) @ from_axis[..., None])[..., 0]
        self.head.xyz[split] += offset
        self.head.log_scales[split] -= math.log(SHRINK)
        rows = torch.cat([torch.nonzero(~faint)[:, 0], split])
        newborn = (
            torch.cat([torch.zeros(len(rows) - len(split)), torch.ones(len(split))])
            .bool()
            .to(rows.device)
        )
        self._take(rows)
        self.head.xyz[newborn] -= 2 * offset
        self.region = self.region[rows]
        self.age = torch.where(newborn, 0.0, self.age[rows] + 1)
        self._anchor_here()
        self.head.refresh()
        return len(rows)

    def _take(self, rows: Tensor) -> None:
        """Let the head's points, and what Adam remembers of them, be these rows of the present ones."""
        for name in POINTS:
            parameter = getattr(self.head, name)
            parameter.data = parameter.data[rows].clone()
            parameter.grad = None
            memory = self.optimiser.state.get(parameter, {})
            for key in ("exp_avg", "exp_avg_sq"):
                if key in memory:
                    memory[key] = memory[key][rows].clone()
        self.head.share = self.head.share[rows]

    def state_dict(self) -> dict:
        """What a checkpoint keeps."""
        return {
            "region": self.region,
            "age": self.age,
            "start": self.start,
            "pull": self.pull,
            "looks": self.looks,
        }

    def load_state_dict(self, state: dict) -> None:
        """Also gives the head as many points as it had then; their values follow with the head's own state."""
        self._take(torch.zeros(len(state["age"]), dtype=torch.long))
        self.region, self.age, self.start, self.pull, self.looks = (
            state[k] for k in ("region", "age", "start", "pull", "looks")
        )
