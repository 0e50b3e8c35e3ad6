"""The benchmark's reference is a fair one, and its records say what they hold."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("gsplat", reason="gsplat is not installed: nothing to compare with")
FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))

import bench  # noqa: E402
import budget  # noqa: E402
import records  # noqa: E402


def test_the_reference_draws_the_same_picture_with_the_same_gradients():
    leaves, camera = bench.scene(250, 48, 3)
    with torch.no_grad():
        # gsplat's torch code has no early end of a ray; thin enough, nothing ends
        leaves[3].mul_(0.5)
    pictures, gradients = [], []
    for render in (bench.ours(leaves, camera), bench.theirs(leaves, camera)):
        image = render()
        weight = torch.linspace(-1, 1, image.numel()).reshape(image.shape)
        pictures.append(image.detach())
        gradients.append(torch.autograd.grad((image * weight).sum(), leaves))
    assert (pictures[0] - pictures[1]).abs().max() < 1e-4
    for name, ours, theirs in zip(("means", "quats", "scales", "opacities", "colors"), *gradients):
        assert (ours - theirs).abs().max() < 1e-3 * theirs.abs().max(), name


def test_every_line_has_a_meaning_and_the_record_holds_them(tmp_path):
    lines = {"ratio_20k_256_3": 31.2, "step_ms_mesh": 99.0, "exponent_pixels": 0.4}
    records.record(lines, "a machine", tmp_path)
    text = (tmp_path / "results.md").read_text()
    assert "| `ratio_20k_256_3` | 31.2 | how many times faster |" in text and "a machine" in text
    committed = json.loads((FOLDER / "results.json").read_text())
    keys = committed.keys() - {"machine", "date"}
    assert keys and all(records.meaning(key) for key in keys)
    with pytest.raises(KeyError):
        records.meaning("a line that nothing explains")


def test_budget_names_the_parts_of_a_step():
    def event(key, microseconds):
        return SimpleNamespace(key=key, self_cpu_time_total=microseconds)

    events = [event("aten::mm", 4000), event("_Rasterize", 2000), event("aten::add", 500)]
    parts = budget.rows(2, events)
    assert parts["matrix products (the nets)"] == 2 and parts["Gaussian rasteriser, forward"] == 1
    assert parts["element-wise and the rest"] == 0.25
    lines = budget.table({"edit": parts})
    assert lines[0] == "| ms a step | edit |" and lines[-1] == "| all | 3.2 |"
    assert not any("Adam" in line for line in lines)
