"""Gaussians as OpenUSD's ParticleField3DGaussianSplat, by usd-core."""

from pathlib import Path

import numpy as np

from stkit.errors import RequestError
from stkit.export.conventions import METRES, TrainedFields
from stkit.io.tensors import replace_file
from stkit.render.gaussians import Gaussians

SUFFIX = ".usdc"  # binary; USD tells the kind of a file by its name


def write_usd(gaussians: Gaussians, path: Path) -> None:
    """A binary USD stage: y up, decimetres (its header says so); scales are lengths, opacities lie
    in [0, 1]. Raises RequestError where usd-core is missing.
    """
    try:
        from pxr import Gf, Usd, UsdGeom, UsdVol, Vt
    except ImportError as e:
        raise RequestError("USD needs the package usd-core: pip install 'stkit[export]'") from e
    fields = TrainedFields.of(gaussians)

    def write(part: Path) -> None:
        named = part.with_name(part.name + SUFFIX)
        stage = Usd.Stage.CreateNew(str(named))
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(stage, METRES)
        stage.SetMetadata("comment", "made by stkit: a synthetic head")
        cloud = UsdVol.ParticleField3DGaussianSplat.Define(stage, "/head")
        stage.SetDefaultPrim(cloud.GetPrim())
        quats = [Gf.Quatf(*map(float, q)) for q in fields.quats]
        lengths = gaussians.scales.detach().numpy().astype(np.float32)
        opacities = gaussians.opacities.detach().numpy().astype(np.float32)
        cloud.CreatePositionsAttr(Vt.Vec3fArray.FromNumpy(fields.means))
        cloud.CreateOrientationsAttr(Vt.QuatfArray(quats))
        cloud.CreateScalesAttr(Vt.Vec3fArray.FromNumpy(lengths))
        cloud.CreateOpacitiesAttr(Vt.FloatArray.FromNumpy(opacities))
        cloud.CreateRadianceSphericalHarmonicsDegreeAttr(0)
        cloud.CreateRadianceSphericalHarmonicsCoefficientsAttr(Vt.Vec3fArray.FromNumpy(fields.sh0))
        reach = 3 * lengths.max()
        low, high = fields.means.min(0) - reach, fields.means.max(0) + reach
        cloud.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([low, high])))
        stage.GetRootLayer().Save()
        named.replace(part)

    replace_file(Path(path), write)
