"""Is a tiny orbit pipeline better than mesh-prior views? On synthetic people it never saw, against their true sides.

`python -m stkit.diffusion.orbit.evaluate runs/orbit/pipeline --write benchmarks/orbit.md`
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...capture import Capture, head_transform, skin_weight, to_world
from ...evaluate import true_picture
from ...mesh_head import MeshHead
from ...metrics import psnr
from ...render import render_mesh
from ...road import Road
from ...runs import code_version
from ..v3d import FRAMES, STEP, V3DViews, v3d_cameras
from ..views import mesh_prior_views
from . import SIZE

PEOPLE = ("synthetic", "synthetic:3", "synthetic:7", "synthetic:21")
AZIMUTHS = tuple(STEP * k - 180 for k in range(1, FRAMES))
SIDES = {"20": (20,), "40": (40,), "60": (60,), "80 to 120": (80, 100, 120), "140, 160": (140, 160)}


def down_to_the_chin(capture: Capture, head: MeshHead, cameras: list) -> list[int]:
    """How many rows of each camera's picture hold the head; what the film cut off below is anybody's guess."""
    t = capture.neutral
    verts, faces, _ = head.extract()
    world = to_world(verts + head.deformation(verts, head.share(verts), capture.beta[t], capture.pose[t]), **head_transform(capture, t))
    out = []
    for camera in cameras:
        rows = torch.nonzero((render_mesh(world, faces, skin_weight(verts), camera).image[..., 0] > 0.9).any(1))[:, 0]
        out.append(int(rows.max()) + 1)
    return out


@torch.no_grad()
def views_of(source: str, provider: V3DViews) -> tuple[dict[str, Tensor], list[int]]:
    """Truth, the orbit model's, its autoencoder's best and mesh-prior views (17, SIZE, SIZE, 3) at AZIMUTHS, from V3D's cameras; rows of the head."""
    road = Road("ablate-" + source.replace(":", "-"), source, "quick", quiet=True)
    head, capture = road.mesh()
    t = capture.neutral
    cameras = [c.resized(SIZE) for c in v3d_cameras(capture, AZIMUTHS)]
    truth = torch.stack([shrunk(true_picture(capture, t, c.resized(4 * SIZE))) for c in cameras])
    orbit = provider.orbit(capture.image(t), capture.matte(t))
    x = truth.permute(0, 3, 1, 2) * 2 - 1
    coded = provider.pipe.vae.decode(provider.pipe.vae.encode(x).latent_dist.mode(), num_frames=len(x)).sample
    prior = mesh_prior_views(capture, head, AZIMUTHS, [c.resized(4 * SIZE) for c in cameras]).images
    return {
        "truth": truth, "tiny orbit": torch.stack([orbit[round(a / STEP) % FRAMES] for a in AZIMUTHS]),
        "its autoencoder on the truth": ((coded + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1), "mesh prior": torch.stack([shrunk(p) for p in prior]),
    }, down_to_the_chin(capture, head, cameras)  # fmt: skip


def shrunk(picture: Tensor) -> Tensor:
    """A picture (H, W, 3) at SIZE pixels."""
    return torch.nn.functional.interpolate(picture.permute(2, 0, 1)[None], (SIZE, SIZE), mode="area")[0].permute(1, 2, 0)


def scores(pictures: dict[str, Tensor], rows: list[int]) -> dict[str, dict[str, float]]:
    """PSNR (dB) of each provider for each group of sides, down to the chin."""
    out: dict[str, dict[str, float]] = {}
    for name, views in pictures.items():
        if name != "truth":
            each = {a: psnr(v[:n], x[:n]) for a, v, x, n in zip(AZIMUTHS, views, pictures["truth"], rows)}
            out[name] = {side: float(np.mean([each[s * a] for a in some for s in (-1, 1)])) for side, some in SIDES.items()}
    return out


def sheet(people: list[dict[str, Tensor]]) -> Tensor:
    """Rows of truth, orbit and prior for each person at every second azimuth."""
    rows = [torch.cat(list(p[name][::2]), 1) for p in people for name in p]
    return torch.cat(rows, 0)


def table(each: dict[str, dict[str, dict[str, float]]]) -> str:
    """Markdown: mean and standard deviation over the people."""
    lines = ["| views | " + " | ".join(f"±{s}°" for s in SIDES) + " |", "|---" * (len(SIDES) + 1) + "|"]
    for name in next(iter(each.values())):
        cells = [np.array([person[name][side] for person in each.values()]) for side in SIDES]
        lines.append(f"| {name} | " + " | ".join(f"{c.mean():.1f} ± {c.std():.1f}" for c in cells) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipeline", help="the folder that stkit.diffusion.orbit.train left")
    parser.add_argument("--people", nargs="+", default=PEOPLE)
    parser.add_argument("--guidance", type=float, default=V3DViews.guidance)
    parser.add_argument("--steps", type=int, default=V3DViews.steps)
    parser.add_argument("--write", metavar="FILE", type=Path, help="also write the table to this file and the pictures beside it")
    a = parser.parse_args(arguments)
    provider = V3DViews(a.pipeline, size=SIZE, guidance=a.guidance, steps=a.steps)
    each, pictures = {}, []
    for source in a.people:
        found, rows = views_of(source, provider)
        each[source] = scores(found, rows)
        pictures.append(found)
        print(source, {n: {k: round(v, 2) for k, v in s.items()} for n, s in each[source].items()}, flush=True)
    print(table(each))
    if a.write:
        from PIL import Image

        shot = sheet(pictures[:2])
        Image.fromarray((shot * 255).round().byte().numpy()).resize((2 * shot.shape[1], 2 * shot.shape[0])).save(
            a.write.with_suffix(".png")
        )
        a.write.write_text(report(a, each))


def report(a: argparse.Namespace, each: dict) -> str:
    """The table with the command that makes it."""
    command = f"python -m stkit.diffusion.orbit.evaluate {a.pipeline} --guidance {a.guidance:g} --steps {a.steps} --write {a.write}"
    return f"""# Tiny orbit against mesh-prior views

PSNR (dB) against true sides at {SIZE} pixels, down to the chin, over white; mean and standard deviation over {len(each)} synthetic people that no training saw ({", ".join(each)}), tracked in the quick
profile. All views are seen by V3D's cameras. Guidance {a.guidance:g}, {a.steps} steps, code {code_version()}. Made by `{command}`.

{table(each)}

![Two people from nine sides: the truth, the tiny orbit model, its autoencoder on the truth, mesh-prior views]({a.write.with_suffix(".png").name})
"""


if __name__ == "__main__":
    main()
