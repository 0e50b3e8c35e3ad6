"""A head as a PLY file with the fields of 3D Gaussian Splatting."""

from pathlib import Path

import torch

from stkit.capture.capture import Capture
from stkit.heads.gaussian import GaussianHead
from stkit.io.tensors import replace_file

SH_C0 = 0.28209479177387814  # the constant spherical harmonic, 1 / (2 sqrt(pi))
OPACITY_MARGIN = 1e-6  # keeps logits finite


@torch.no_grad()
def save_ply(head: GaussianHead, subject: Capture, path: Path, t: int | None = None) -> int:
    """Write frame t (default: neutral) as a PLY of degree 0; returns the number of points.

    World decimetres, x right (subject's left), y up, z towards the camera. Colours are
    f_dc = (rgb - 0.5) / SH_C0, opacities logits, scales logarithms, rotations w, x, y, z.
    """
    t = subject.neutral if t is None else t
    gaussians = head.gaussians(subject.frame_pose(t))
    count = len(gaussians.means)
    opacities = gaussians.opacities.clamp(OPACITY_MARGIN, 1 - OPACITY_MARGIN)
    columns = {
        **dict(zip(("x", "y", "z"), gaussians.means.T)),
        **dict.fromkeys(("nx", "ny", "nz"), torch.zeros(count)),
        **dict(zip(("f_dc_0", "f_dc_1", "f_dc_2"), ((gaussians.colors - 0.5) / SH_C0).T)),
        "opacity": opacities.logit(),
        **dict(zip(("scale_0", "scale_1", "scale_2"), gaussians.scales.log().T)),
        **dict(zip(("rot_0", "rot_1", "rot_2", "rot_3"), gaussians.quats.T)),
    }
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment made by stkit",
        f"element vertex {count}",
        *(f"property float {name}" for name in columns),
        "end_header",
    ]
    data = torch.stack(list(columns.values()), 1).numpy().astype("<f4")

    def write(part: Path) -> None:
        part.write_bytes(("\n".join(header) + "\n").encode() + data.tobytes())

    replace_file(Path(path), write)
    return count
