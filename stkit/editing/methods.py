"""Editing methods as entries of one table: what is edited when, from which noise level, what the loss counts, and what may move.

Ours is Sec. 3.3; E1 to E4 are the paper's ablations; the others are written from the published facts (lineage.md 4 and 5), on
this kit's head and loop, so they show each method's idea, not its authors' numbers.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stkit.editing.strength import LOW, sample_strength
from stkit.editing.weights import eq8

EVERYTHING = ("feature", "xyz", "log_scales", "quats", "opacity_logits", "nets")


@dataclass(frozen=True)
class Method:
    """strength: a fixed b, a range (low, high) of a uniform draw, or None for the settings' sampler.

    weighting: 'eq8', 'w' (always times w) or 'none'. rolling: one shot every `edit_every` steps; refresh: all shots every
    `refresh_every` steps (and at the start). moves: which parameters learn. region: learn only Gaussians of the traced region.
    anchor: weight of a region's pull back to where it was (see `generations`); densify: split there every so many steps. s_T: text guidance for an editor whose own is the published 7.5; others in proportion.
    together: all shots are edited once, at the start, with attention between them.
    """

    name: str
    idea: str
    strength: float | tuple[float, float] | None = None
    weighting: str = "none"
    rolling: bool = True
    refresh: bool = True
    moves: tuple[str, ...] = EVERYTHING
    region: bool = False
    anchor: float = 0.0
    densify: int = 0
    s_T: float | None = None
    together: bool = False

    def draw(self, sampler: str, generator: torch.Generator) -> float:
        """The strength b of the next edit."""
        if isinstance(self.strength, tuple):
            low, high = self.strength
            return low + (high - low) * float(torch.rand(1, generator=generator))
        return (
            self.strength
            if self.strength is not None
            else float(sample_strength(1, generator, sampler)[0])
        )

    def weigh(self, difference: Tensor, w: Tensor, b: float, b_boundary: float) -> Tensor:
        """The per-pixel loss (H, W, 3) as this method counts it; w (H, W, 1)."""
        if self.weighting == "eq8":
            return eq8(difference, w, b, b_boundary)
        return difference * w if self.weighting == "w" else difference


METHODS = {
    m.name: m
    for m in (
        Method("ours", "strong edits weigh w, weak ones 1 - w (Eq. 8)", weighting="eq8"),
        Method("E1", "strong edits everywhere: b = 0.8, no weights", strength=0.8),
        Method("E2", "weak edits everywhere: b = 0.2, no weights", strength=0.2),
        Method("E3", "random b, no weights"),
        Method("E4", "random b, always times w", weighting="w"),
        Method(
            "in2n",
            "Instruct-NeRF2NeRF: b ~ U(0.02, 0.98), one picture at a time, starting from the unedited ones",
            strength=(LOW, 0.98),
            refresh=False,
        ),
        Method(
            "igs2gs",
            "Instruct-GS2GS: the whole set in one go, b ~ U(0.70, 0.98), s_T 12.5",
            strength=(0.70, 0.98),
            rolling=False,
            s_T=12.5,
        ),
        Method(
            "gaussian-editor",
            "GaussianEditor: only the traced region's Gaussians move and split, anchored to where they were",
            strength=(LOW, 0.98),
            refresh=False,
            moves=("feature", "xyz", "log_scales", "opacity_logits"),
            region=True,
            anchor=0.05,
            densify=100,
        ),
        Method(
            "gaussctrl",
            "GaussCtrl: all views inverted and edited once, together, each attending to four reference views; s_T 5",
            strength=1.0,
            rolling=False,
            refresh=False,
            s_T=5.0,
            together=True,
        ),
    )
}


def get_method(name: str) -> Method:
    """A method by name. Raises ValueError with the known names."""
    if name not in METHODS:
        raise ValueError(f"method {name!r} is not one of {', '.join(METHODS)}")
    return METHODS[name]


def trace_region(head, shots, masks: list[Tensor]) -> Tensor:
    """Gaussians (N,) bool that belong to a region, from its masks (H, W, 1) in the shots: a vote of the pixels that show them.

    Each vote counts by how much of the pixel the Gaussian makes up. Upstream counts every touched pixel as one; its weighted
    form stands beside that, commented out (lineage.md 5).
    """
    votes, total = torch.zeros_like(head.xyz[:, 0]), torch.zeros_like(head.xyz[:, 0])
    for shot, mask in zip(shots, masks):
        value = torch.zeros_like(head.xyz[:, :1], requires_grad=True)
        image, _ = head.render(shot.camera, extra=value, **shot.frame)
        inside, seen = (
            torch.autograd.grad((image[..., 3:] * m).sum(), value, retain_graph=True)[0][:, 0]
            for m in (mask, torch.ones_like(mask))
        )
        votes, total = votes + inside, total + seen
    return votes > 0.5 * total.clamp_min(1e-6)


def region_mask(image: Tensor, landmarks: Tensor, region: str) -> Tensor:
    """A face region (H, W, 1) in a picture (H, W, 3), by landmarks (66, 2) and colour. ValueError lists the regions."""
    from stkit.diffusion.regions import find_regions

    regions = find_regions(image.double().numpy(), landmarks.detach().double().numpy())
    if region not in regions:
        raise ValueError(f"region {region!r} is not one of {', '.join(regions)}")
    return torch.from_numpy(regions[region]).float()[..., None]
