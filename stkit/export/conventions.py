"""Gaussians in the frames, units and numbers that other tools expect.

Ours: decimetres, x to the right in the picture (the subject's left), y up, z towards the camera;
scales are lengths, opacities and colours are in [0, 1], rotations w, x, y, z.

3D Gaussian Splatting's training code works in a camera's axes instead (y down, z away from the
camera), and its files hold logarithms of scales, logits of opacities and, for the colour, the
coefficient of the constant spherical harmonic: colour = 0.5 + SH_C0 * f_dc.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.render.gaussians import Gaussians

SH_C0 = 0.28209479177387814  # the constant spherical harmonic, 1 / (2 sqrt(pi))
OPACITY_MARGIN = 1e-6  # keeps logits finite
SMALLEST_SCALE = 1e-8  # decimetres; keeps logarithms finite
METRES = 0.1  # in a decimetre


@dataclass(frozen=True)
class TrainedFields:
    """Arrays as 3D Gaussian Splatting's files hold them, float32: means (N, 3), scales (N, 3)
    logarithms, quats (N, 4) w, x, y, z, opacities (N,) logits, sh0 (N, 3).
    """

    means: np.ndarray
    scales: np.ndarray
    quats: np.ndarray
    opacities: np.ndarray
    sh0: np.ndarray

    @staticmethod
    def of(gaussians: Gaussians) -> "TrainedFields":
        """The fields of Gaussians, in the same axes and units."""
        g = gaussians
        opacities = g.opacities.clamp(OPACITY_MARGIN, 1 - OPACITY_MARGIN).logit()
        scales = g.scales.clamp(min=SMALLEST_SCALE).log()
        sh0 = (g.colors - 0.5) / SH_C0
        arrays = [_array(x) for x in (g.means, scales, _unit(g.quats), opacities, sh0)]
        return TrainedFields(*arrays)

    def gaussians(self) -> Gaussians:
        """The Gaussians of these fields, in the same axes and units."""
        means, scales, quats, opacities, sh0 = (
            torch.from_numpy(np.array(x, np.float32))
            for x in (self.means, self.scales, self.quats, self.opacities, self.sh0)
        )
        colors = (0.5 + SH_C0 * sh0).clamp(0, 1)
        return Gaussians(means, _unit(quats), scales.exp(), opacities.sigmoid(), colors)


def camera_axes(gaussians: Gaussians) -> Gaussians:
    """Gaussians turned half round about x: between our axes (y up, z towards the camera) and those
    of 3DGS's files (y down, z away from it). It is its own inverse.
    """
    return gaussians.moved(torch.diag(torch.tensor([1.0, -1.0, -1.0])), torch.zeros(3))


def _unit(quats: Tensor) -> Tensor:
    return torch.nn.functional.normalize(quats, dim=-1)


def _array(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().cpu().numpy(), np.float32)
