"""Optimisation that can be interrupted: checkpoints, ^C, arithmetic that is the same every time."""

import json
import os
import signal
import struct

import pytest
import torch

from stkit.io.tensors import load_tree, save_tree
from stkit.training import (
    Training,
    accumulate,
    reproducible,
    run_steps,
    save_checkpoint,
    seeded,
)


def nothing(k: int) -> dict[str, float]:
    return {"k": k}


class Line:
    """A line fitted to random points: small, with everything a checkpoint must keep."""

    def __init__(self, stop: int | None = None):
        self.stop = stop
        with seeded(3):
            self.net = torch.nn.Linear(2, 1)
        self.optimiser = torch.optim.Adam(self.net.parameters(), 0.1)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda k: 1 / (1 + k))
        self.generator = torch.Generator().manual_seed(1)

    def training(self) -> Training:
        names = ("net", "optimiser", "schedule", "generator")
        return Training("line", 10, self.step, {name: getattr(self, name) for name in names})

    def step(self, k: int) -> dict[str, float]:
        if k == self.stop:
            raise KeyboardInterrupt
        x = torch.randn(4, 2, generator=self.generator)
        loss = (self.net(x) - x.sum(1, keepdim=True)).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        return {"loss": loss.item()}


def test_steps_go_on_where_they_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("stkit.training.CHECKPOINT_SECONDS", 0.0)
    whole = Line()
    history = run_steps(whole.training())
    with pytest.raises(KeyboardInterrupt):
        run_steps(Line(6).training(), tmp_path / "c")
    resumed = Line()
    assert run_steps(resumed.training(), tmp_path / "c") == history
    assert torch.equal(whole.net.weight, resumed.net.weight)


def test_what_comes_first_comes_once(tmp_path):
    calls = []
    training = Training("t", 2, nothing, {}, first=lambda: calls.append("first"))
    run_steps(training, tmp_path / "c")
    save_checkpoint(tmp_path / "c", training, 1, {"k": [0.0]})
    assert run_steps(training, tmp_path / "c") == {"k": [0.0, 1.0]} and calls == ["first"]


def damage(kind: str, path) -> None:
    """What a disk, a person or an attacker may leave in a checkpoint's place."""
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "garbage":
        path.write_bytes(os.urandom(400))
    elif kind == "huge header":
        path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    elif kind == "wrong keys":
        save_tree(path, {"steps": 10, "state": {"other": {}}, "history": {}, "step": 3})
    elif kind == "a list":
        save_tree(path, [1, 2])
    else:
        torch.save({"steps": 10}, path)


KINDS = ("empty", "garbage", "huge header", "wrong keys", "a list", "a pickle")


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_checkpoint_is_removed_and_the_stage_starts_anew(tmp_path, capsys, kind):
    damage(kind, tmp_path / "c")
    whole, again = Line(), Line()
    assert run_steps(again.training(), tmp_path / "c") == run_steps(whole.training())
    assert torch.equal(whole.net.weight, again.net.weight)
    assert "cannot be continued" in capsys.readouterr().out and not (tmp_path / "c").exists()


def test_a_checkpoint_whose_state_does_not_fit_is_removed_with_the_remedy(tmp_path):
    line = Line()
    save_checkpoint(tmp_path / "c", line.training(), 3, {})
    other = Line()
    other.net = torch.nn.Linear(5, 1)
    with pytest.raises(ValueError, match="run the same command again"):
        run_steps(other.training(), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, ("touch " + str(tmp_path / "owned"),)

    torch.save({"steps": 10, "state": Evil()}, tmp_path / "c")
    run_steps(Line().training(), tmp_path / "c")
    assert not (tmp_path / "owned").exists()


def test_a_tree_comes_back_as_it_was(tmp_path):
    tree = {"a": [1, 2.5, None, True, "x"], 3: {"t": torch.arange(4)}, "nan": float("inf")}
    shared = torch.ones(3)
    save_tree(tmp_path / "t", tree | {"one": shared, "same": shared[:2]})
    back = load_tree(tmp_path / "t")
    assert back["a"] == tree["a"] and torch.equal(back[3]["t"], tree[3]["t"])
    assert back["nan"] == float("inf") and back["same"].tolist() == [1, 1]
    with pytest.raises(TypeError, match="cannot be saved"):
        save_tree(tmp_path / "t", {"x": object()})
    assert load_tree(tmp_path / "t")["a"] == tree["a"], "the file before stays"
    header = json.dumps({"__metadata__": {"stkit": json.dumps({"tree": {"tensor": "t9"}})}})
    (tmp_path / "t").write_bytes(struct.pack("<Q", len(header)) + header.encode())
    with pytest.raises(ValueError, match="damaged"):
        load_tree(tmp_path / "t")


def test_an_interrupt_that_compiled_code_would_swallow_is_heeded(tmp_path):
    """Python drops what is raised inside a ctypes callback; ^C pressed there ends the loop, and its
    step is saved.
    """
    from ctypes import CFUNCTYPE

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    press = CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))

    def step(k: int) -> dict[str, float]:
        if k == 3:
            press()
        return {"k": k}

    state = {"net": torch.nn.Linear(1, 1)}
    with pytest.raises(KeyboardInterrupt):
        run_steps(Training("t", 10, step, state), tmp_path / "c")
    assert load_tree(tmp_path / "c")["step"] == 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    history = run_steps(Training("t", 10, nothing, state), tmp_path / "c")
    assert history["k"] == list(range(10))
    signal.signal(signal.SIGINT, before)


def test_accumulated_gradients_are_those_of_the_mean():
    x = torch.tensor([1.0, 2.0, 4.0])
    weights = [torch.ones((), requires_grad=True) for _ in range(2)]
    parts = iter(x)

    def sample():
        loss = (weights[0] * next(parts)) ** 2
        return loss, {"loss": loss, "count": 1}

    values = accumulate(3, sample)
    ((weights[1] * x) ** 2).mean().backward()
    assert torch.allclose(weights[0].grad, weights[1].grad)
    assert values == {"loss": pytest.approx(7.0), "count": pytest.approx(1.0)}


def test_global_settings_are_restored():
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    state = torch.get_rng_state()
    with reproducible(), seeded(5):
        assert torch.are_deterministic_algorithms_enabled()
        torch.rand(3)
        torch.set_num_threads(threads + 1)
    assert torch.get_num_threads() == threads and torch.equal(state, torch.get_rng_state())
    assert torch.are_deterministic_algorithms_enabled() == strict
