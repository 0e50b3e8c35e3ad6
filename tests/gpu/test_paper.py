"""One smoke run of every stage in the `paper` profile on an NVIDIA GPU, with seconds per step
beside the paper's. Skips elsewhere.

`python -m pytest tests/gpu -s` prints the table; `STKIT_GPU_STEPS=50` (default 20) sets how many
steps are timed.
"""

import os
import time
from dataclasses import replace

import pytest
import torch
from conftest import track

from stkit.capture.preprocess import PreprocessSettings
from stkit.diffusion.mesh_prior import MeshPriorViews
from stkit.diffusion.paint import PaintEditor
from stkit.editing.loop import edit_head
from stkit.editing.settings import EditSettings
from stkit.heads.fit_gaussians import fit_gaussians
from stkit.heads.fit_mesh import fit_mesh
from stkit.render import pick_device
from stkit.runs.profiles import PAPER

pytestmark = pytest.mark.skipif(
    pick_device() != "cuda", reason="needs an NVIDIA GPU, gsplat and kaolin"
)
STEPS = int(os.environ.get("STKIT_GPU_STEPS", "20"))
PAPER_MS = {"mesh": 60, "gaussians": 150, "edit": 180}  # a step of the paper, on an RTX 4090


@pytest.fixture(scope="module")
def capture():
    return track(
        "synthetic",
        PreprocessSettings(
            size=PAPER.preprocess.size, max_frames=24, fit_steps=200, refine_steps=120
        ),
    )[0].to("cuda")


def timed(name: str, run, steps: int):
    """run()'s result; prints milliseconds a step and peak memory."""
    torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    out = run()
    torch.cuda.synchronize()
    ms, gb = 1000 * (time.perf_counter() - start) / steps, torch.cuda.max_memory_allocated() / 2**30
    there = f"the paper {PAPER_MS[name]} ms on an RTX 4090"
    print(f"\ngpu_{name}_ms {ms:.1f} (setup counted in; {there})  gpu_{name}_gb {gb:.2f}")
    print(torch.cuda.get_device_name())
    return out


def test_every_stage_runs_at_the_papers_size(capture):
    train = capture.split()[0]
    settings = replace(PAPER.mesh, steps=STEPS, warm_steps=0)
    mesh, history = timed("mesh", lambda: fit_mesh(capture, settings, train), STEPS)
    assert history["loss"][-1] < history["loss"][0]
    views = MeshPriorViews()(capture.to("cpu"), mesh.cpu())
    settings = replace(PAPER.gaussians, steps=STEPS, track_steps=2)
    head, tracked, history = timed(
        "gaussians", lambda: fit_gaussians(capture, mesh.to("cuda"), views, settings, train), STEPS
    )
    assert torch.isfinite(torch.tensor(history["loss"])).all()
    settings = EditSettings("turn him into a clown", steps=STEPS, frames=4)
    done = timed(
        "edit", lambda: edit_head(head, tracked, views, PaintEditor(), settings, train), STEPS
    )
    assert torch.isfinite(torch.tensor(done.history["loss"])).all() and done.log
