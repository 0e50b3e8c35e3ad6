import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from stkit.io.tensors import load_tensors, save_tensors
from stkit.runs.store import Stage, run_folder
from stkit.training import run_steps


def test_a_stage_that_fails_leaves_nothing_finished(tmp_path):
    stage = Stage("r", "mesh", {"steps": 3}, {})
    with pytest.raises(RuntimeError, match="lost power"), stage.making() as work:
        (work / "half.txt").write_text("half")
        raise RuntimeError("lost power")
    assert not stage.finished() and not stage.folder.exists()
    with stage.making() as work:
        assert (work / "half.txt").exists(), "unfinished work is kept to go on from"
        stage.record("a.b", 1.5)
    assert stage.finished() and json.loads((stage.folder / "results.json").read_text()) == {
        "a.b": 1.5
    }
    assert [p.name for p in stage.folder.parent.glob(".*")] == [".mesh.lock"]


def test_a_killed_stage_leaves_nothing_finished(tmp_path):
    code = (
        "import time\nfrom stkit.runs import Stage\ns = Stage('k', 'edit', {}, {})\n"
        "with s.making() as w:\n    (w / 'x').write_text('x')\n    print('in', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout.readline().strip() == b"in"
    process.kill()
    process.wait(20)
    process.stdout.close()
    stage = Stage("k", "edit", {}, {})
    assert not stage.finished() and not stage.folder.exists()


def test_two_processes_do_not_make_one_stage(tmp_path, monkeypatch):
    monkeypatch.setenv("STKIT_RUNS", str(tmp_path))
    with Stage("shared", "mesh", {"a": 1}, {}).making() as work:
        (work / "file").write_text("x")
        with (
            pytest.raises(ValueError, match="another process is making this stage"),
            Stage("shared", "mesh", {"a": 1}, {}).making(),
        ):
            pass
    again = Stage("shared", "mesh", {"a": 1}, {})
    assert again.finished() and (again.folder / "file").exists()


def test_other_parameters_or_inputs_mean_another_result(tmp_path):
    source = tmp_path / "input"
    source.write_text("1")
    first = Stage("r", "mesh", {"steps": 3}, {"capture": source})
    with first.making():
        pass
    assert Stage("r", "mesh", {"steps": 3}, {"capture": source}).finished()
    assert not Stage("r", "mesh", {"steps": 4}, {"capture": source}).finished()
    source.write_text("2")
    assert not Stage("r", "mesh", {"steps": 3}, {"capture": source}).finished()
    with pytest.raises(FileNotFoundError, match="run the stage before"):
        Stage("r", "mesh", {}, {"capture": tmp_path / "none"})


def test_run_names_are_plain():
    for bad in ("", "..", "a/b", "a b"):
        with pytest.raises(ValueError, match="run name"):
            run_folder(bad)


def test_tensor_files_say_what_they_are(tmp_path):
    save_tensors(tmp_path / "a.safetensors", {"x": torch.ones(2)}, {"mesh": {}})
    assert torch.equal(load_tensors(tmp_path / "a.safetensors", "mesh")[0]["x"], torch.ones(2))
    with pytest.raises(ValueError, match="not a gaussians"):
        load_tensors(tmp_path / "a.safetensors", "gaussians")


def test_steps_go_on_where_they_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("stkit.training.CHECKPOINT_SECONDS", 0.0)

    def train(stop=None, checkpoint=None):
        net = torch.nn.Linear(2, 1)
        with torch.no_grad():
            net.weight.fill_(0.3), net.bias.fill_(0.0)
        optimiser, gen = torch.optim.Adam(net.parameters(), 0.1), torch.Generator().manual_seed(1)

        def step(k):
            if k == stop:
                raise KeyboardInterrupt
            x = torch.randn(4, 2, generator=gen)
            loss = (net(x) - x.sum(1, keepdim=True)).square().mean()
            optimiser.zero_grad(), loss.backward(), optimiser.step()
            return {"loss": loss.item()}

        history = run_steps(10, step, {"net": net, "optimiser": optimiser, "gen": gen}, checkpoint)
        return net.weight.detach(), history

    whole, history = train()
    with pytest.raises(KeyboardInterrupt):
        train(6, tmp_path / "c.pt")
    resumed, again = train(None, tmp_path / "c.pt")
    assert torch.equal(whole, resumed) and history == again


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, ("touch " + str(tmp_path / "owned"),)

    torch.save({"steps": 1, "state": Evil()}, tmp_path / "c.pt")
    with pytest.raises(Exception, match="(?i)weights.only"):
        run_steps(1, lambda k: {}, {}, tmp_path / "c.pt")
    assert not (tmp_path / "owned").exists()


def test_interrupted_command_goes_on(tmp_path):
    """^C in the middle of the mesh stage, then the same command: the capture is reused and nothing half-made is left."""
    env = dict(os.environ, STKIT_RUNS=str(tmp_path / "runs"), PYTHONUNBUFFERED="1")
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs are started deaf to ^C
        "from dataclasses import replace; import stkit.runs.profiles as p; from stkit.runs.road import Road\n"
        "q = p.QUICK\n"
        "p.PROFILES['quick'] = replace(q, preprocess=replace(q.preprocess, size=96, max_frames=12, fit_steps=40, refine_steps=10),"
        " mesh=replace(q.mesh, steps=int(sys.argv[1]), warm_steps=2, resolution=64, coarse_cell=.3, model=replace(q.mesh.model, cell=.3)))\n"
        "road = Road('i', 'synthetic', 'quick'); road.preprocess(); print('tracked'); road.mesh(); print('meshed')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        text=True,
    )
    for line in process.stdout:
        if "mesh: running" in line:
            break
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(120)
    finally:
        process.kill()
        process.stdout.close()
    assert (
        process.returncode != 0
        and not (tmp_path / "runs/i/mesh").exists()
        and (tmp_path / "runs/i/preprocess/run.json").exists()
    )
    again = subprocess.run(
        [sys.executable, "-c", code, "3"], capture_output=True, env=env, text=True, check=True
    )
    assert "preprocess: already done" in again.stdout and "meshed" in again.stdout


def test_an_interrupt_that_compiled_code_would_swallow_is_heeded(tmp_path):
    """Python drops what is raised inside a ctypes callback; ^C pressed there ends the loop all the same, and its step is saved."""
    from ctypes import CFUNCTYPE

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    press = CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))
    net = torch.nn.Linear(1, 1)
    with pytest.raises(KeyboardInterrupt):
        run_steps(
            10,
            lambda k: press() or {"k": k} if k == 3 else {"k": k},
            {"net": net},
            tmp_path / "c.pt",
        )
    assert torch.load(tmp_path / "c.pt", weights_only=True)["step"] == 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert run_steps(10, lambda k: {"k": k}, {"net": net}, tmp_path / "c.pt")["k"] == list(
        range(10)
    )
    signal.signal(signal.SIGINT, before)


def test_accumulated_gradients_are_those_of_the_mean():
    from stkit.training import accumulate

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
