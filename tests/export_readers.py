"""Readers of exported heads that are not the programs which wrote them."""

import json
import struct
from pathlib import Path

import gaussforge
import gsply
import numpy as np
import torch

from stkit.export.conventions import METRES, SH_C0, TrainedFields, camera_axes
from stkit.export.ply import read_ply
from stkit.render.gaussians import Gaussians


def read_independently(kind: str, path: Path) -> Gaussians:
    """A file by another program than the one that wrote it; of SOG, which nothing else that pip
    installs reads, by gaussforge's own reader.
    """
    if kind in ("ply", "compressed-ply"):
        d = gsply.plyread(path)
        fields = TrainedFields(d.means, d.scales, d.quats, d.opacities, d.sh0)
        return camera_axes(fields.gaussians())
    if kind == "splat":
        return read_splat(path)
    if kind == "glb":
        return read_glb(path)
    if kind == "usd":
        return read_usd(path)
    done = gaussforge.GaussForge().convert(path.read_bytes(), kind, "ply")
    plain = path.with_suffix(".back.ply")
    plain.write_bytes(bytes(done["data"]))
    found = read_ply(plain)
    return camera_axes(found) if kind == "spz" else found  # gaussforge leaves SPZ's axes (y up)


def read_splat(path: Path) -> Gaussians:
    """antimatter15's layout: places and lengths as float32, colour with opacity and the turn (w, x,
    y, z around 128) as bytes.
    """
    row = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])
    data = np.frombuffer(path.read_bytes(), row)
    rgba = torch.from_numpy(data["rgba"].astype(np.float32)) / 255
    quats = (torch.from_numpy(data["quat"].astype(np.float32)) - 128) / 128
    means, scales = (torch.from_numpy(data[name].copy()) for name in ("mean", "scale"))
    return camera_axes(Gaussians(means, quats, scales, rgba[:, 3], rgba[:, :3]))


def glb_parts(path: Path) -> tuple[dict, bytes]:
    """A GLB's description and its binary, by its specification alone."""
    data = path.read_bytes()
    assert data[:4] == b"glTF" and struct.unpack("<II", data[4:12]) == (2, len(data))
    length = struct.unpack("<I", data[12:16])[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def glb_array(file: dict, binary: bytes, index: int) -> np.ndarray:
    accessor = file["accessors"][index]
    view = file["bufferViews"][accessor["bufferView"]]
    kind = {5126: "<f4", 5125: "<u4", 5123: "<u2", 5121: "u1"}[accessor["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[accessor["type"]]
    count = accessor["count"] * width
    return np.frombuffer(binary, kind, count, view["byteOffset"]).reshape(-1, width)


def read_glb(path: Path) -> Gaussians:
    file, binary = glb_parts(path)
    names = file["meshes"][0]["primitives"][0]["attributes"]
    prefix = "KHR_gaussian_splatting:"
    position, turn, size, opacity, sh0 = (
        torch.from_numpy(glb_array(file, binary, names[name]).copy())
        for name in (
            "POSITION",
            *(prefix + n for n in ("ROTATION", "SCALE", "OPACITY", "SH_DEGREE_0_COEF_0")),
        )
    )
    metres = Gaussians(position, turn.roll(1, 1), size, opacity[:, 0], 0.5 + SH_C0 * sh0)
    return metres.moved(torch.eye(3), torch.zeros(3), 1 / METRES)


def read_usd(path: Path) -> Gaussians:
    from pxr import Usd, UsdGeom, UsdVol

    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == METRES
    cloud = UsdVol.ParticleField3DGaussianSplat(stage.GetPrimAtPath("/head"))
    turns = [[q.GetReal(), *q.GetImaginary()] for q in cloud.GetOrientationsAttr().Get()]
    sh0 = np.array(cloud.GetRadianceSphericalHarmonicsCoefficientsAttr().Get())
    arrays = (
        np.array(cloud.GetPositionsAttr().Get()),
        np.array(turns),
        np.array(cloud.GetScalesAttr().Get()),
        np.array(cloud.GetOpacitiesAttr().Get()),
        0.5 + SH_C0 * sh0,
    )
    return Gaussians(*(torch.from_numpy(x).float() for x in arrays))
