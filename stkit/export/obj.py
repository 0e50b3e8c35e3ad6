"""A mesh as a Wavefront OBJ file."""

from pathlib import Path

import torch


def save_obj(path: Path, verts: torch.Tensor, faces: torch.Tensor) -> None:
    """Wavefront OBJ of vertices (V, 3), decimetres, and faces (F, 3)."""
    lines = ["# stkit, canonical space: decimetres, +x subject's left, +y up, +z out of the face"]
    lines += ["v {:.5f} {:.5f} {:.5f}".format(*v) for v in verts.detach().tolist()]
    lines += ["f {} {} {}".format(*(i + 1 for i in f)) for f in faces.tolist()]
    path.write_text("\n".join(lines) + "\n")
