"""The benchmark's reference must be a fair one: gsplat's torch functions draw what stkit draws, and so do their gradients."""

import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("gsplat", reason="gsplat is not installed: nothing to compare with")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import bench  # noqa: E402
import budget  # noqa: E402


def test_the_reference_draws_the_same_picture_with_the_same_gradients():
    leaves, camera = bench.scene(250, 48, 3)
    with torch.no_grad():
        leaves[3].mul_(
            0.5
        )  # gsplat's torch code has no early end of a ray; thin enough, nothing ends
    pictures, gradients = [], []
    for render in (bench.ours(leaves, camera), bench.theirs(leaves, camera)):
        image = render()[0]
        pictures.append(image.detach())
        gradients.append(
            torch.autograd.grad(
                (image * torch.linspace(-1, 1, image.numel()).reshape(image.shape)).sum(), leaves
            )
        )
    assert (pictures[0] - pictures[1]).abs().max() < 1e-4
    for name, ours, theirs in zip(("means", "quats", "scales", "opacities", "colors"), *gradients):
        assert (ours - theirs).abs().max() < 1e-3 * theirs.abs().max(), name


def test_every_line_has_a_meaning_and_the_record_holds_them(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "HERE", tmp_path)
    monkeypatch.setattr(
        bench, "LINES", {"ratio_20k_256_3": 31.2, "step_ms_mesh": 99.0, "exponent_pixels": 0.4}
    )
    bench.record("a machine")
    text = (tmp_path / "results.md").read_text()
    assert "| `ratio_20k_256_3` | 31.2 | how many times faster |" in text and "a machine" in text
    committed = (Path(bench.__file__).parent / "results.json").read_text()
    keys = [k for k in __import__("json").loads(committed) if k not in ("machine", "date")]
    assert keys and all(any(k.startswith(start) for start in bench.MEANING) for k in keys)


def test_budget_names_the_parts_of_a_step():
    event = lambda key, us: type("Event", (), {"key": key, "self_cpu_time_total": us})
    parts = budget.rows(
        2, [event("aten::mm", 4000), event("_Rasterize", 2000), event("aten::add", 500)]
    )
    assert parts["matrix products (the nets)"] == 2 and parts["Gaussian rasteriser, forward"] == 1
    assert parts["element-wise and the rest"] == 0.25
