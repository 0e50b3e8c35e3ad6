"""GaussianEditor's generations: Gaussians split where the edit pulls, and firm with age (lineage.md
5).

Written from the published facts: the top 1 % of masked gradients split, every 100 steps; those
below opacity 0.005 are pruned; each Gaussian is anchored to where it was at the last densification,
with a weight that starts at 0.05 and grows by 1.3 with each densification lived through; newborns
start anew.
"""

import math

import torch
from torch import Tensor

from stkit.geometry import quat_to_rotation
from stkit.heads.gaussian import GaussianHead

# GaussianEditor's lambdas of the anchor, by attribute
ANCHOR = {"feature": 5.0, "xyz": 50.0, "opacity_logits": 50.0, "log_scales": 50.0}
POINTS = ("xyz", "feature", "log_scales", "quats", "opacity_logits", "follow_logits")
GROWTH, CAP = 1.3, 10.0  # of an anchor's weight: a densification's factor, and the largest
SPLIT_SHARE = 0.01  # of the region's Gaussians, at each densification
FAINT = 0.005  # opacity below which a Gaussian is pruned
SHRINK = 1.6  # how much smaller the two halves of a split Gaussian are (3DGS)


class Generations:
    """Which Gaussians of a head may move, how old they are, and where they are anchored.

    region (N,) bool: those that may move; first: the newborns' anchor weight.
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
        self.anchors = {name: self._attribute(name).detach().clone() for name in ANCHOR}
        self.pull, self.steps = torch.zeros_like(self.head.xyz[:, 0]), 0

    def _attribute(self, name: str) -> torch.nn.Parameter:
        return self.head.get_parameter(name)

    def loss(self) -> Tensor:
        """Mean squared distance of the attributes to their anchors, weighted by age."""
        weight = (self.first * GROWTH**self.age).clamp_max(CAP)
        total = weight.new_zeros(())
        for name, factor in ANCHOR.items():
            square = (self._attribute(name) - self.anchors[name]).square()
            total = total + factor * (weight * square.reshape(len(weight), -1).mean(1)).mean()
        return total

    def mask_gradients(self) -> None:
        """After backward: outside the region nothing learns; inside, remember each position's
        pull.
        """
        for name in POINTS:
            grad = self._attribute(name).grad
            if grad is not None:
                grad[~self.region] = 0
        if self.head.xyz.grad is not None:
            self.pull += self.head.xyz.grad.norm(dim=1)
        self.steps += 1

    @torch.no_grad()
    def densify(self, generator: torch.Generator) -> int:
        """Split the most pulled Gaussians of the region in two, drop faint ones, anchor all anew.

        Returns how many there are now.
        """
        head = self.head
        faint = self.region & (head.opacity_logits.sigmoid() < FAINT)
        split = self._most_pulled(self.region & ~faint)
        noise = torch.randn(len(split), 3, generator=generator).to(head.xyz.device)
        along_axes = (noise * head.log_scales[split].exp())[..., None]
        offset = (quat_to_rotation(head.quats[split]) @ along_axes)[..., 0]
        head.xyz[split] += offset
        head.log_scales[split] -= math.log(SHRINK)
        rows = torch.cat([torch.nonzero(~faint)[:, 0], split])
        newborn = torch.arange(len(rows), device=rows.device) >= len(rows) - len(split)
        self._take(rows)
        head.xyz[newborn] -= 2 * offset
        self.region = self.region[rows]
        self.age = torch.where(newborn, 0.0, self.age[rows] + 1)
        self._anchor_here()
        head.refresh()
        return len(rows)

    def _most_pulled(self, candidates: Tensor) -> Tensor:
        """Indices of the Gaussians that split, among the candidates (N,) bool."""
        count = math.ceil(SPLIT_SHARE * int(candidates.sum()))
        if not (self.steps and count):
            return torch.zeros(0, dtype=torch.long, device=candidates.device)
        return torch.where(candidates, self.pull, -1.0).topk(count).indices

    def _take(self, rows: Tensor) -> None:
        """Let the head's points, and what Adam remembers of them, be these rows of today's."""
        for name in POINTS:
            parameter = self._attribute(name)
            parameter.data = parameter.data[rows].clone()
            parameter.grad = None
            memory = self.optimiser.state.get(parameter, {})
            for key in ("exp_avg", "exp_avg_sq"):
                if key in memory:
                    memory[key] = memory[key][rows].clone()
        head = self.head
        reshaped = ("moved", "maps") if len(head.moved) else ()
        for name in ("share", "carriers", *reshaped):
            setattr(head, name, getattr(head, name)[rows])

    def state_dict(self) -> dict:
        """What a checkpoint keeps."""
        return {
            "region": self.region,
            "age": self.age,
            "anchors": self.anchors,
            "pull": self.pull,
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict) -> None:
        """Also give the head as many points as it had then; their values follow with its own
        state.
        """
        device = self.head.xyz.device
        self._take(torch.zeros(len(state["age"]), dtype=torch.long, device=device))
        self.region, self.age, self.pull = (state[k].to(device) for k in ("region", "age", "pull"))
        self.anchors = {name: x.to(device) for name, x in state["anchors"].items()}
        self.steps = state["steps"]
