"""Exported heads read back by other programs: PSNR to ours, bytes, seconds; and what a rig misses.

python -m benchmarks.exchange mara RUN ... --write docs/results/exchange.json

Readers: see tests/export_readers.py. PLY is written by us and read by gsply; compressed PLY is
written by gaussforge and read by gsply, SPZ the other way round; .splat and GLB are read by small
readers of our own, after the formats' descriptions; SOG and USD by the library that wrote them.
Where npm's @playcanvas/splat-transform is on the PATH, it reads what it can as well.
"""

import argparse
import json
import math
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from stkit.driving.arkit import arkit_names
from stkit.export.formats import FORMATS
from stkit.export.mesh_files import write_mesh_glb, write_obj_folder
from stkit.export.ply import read_ply
from stkit.export.rig import FaceRig, make_rig, with_actions
from stkit.export.rig_files import write_rig
from stkit.export.textured_mesh import textured_mesh
from stkit.geometry import so3_exp, so3_log
from stkit.metrics.pictures import psnr
from stkit.runs.exports import Exported, head_to_export
from tests.export_readers import read_independently

OURS = "tests/export_readers.py"
READ_BY = {"ply": "gsply", "compressed-ply": "gsply", "splat": OURS, "spz": "gaussforge"}
READ_BY |= {
    "sog": "gaussforge (which also wrote it)",
    "glb": OURS,
    "usd": "pxr (which also wrote it)",
}
EXPRESSIONS = {
    "jaw open": {"jawOpen": 1.0},
    "eyes shut": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "smile": {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
    "laugh": {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "jawOpen": 0.6},
    "pucker": {"mouthPucker": 1.0},
    "ah": {"jawOpen": 0.6, "mouthFunnel": 0.4},
    "surprise": {"browInnerUp": 1.0, "jawOpen": 0.5, "eyeWideLeft": 0.8, "eyeWideRight": 0.8},
    "anger": {
        "browDownLeft": 1.0,
        "browDownRight": 1.0,
        "mouthFrownLeft": 1.0,
        "mouthFrownRight": 1,
    },
    "disgust": {"noseSneerLeft": 1.0, "noseSneerRight": 1.0, "mouthUpperUpLeft": 0.7},
    "lips closed, jaw down": {"jawOpen": 0.5, "mouthClose": 0.5},
}
MOUTH = slice(48, 66)
TURNS = (-25, -15, 15, 25)  # degrees
MARGIN = 8  # pixels around the lips


def picture(gaussians, camera) -> torch.Tensor:
    return gaussians.render(camera)[0].clamp(0, 1)


def cloud_row(kind: str, what: Exported, folder: Path) -> dict:
    """One format of one head."""
    frame = replace(what.capture.frame_pose(what.capture.neutral), lattice=None)
    gaussians = what.head.gaussians(frame).detach()
    path = folder / f"head{FORMATS[kind].suffix}"
    start = time.monotonic()
    FORMATS[kind].write(gaussians, path)
    seconds = time.monotonic() - start
    camera = what.capture.camera
    truth = picture(gaussians, camera)
    found = read_independently(kind, path)
    row = {"format": kind, "bytes": path.stat().st_size, "write_s": round(seconds, 3)}
    row |= {"read_by": READ_BY[kind], "psnr": round(psnr(picture(found, camera), truth), 1)}
    tool = shutil.which("splat-transform")
    if tool and kind not in ("glb", "usd"):
        back = folder / f"{kind}.back.ply"
        subprocess.run([tool, "-w", "-q", path, back], check=True, capture_output=True)
        other = picture(read_ply(back), camera)
        row["psnr_splat_transform"] = round(psnr(other, truth), 1)
    return row


def rig_rows(what: Exported, rig: FaceRig) -> list[dict]:
    """What the linear rig misses of the head itself, and of its mouth."""
    camera, names, rows = what.capture.camera, arkit_names(), []
    for name, action in EXPRESSIONS.items():
        weights = torch.zeros(len(names))
        for key, value in action.items():
            weights[names.index(key)] = value
        beta = with_actions(rig.frame.beta, weights)
        truth = picture(what.head.gaussians(replace(rig.frame, beta=beta)), camera)
        ours = picture(rig.gaussians(weights), camera)
        lips = camera.project(rig.frame.scale * what.head.landmarks[MOUTH] + rig.frame.pose[3:])
        low, high = lips.min(0).values.int() - MARGIN, lips.max(0).values.int() + MARGIN
        part = (slice(low[1], high[1]), slice(low[0], high[0]))
        row = {"expression": name, "psnr": round(psnr(ours, truth), 1)}
        rows.append(row | {"psnr_mouth": round(psnr(ours[part], truth[part]), 1)})
    return rows


def turned_rows(what: Exported, rig: FaceRig) -> list[dict]:
    """The same with the head turned: our networks know the pose, a rig does not."""
    camera, rows = what.capture.camera, []
    for degrees in TURNS:
        turn = so3_exp(torch.tensor([0.0, math.radians(degrees), 0.0]))
        pose = rig.frame.pose.clone()
        pose[:3] = so3_log(turn @ so3_exp(pose[:3]))
        truth = picture(what.head.gaussians(replace(rig.frame, pose=pose)), camera)
        ours = picture(rig.gaussians(torch.zeros(len(rig.names)), pose), camera)
        rows.append({"yaw": degrees, "psnr": round(psnr(ours, truth), 1)})
    return rows


def movable_rows(what: Exported, rig: FaceRig, folder: Path) -> list[dict]:
    """Rig and mesh: bytes and seconds."""
    mesh = textured_mesh(what.mesh(), what.head, what.capture)
    writers = {
        "rig": lambda path: write_rig(rig, what.capture.camera, path, what.run),
        "obj": lambda path: write_obj_folder(mesh, path),
        "mesh-glb": lambda path: write_mesh_glb(mesh, path),
    }
    rows = []
    for kind, write in writers.items():
        path, start = folder / kind, time.monotonic()
        write(path)
        seconds = time.monotonic() - start
        files = [f for f in path.rglob("*") if f.is_file()] if path.is_dir() else [path]
        size = sum(f.stat().st_size for f in files)
        rows.append({"format": kind, "bytes": size, "write_s": round(seconds, 3)})
    return rows


@torch.no_grad()
def measure(run: str) -> dict:
    """All rows of a run's head."""
    what = head_to_export(run, edited=False)
    rig = make_rig(what.head, what.capture)
    with TemporaryDirectory() as place:
        folder = Path(place)
        clouds = [cloud_row(kind, what, folder) for kind in FORMATS]
        movable = movable_rows(what, rig, folder)
    return {
        "run": run,
        "gaussians": len(what.head.xyz),
        "formats": clouds + movable,
        "rig": rig_rows(what, rig),
        "rig_turned": turned_rows(what, rig),
    }


def main() -> None:
    """Print a table, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="runs, or 'mara' (who ships)")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    found = [measure(run) for run in arguments.runs]
    for head in found:
        print(f"\n{head['run']}, {head['gaussians']} Gaussians")
        for row in head["formats"] + head["rig"] + head["rig_turned"]:
            print("  ", ", ".join(f"{k} {v}" for k, v in row.items()))
    if arguments.write:
        record = {"command": "python -m benchmarks.exchange", "heads": found}
        arguments.write.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
