"""The files that a head's Gaussians can be written to: one line a format.

Which programs open them is said in docs/guide/exchange.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stkit.export import packed
from stkit.export.glb import write_glb
from stkit.export.ply import write_ply
from stkit.export.usd import write_usd
from stkit.render.gaussians import Gaussians


@dataclass(frozen=True)
class GaussianFormat:
    """A kind of file: how its names end, and what writes it."""

    suffix: str
    write: Callable[[Gaussians, Path], None]


FORMATS = {
    "ply": GaussianFormat(".ply", write_ply),
    "compressed-ply": GaussianFormat(".compressed.ply", packed.write_compressed_ply),
    "splat": GaussianFormat(".splat", packed.write_splat),
    "spz": GaussianFormat(".spz", packed.write_spz),
    "sog": GaussianFormat(".sog", packed.write_sog),
    "glb": GaussianFormat(".splats.glb", write_glb),
    "usd": GaussianFormat(".usdc", write_usd),
}
