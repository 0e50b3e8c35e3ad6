"""Named shapes: a base head and the displacements that shape it, by MakeHuman's artists.

A person is the base plus weighted targets. Every target is sparse: most move a few hundred
vertices.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stkit.io.tensors import load_tensors, save_tensors

KIND = "makehuman targets"
UNIT = 1e-4  # decimetres: displacements are stored as whole numbers of it


@dataclass(frozen=True)
class Targets:
    """T named displacements of a base head (V, 3), decimetres.

    Target k moves the vertices `rows[starts[k]:starts[k + 1]]` by the same slice of `offsets`
    (N, 3).
    """

    names: tuple[str, ...]
    base: Tensor
    starts: Tensor
    rows: Tensor
    offsets: Tensor

    def shape(self, weights: Tensor) -> Tensor:
        """Vertices (V, 3) of the base plus every target times its weight (T,)."""
        each = weights.repeat_interleave(self.starts.diff())
        return self.base.index_add(0, self.rows, self.offsets * each[:, None])

    def displacement(self, name: str) -> Tensor:
        """What one target adds (V, 3). ValueError where there is none of that name."""
        k = self.names.index(name)
        part = slice(int(self.starts[k]), int(self.starts[k + 1]))
        return torch.zeros_like(self.base).index_add(0, self.rows[part], self.offsets[part])

    def dense(self) -> Tensor:
        """All displacements (T, V, 3): large."""
        return torch.stack([self.displacement(name) for name in self.names])

    def save(self, path: Path) -> None:
        """One safetensors file; displacements are rounded to `UNIT`."""
        tensors = {
            "base": self.base.float(),
            "starts": self.starts.int(),
            "rows": self.rows.short(),
            "offsets": (self.offsets / UNIT).round().short(),
        }
        save_tensors(path, tensors, {KIND: list(self.names)})

    @staticmethod
    def load(path: Path) -> "Targets":
        """Read what `save` wrote."""
        data, meta = load_tensors(path, KIND)
        offsets = data["offsets"].float() * UNIT
        starts, rows = data["starts"].long(), data["rows"].long()
        return Targets(tuple(meta[KIND]), data["base"], starts, rows, offsets)


def pack(names: list[str], base: Tensor, displacements: list[Tensor]) -> Targets:
    """Targets from dense displacements (V, 3); what is smaller than half a `UNIT` is left out."""
    rows, offsets, starts = [], [], [0]
    for moved in displacements:
        ids = torch.nonzero((moved.abs() > UNIT / 2).any(1))[:, 0]
        rows.append(ids)
        offsets.append(moved[ids])
        starts.append(starts[-1] + len(ids))
    return Targets(tuple(names), base, torch.tensor(starts), torch.cat(rows), torch.cat(offsets))
