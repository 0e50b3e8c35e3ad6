"""Editing methods: each one's characteristic property, on the small synthetic head."""

import copy

import numpy as np
import pytest
import torch
from small_pipelines import write_tiny_clip

from stkit.assets import expected_path
from stkit.diffusion.editors import get_editor
from stkit.editing import generations, methods
from stkit.editing.loop import edit_head
from stkit.editing.region import region_mask, trace_region
from stkit.editing.settings import EditSettings
from stkit.editing.shots import make_shots, shot_landmarks
from stkit.studies.edit_methods import methods_table
from stkit.studies.edit_scores import (
    COLUMNS,
    Performance,
    edit_scores,
    expression_kept,
    perform,
    text_scores,
)


class Recorder:
    """The paint editor, with a record of the strength and the text guidance of every call."""

    name, stand_in, wants_depth = "recorder", "the paint editor", False

    def __init__(self):
        self.calls, self.paint = [], get_editor("paint")

    def check(self, prompt):
        self.paint.check(prompt)

    def edit(self, image, prompt, b, condition, generator, landmarks=None, text_guidance=1.0):
        self.calls.append((b, 7.5 * text_guidance))
        return self.paint.edit(image, prompt, b, condition, generator, landmarks)


def run(gaussians, mesh, method, steps=24, editor=None, **changes):
    editor = editor or Recorder()
    settings = EditSettings(
        "turn him into a clown",
        method=method,
        steps=steps,
        frames=3,
        edit_every=4,
        refresh_every=12,
        **changes,
    )
    done = edit_head(gaussians, mesh[1], None, editor, settings, mesh[1].split()[0])
    return done.head, done.shots, done.log, editor


@pytest.mark.parametrize("name", list(methods.METHODS))
def test_every_method_edits_a_head(gaussians, mesh, name):
    head, _, log, _ = run(
        gaussians, mesh, name, editor=get_editor("tiny") if methods.METHODS[name].together else None
    )
    assert log and all(torch.isfinite(p).all() for p in head.parameters())
    before, after = (h.render_frame(mesh[1], mesh[1].neutral) for h in (gaussians, head))
    assert (before - after).abs().mean() > 1e-4


def test_strengths_are_the_methods(gaussians, mesh):
    assert {b for b, _ in run(gaussians, mesh, "E1")[3].calls} == {0.8}
    assert {b for b, _ in run(gaussians, mesh, "E2")[3].calls} == {0.2}
    assert all(0.70 <= b <= 0.98 and s == 12.5 for b, s in run(gaussians, mesh, "igs2gs")[3].calls)
    editor = run(gaussians, mesh, "in2n")[3]
    assert {s for _, s in editor.calls} == {7.5} and len({b for b, _ in editor.calls}) > 2


def test_sets_are_edited_when_the_method_says(gaussians, mesh):
    def steps(name):
        return [entry["step"] for entry in run(gaussians, mesh, name)[2]]

    thrice = [0] * 3 + [8] * 3 + [16] * 3
    assert steps("igs2gs") == thrice, "the whole set, three times, nothing in between"
    assert steps("in2n") == [0, 4, 8, 12, 16, 20], "one at a time, from the start"
    assert steps("ours") == [0] * 3 + [4, 8] + [12] * 3 + [16, 20], "both"
    often = steps("gaussian-editor")
    assert often == [0, 2, 4, 6, 8, 10, 12, 14], "each shot twice, in two thirds of the run"


def test_weights_count_as_the_method_says():
    difference, w = torch.ones(2, 2, 3), torch.full((2, 2, 1), 0.75)

    def value(name, b):
        return float(methods.METHODS[name].weigh(difference, w, b, 0.5).mean())

    assert (value("ours", 0.6), value("ours", 0.4)) == (0.75, 0.25)
    assert (value("E4", 0.6), value("E4", 0.4)) == (0.75, 0.75)
    assert (value("E1", 0.8), value("E3", 0.1), value("in2n", 0.5)) == (1, 1, 1)


