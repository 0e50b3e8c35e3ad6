"""Editing methods as entries of one table: what is edited when, from which noise level, what the
loss counts, and what may move.

Ours is Sec. 3.3; E1 to E4 are the paper's ablations; the others are written from the published
facts (lineage.md 4 and 5), on this kit's head and loop, so they show each method's idea, not its
authors' numbers.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stkit.editing.region import Region
from stkit.editing.strength import LOW, sample_strength
from stkit.editing.weights import eq8
from stkit.errors import RequestError

EVERYTHING = ("feature", "xyz", "log_scales", "quats", "opacity_logits", "nets")


@dataclass(frozen=True)
class Method:
    """strength: a fixed b, a range (low, high) of a uniform draw, or None for the settings'
    sampler.

    weighting: 'eq8', 'w' (always times w) or 'none'. w_picture: weight of the pictures' L1.
    rolling: one shot every `edit_every` steps, at least `passes` times as many as there are shots,
    up to the share `until` of the run; refresh: all shots every `refresh_every` steps (and at the
    start), at least `rounds` times in a run. moves: which parameters learn. region: the
    region whose traced Gaussians alone learn, where the settings name none; "" lets all learn.
    anchor: weight of a region's pull back to where it was (see `generations`); densify: split
    there every so many steps. text_guidance: times the editor's own (InstructPix2Pix: 7.5).
    together: all shots are edited once, at the start, with attention between them.
    """

    name: str
    idea: str
    strength: float | tuple[float, float] | None = None
    weighting: str = "none"
    w_picture: float = 1.0
    rolling: bool = True
    passes: int = 0
    until: float = 1.0
    refresh: bool = True
    rounds: int = 1
    moves: tuple[str, ...] = EVERYTHING
    region: Region = ""
    anchor: float = 0.0
    densify: int = 0
    text_guidance: float = 1.0
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

    def edit_is_due(self, k: int, steps: int, every: int, shots: int) -> bool:
        """Whether step k of `steps` begins with an edit of one of so many shots; usually there is
        one `every` so many steps.
        """
        time = int(self.until * steps)
        if self.passes:
            every = max(1, min(every, time // (self.passes * shots)))
        return self.rolling and k < time and k % every == 0

    def refresh_steps(self, every: int, steps: int) -> int:
        """Steps between two refreshes of all shots in a run of `steps`, at most `every`."""
        return min(every, -(-steps // self.rounds))

    def weigh(self, difference: Tensor, w: Tensor, b: float, b_boundary: float) -> Tensor:
        """The per-pixel loss (H, W, 3) as this method counts it; w (H, W, 1)."""
        if self.weighting == "eq8":
            return eq8(difference, w, b, b_boundary)
        return difference * w if self.weighting == "w" else difference


GAUSSIAN_EDITOR = Method(
    "",
    "GaussianEditor: only the traced region's Gaussians move and split, anchored in place",
    strength=(LOW, 0.98),
    w_picture=10.0,
    passes=2,
    until=2 / 3,
    refresh=False,
    moves=("feature", "xyz", "log_scales", "opacity_logits"),
    anchor=0.05,
    densify=100,
)
METHODS = {
    m.name: m
    for m in (
        Method("ours", "strong edits weigh w, weak ones 1 - w (Eq. 8)", weighting="eq8"),
        Method("E1", "strong edits everywhere: b = 0.8, no weights", strength=0.8),
        Method("E2", "weak edits everywhere: b = 0.2, no weights", strength=0.2),
        Method("E3", "random b, no weights"),
        Method("E4", "random b (reading 32), always times w", weighting="w"),
        Method(
            "in2n",
            "Instruct-NeRF2NeRF: b ~ U(0.02, 0.98), one picture after another",
            strength=(LOW, 0.98),
            refresh=False,
        ),
        Method(
            "igs2gs",
            "Instruct-GS2GS, the paper's IN2N (GS): the whole set in one go, three times, "
            "b ~ U(0.70, 0.98), s_T 12.5",
            strength=(0.70, 0.98),
            rolling=False,
            rounds=3,
            text_guidance=12.5 / 7.5,
        ),
        replace(GAUSSIAN_EDITOR, name="gaussian-editor", region="face"),
        replace(
            GAUSSIAN_EDITOR,
            name="gaussian-editor-head",
            idea="the same, with face, skin and hair as the region",
            region="head",
        ),
        Method(
            "gaussctrl",
            "GaussCtrl: all views inverted and edited once, attending to four of them; s_T 5",
            strength=1.0,
            rolling=False,
            refresh=False,
            text_guidance=5.0 / 7.5,
            together=True,
        ),
    )
}


def get_method(name: str) -> Method:
    """A method by name. Raises ValueError with the known names."""
    if name not in METHODS:
        raise RequestError(f"method {name!r} is not one of {', '.join(METHODS)}")
    return METHODS[name]
