"""The files that a head's Gaussians can be written to: one line a format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stkit.errors import RequestError
from stkit.export import packed
from stkit.export.glb import write_glb
from stkit.export.ply import write_ply
from stkit.export.usd import write_usd
from stkit.render.gaussians import Gaussians


@dataclass(frozen=True)
class GaussianFormat:
    """A kind of file: how its names end, what it is called and opened by, and what writes it."""

    suffix: str
    opened_by: str
    write: Callable[[Gaussians, Path], None]


FORMATS = {
    "ply": GaussianFormat(
        ".ply", "SuperSplat, Blender's and Unity's splat importers, nerfstudio", write_ply
    ),
    "compressed-ply": GaussianFormat(
        ".compressed.ply", "SuperSplat, PlayCanvas", packed.write_compressed_ply
    ),
    "splat": GaussianFormat(".splat", "antimatter15/splat, Spark, Babylon.js", packed.write_splat),
    "spz": GaussianFormat(".spz", "Spark, Babylon.js, Unity, Scaniverse", packed.write_spz),
    "sog": GaussianFormat(".sog", "SuperSplat, PlayCanvas, Spark", packed.write_sog),
    "glb": GaussianFormat(".splats.glb", "tools with KHR_gaussian_splatting, Cesium", write_glb),
    "usd": GaussianFormat(".usdc", "OpenUSD 26 and later, Omniverse", write_usd),
}


def get_format(name: str) -> GaussianFormat:
    """The format of a name. Raises RequestError that lists them."""
    if name not in FORMATS:
        raise RequestError(f"format {name!r}: choose from {', '.join(FORMATS)}")
    return FORMATS[name]
