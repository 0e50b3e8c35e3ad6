"""A head as a PLY file with the fields of 3D Gaussian Splatting."""

from pathlib import Path

import torch

from stkit.capture.capture import Capture
from stkit.heads.gaussian import GaussianHead


@torch.no_grad()
def save_ply(head: GaussianHead, subject: Capture, path: Path, t: int | None = None) -> int:
    """Frame t (default neutral) as a PLY with the fields of 3D Gaussian Splatting, degree 0; returns the number of points.

    World decimetres, x right (subject's left), y up, z towards the camera; colours as f_dc = (rgb - 0.5) / 0.28209.
    """
    t = subject.neutral if t is None else t
    g = head.gaussians(subject.frame_pose(t))
    n = len(g.means)
    o = g.opacities.clamp(1e-6, 1 - 1e-6)
    columns = {
        **dict(zip(("x", "y", "z"), g.means.T)),
        **dict.fromkeys(("nx", "ny", "nz"), torch.zeros(n)),
        **dict(zip(("f_dc_0", "f_dc_1", "f_dc_2"), ((g.colors - 0.5) / 0.28209479177387814).T)),
        "opacity": o.logit(),
        **dict(zip(("scale_0", "scale_1", "scale_2"), g.scales.log().T)),
        **dict(zip(("rot_0", "rot_1", "rot_2", "rot_3"), g.quats.T)),
    }
    header = (
        "ply\nformat binary_little_endian 1.0\ncomment made by stkit\n" + f"element vertex {n}\n"
    )
    header += "".join(f"property float {name}\n" for name in columns) + "end_header\n"
    data = torch.stack(list(columns.values()), 1).numpy().astype("<f4")
    temporary = Path(path).with_suffix(".tmp")
    temporary.write_bytes(header.encode() + data.tobytes())
    temporary.replace(path)
    return n
