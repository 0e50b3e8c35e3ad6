"""Gaussians in the compressed files of the web's viewers, by the libraries gsply and gaussforge."""

from pathlib import Path
from tempfile import TemporaryDirectory

import gaussforge
import gsply
import numpy as np

from stkit.errors import RequestError
from stkit.export.conventions import TrainedFields
from stkit.export.ply import write_ply
from stkit.io.tensors import replace_file
from stkit.render.gaussians import Gaussians

SPZ_VERSION = 3  # gzip inside; version 4 (zstd) is read by few tools


def write_compressed_ply(gaussians: Gaussians, path: Path) -> None:
    """PlayCanvas's compressed PLY: 16 bytes a Gaussian, in 3DGS's axes, decimetres."""
    _converted(gaussians, path, "compressed.ply")


def write_splat(gaussians: Gaussians, path: Path) -> None:
    """antimatter15's .splat: 32 bytes a Gaussian, in 3DGS's axes, decimetres."""
    _converted(gaussians, path, "splat")


def write_sog(gaussians: Gaussians, path: Path) -> None:
    """PlayCanvas's SOG: pictures of the attributes in a zip; in 3DGS's axes, decimetres."""
    _converted(gaussians, path, "sog")


def write_spz(gaussians: Gaussians, path: Path) -> None:
    """Niantic's SPZ, version 3: y up, z towards the viewer, as its specification stores scenes;
    decimetres.
    """
    fields = TrainedFields.of(gaussians)
    none = np.zeros((len(gaussians), 0, 3), np.float32)
    data = gsply.GSData(
        fields.means, fields.scales, fields.quats, fields.opacities, fields.sh0, none
    )
    replace_file(Path(path), lambda part: gsply.write_spz(part, data, version=SPZ_VERSION))


def _converted(gaussians: Gaussians, path: Path, kind: str) -> None:
    """What gaussforge makes of the PLY."""
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "head.ply"
        write_ply(gaussians, plain)
        done = gaussforge.GaussForge().convert(plain.read_bytes(), "ply", kind)
    if "error" in done:
        raise RequestError(f"{path}: {kind} cannot be written: {done['error']}")
    replace_file(Path(path), lambda part: part.write_bytes(bytes(done["data"])))
