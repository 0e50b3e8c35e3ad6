"""Every stage, stopped at random steps, ends in the same bytes, whatever ran before in the
process.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from stkit import training
from stkit.diffusion.paint import PaintEditor
from stkit.editing.loop import edit_head
from stkit.editing.settings import EditSettings
from stkit.heads.fit_gaussians import GaussianTraining, fit_gaussians
from stkit.heads.fit_mesh import fit_mesh
from stkit.heads.gaussian import GaussianSettings
from stkit.heads.mesh import MeshSettings
from stkit.heads.mesh_training import MeshTraining

STEPS = 50
MESH = MeshTraining(
    steps=STEPS,
    coarse_cell=0.3,
    resolution=64,
    warm_steps=6,
    surface_points=40,
    model=MeshSettings(width=16, pose_width=12, feature=8, cell=0.24),
)
GAUSSIANS = GaussianTraining(
    steps=STEPS,
    track_steps=2,
    model=GaussianSettings(width=32, pose_width=24, feature=16, mouth_points=40, face_points=100),
)
EDIT = EditSettings("turn him into a clown", steps=STEPS, frames=3, edit_every=4)


class StoppedError(Exception):
    """What a kill looks like from inside."""


def stopping_at(step: int) -> Callable:
    """A progress bar that ends the training before a step; other bars go on."""

    def bar(items, initial: int = 0, total: int | None = None, **_) -> Iterator:
        for k in items:
            if total is not None and k == step:
                raise StoppedError
            yield k

    return bar


def weights(head: nn.Module) -> dict[str, torch.Tensor]:
    return {name: x.clone() for name, x in head.state_dict().items()}


def same(a: nn.Module, b: dict[str, torch.Tensor]) -> bool:
    state = a.state_dict()
    return state.keys() == b.keys() and all(torch.equal(x, b[name]) for name, x in state.items())


Stage = Callable[..., nn.Module]


@pytest.fixture(scope="module")
def stages(mesh, gaussians) -> dict[str, Stage]:
    """The three optimisations on a small clip, as functions of checkpoint and progress."""
    head, capture, _ = mesh
    train = capture.split()[0]

    def grow(checkpoint: Path | None = None, progress=lambda x, **k: x) -> nn.Module:
        settings = replace(EDIT, method="gaussian-editor", edit_every=10)
        return edit_head(
            gaussians, capture, None, PaintEditor(), settings, train, checkpoint, progress
        ).head

    def edit(checkpoint: Path | None = None, progress=lambda x, **k: x) -> nn.Module:
        return edit_head(
            gaussians, capture, None, PaintEditor(), EDIT, train, checkpoint, progress
        ).head

    return {
        "mesh": lambda c=None, p=lambda x, **k: x: fit_mesh(capture, MESH, train, c, p)[0],
        "gaussians": lambda c=None, p=lambda x, **k: x: fit_gaussians(
            capture, head, None, GAUSSIANS, train, c, p
        )[0],
        "edit": edit,
        "edit that splits": grow,
    }


@pytest.mark.parametrize("name", ["mesh", "gaussians", "edit", "edit that splits"])
def test_a_stage_stopped_three_times_ends_in_the_same_bytes(stages, tmp_path, monkeypatch, name):
    whole = weights(stages[name]())
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    steps = sorted(random.Random(name).sample(range(3, STEPS), 3))
    for step in steps:
        with pytest.raises(StoppedError):
            stages[name](tmp_path / "checkpoint", stopping_at(step))
    resumed = stages[name](tmp_path / "checkpoint")
    assert same(resumed, whole), f"stopped at {steps}"


@pytest.mark.parametrize("name", ["mesh", "gaussians", "edit"])
def test_a_stage_after_other_work_gives_the_same_bytes(stages, name):
    before = weights(stages[name]())
    torch.manual_seed(99)
    torch.rand(1000)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        stages["mesh" if name != "mesh" else "edit"]()
        assert same(stages[name](), before)
    finally:
        torch.set_num_threads(threads)