def test_gaussian_editor_leaves_the_rest_bit_equal(gaussians, mesh):
    capture = mesh[1]
    shots = make_shots(capture, None, capture.split()[0], 3)
    masks = [region_mask(s.original, shot_landmarks(gaussians, s), "face") for s in shots]
    traced = trace_region(gaussians, shots, masks)
    assert 0.05 < traced.float().mean() < 0.7
    assert gaussians.follow_logits.sigmoid()[traced].mean() > 0.9, (
        "a face is on the head, not on the chest"
    )
    head = run(gaussians, mesh, "gaussian-editor")[0]
    for name in ("feature", "xyz", "log_scales", "opacity_logits"):
        before, after = getattr(gaussians, name), getattr(head, name)
        assert torch.equal(before[~traced], after[~traced]) and not torch.equal(
            before[traced], after[traced]
        ), name
    for part in ("color", "attributes", "deformation"):
        assert all(
            torch.equal(a, b)
            for a, b in zip(getattr(gaussians, part).parameters(), getattr(head, part).parameters())
        )


def test_a_region_may_be_any_function_of_the_picture(gaussians, mesh):
    def left(image, landmarks):
        return (
            (torch.arange(image.shape[1]) < image.shape[1] / 2)
            .float()
            .expand(image.shape[0], -1)[..., None]
        )

    head = run(gaussians, mesh, "gaussian-editor", region=left)[0]
    moved = (head.feature != gaussians.feature).any(1)
    assert moved.any() and gaussians.xyz[moved, 0].mean() < gaussians.xyz[~moved, 0].mean() - 0.3


def test_an_anchor_holds_the_attributes(gaussians, mesh, monkeypatch):
    from dataclasses import replace

    moved = []
    for weight in (0.0, 50.0):
        monkeypatch.setitem(
            methods.METHODS,
            "gaussian-editor",
            replace(methods.METHODS["gaussian-editor"], anchor=weight),
        )
        head = run(gaussians, mesh, "gaussian-editor", steps=40)[0]
        moved.append((head.feature - gaussians.feature).abs().mean().item())
    assert moved[1] < 0.7 * moved[0]


def test_gaussian_editor_splits_where_it_is_pulled_and_goes_on_from_a_checkpoint(
    gaussians, mesh, monkeypatch, tmp_path
):
    from dataclasses import replace

    from stkit import training

    monkeypatch.setitem(
        methods.METHODS, "gaussian-editor", replace(methods.METHODS["gaussian-editor"], densify=8)
    )
    whole = run(gaussians, mesh, "gaussian-editor", steps=20)[0]
    n = len(gaussians.xyz)
    assert n < len(whole.xyz) <= n + 2 * (n // 100 + 1)
    assert all(len(getattr(whole, name)) == len(whole.xyz) for name in generations.POINTS) and len(
        whole.share
    ) == len(whole.xyz)

    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    settings = EditSettings(
        "turn him into a clown",
        method="gaussian-editor",
        steps=20,
        frames=3,
        edit_every=4,
        refresh_every=12,
    )

    def interrupted(steps, **_):
        for k in steps:
            if k == 11:
                raise KeyboardInterrupt
            yield k

    with pytest.raises(KeyboardInterrupt):
        edit_head(
            copy.deepcopy(gaussians),
            mesh[1],
            None,
            Recorder(),
            settings,
            mesh[1].split()[0],
            tmp_path / "c.pt",
            interrupted,
        )
    head = edit_head(
        gaussians, mesh[1], None, Recorder(), settings, mesh[1].split()[0], tmp_path / "c.pt"
    ).head
    for name in generations.POINTS:
        assert torch.equal(getattr(head, name), getattr(whole, name)), name


def test_a_split_keeps_the_middle_and_ages_the_rest(gaussians):
    head = copy.deepcopy(gaussians)
    optimiser = torch.optim.Adam([head.xyz, head.log_scales], lr=1e-4)
    region = torch.zeros(len(head.xyz), dtype=torch.bool)
    region[:300] = True
    with torch.no_grad():
        head.opacity_logits[5] = -8.0
    g = generations.Generations(head, optimiser, region)
    (head.xyz.sum() + head.log_scales.sum()).backward()
    head.xyz.grad[7] *= 100
    before, scale = head.xyz[7].clone(), head.log_scales[7].clone()
    g.mask_gradients()
    assert not head.xyz.grad[300:].any() and head.xyz.grad[:300].any()
    optimiser.step()
    n = g.densify(torch.Generator().manual_seed(0))
    assert n == len(gaussians.xyz) - 1 + 3, (
        "the faint one is gone, the most pulled 1 % of the region are two each"
    )
    parent, child = (
        6,
        int(torch.nonzero((head.log_scales[-3:] - head.log_scales[6]).abs().sum(1) < 1e-6)[0])
        + n
        - 3,
    )
    assert torch.allclose((head.xyz[parent] + head.xyz[child]) / 2, before - 1e-4, atol=1e-6)
    assert torch.allclose(head.log_scales[parent], scale - 1e-4 - np.log(1.6), atol=1e-5)
    assert g.age[-3:].eq(0).all() and g.age[:-3].eq(1).all() and g.region[-3:].all()
    assert optimiser.state[head.xyz]["exp_avg"].shape == head.xyz.shape and not g.loss()
    with torch.no_grad():
        head.xyz[10] += 0.1
        old = float(g.loss())
        g.age[10] = 4
        assert float(g.loss()) == pytest.approx(1.3**3 * old, rel=1e-4)


def test_expression_is_kept_by_the_same_clip_and_lost_by_another(gaussians, mesh):
    capture, frames = mesh[1], list(range(10))
    there, back = (perform(gaussians, capture, f) for f in (frames, frames[::-1]))
    assert expression_kept(there, there) == pytest.approx(1, abs=1e-4)
    assert expression_kept(there, back) < 0.8
    nobody = Performance(
        there.pictures, there.points, torch.zeros(0, 64), torch.zeros(10, dtype=torch.bool)
    )
    assert expression_kept(there, nobody) is None


def test_what_cannot_be_is_refused(gaussians, mesh):
    with pytest.raises(ValueError, match="method 'E9' is not one of ours, E1"):
        run(gaussians, mesh, "E9")
    with pytest.raises(ValueError, match="take mode 'pixel'"):
        run(gaussians, mesh, "E1", mode="grad")
    with pytest.raises(ValueError, match="region 'nose tip' is not one of"):
        run(gaussians, mesh, "gaussian-editor", region="nose tip")


def test_an_edit_has_its_numbers(gaussians, mesh, monkeypatch, tmp_path):
    monkeypatch.setenv("STKIT_ASSETS", str(tmp_path))
    prompt, edited, capture = "turn him into a clown", run(gaussians, mesh, "ours")[0], mesh[1]
    before = perform(gaussians, capture, capture.split()[1])
    found = edit_scores(gaussians, edited, capture, before, prompt)
    assert found["clip_s"] is None, "no CLIP here"
    write_tiny_clip(expected_path("clip_vit_l14"))
    after = perform(edited, capture, capture.split()[1])
    scored = text_scores(before, after, prompt)
    assert all(-1 <= scored[name] <= 1 for name in ("clip_s", "clip_ds"))
    assert set(found) == set(COLUMNS) and found["inside"] > found["outside"] > 0
    assert found["sface"] is None, "no weights here"
    assert 0 < found["identity"] < 1.5, "dlib's comes with the lock"
    table = methods_table({"ours": [found, found], "E2": [found]})
    assert "| ours: strong edits" in table and "±" in table and "SFace" not in table


def test_gaussctrls_views_agree_more_than_in2ns_first_edits(gaussians, mesh):
    """Of the same frames and prompt, edits made together differ less than those made one by one."""
    capture, editor = mesh[1], get_editor("tiny")
    shots = make_shots(capture, None, capture.split()[0], 4)
    with torch.no_grad():
        renders = [gaussians.render(s.camera, s.frame)[0].clamp(0, 1) for s in shots]
    generator, originals = torch.Generator().manual_seed(0), [s.original for s in shots]

    def change(pictures):
        return torch.stack([(p - r).mean((0, 1)) for p, r in zip(pictures, renders)])

    def disagreement(pictures):
        return float(change(pictures).std(0).mean() / change(pictures).mean(0).abs().mean())

    alone, together = [], []
    for prompt in ("turn him into a bronze statue", "turn him into a zombie"):
        one_by_one = [
            editor.edit(r, prompt, 0.98, o, generator) for r, o in zip(renders, originals)
        ]
        alone.append(disagreement(one_by_one))
        edited = editor.edit_together(renders, prompt, originals, generator)
        assert change(edited).abs().mean() > 0.005
        together.append(disagreement(edited))
    assert sum(together) < 0.8 * sum(alone), (together, alone)


def test_gaussctrl_asks_for_a_diffusion_editor(gaussians, mesh):
    with pytest.raises(ValueError, match="--editor tiny"):
        run(gaussians, mesh, "gaussctrl")
