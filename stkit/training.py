"""Optimisation that can be interrupted: steps, checkpoints, learning-rate schedule, reproducible
arithmetic.
"""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from stkit.errors import RequestError
from stkit.io.tensors import load_tree, save_tree

CHECKPOINT_SECONDS = 20.0  # between two checkpoints
SHOW_EVERY = 10  # steps between two losses on the progress bar


class Stateful(Protocol):
    """What a checkpoint can keep."""

    def state_dict(self) -> dict[str, Any]:
        """All that changes on the way."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> object:
        """Go on from there."""
        ...


@dataclass(frozen=True)
class Training:
    """An optimisation: step(k) for k in 0..steps-1 gives named losses; `state` is all that changes
    on the way.

    `state` maps names to objects with state_dict and load_state_dict, or to torch.Generators.
    `first()` runs before the first step, and not where a checkpoint is continued; `before(k)` runs
    before every step k.
    """

    title: str
    steps: int
    step: Callable[[int], dict[str, float]]
    state: Mapping[str, Stateful | torch.Generator]
    before: Callable[[int], None] = lambda k: None
    first: Callable[[], None] = lambda: None


def run_steps(
    training: Training, checkpoint: Path | None = None, progress=lambda x, **k: x
) -> dict[str, list[float]]:
    """Run all steps and collect what each returns, saving the state every 20 s and going on from
    there.

    ^C is heeded between two steps, after the state was saved, so that nothing is lost; a second ^C
    is heeded at once. The checkpoint is removed by the caller once the result is written.
    """
    start, history = resume(training, checkpoint)
    if start == 0:
        training.first()
    last = time.monotonic()
    steps = range(start, training.steps)
    bar = progress(steps, desc=training.title, initial=start, total=training.steps)
    with interrupts_noted() as pressed:
        for k in bar:
            training.before(k)
            for name, value in training.step(k).items():
                history.setdefault(name, []).append(float(value))
            if hasattr(bar, "set_postfix") and k % SHOW_EVERY == 0 and "loss" in history:
                bar.set_postfix(loss=f"{history['loss'][-1]:.4f}", refresh=False)
            due = pressed or time.monotonic() - last > CHECKPOINT_SECONDS
            if checkpoint is not None and due:
                save_checkpoint(checkpoint, training, k + 1, history)
                last = time.monotonic()
            if pressed:
                raise KeyboardInterrupt
    return history


def save_checkpoint(path: Path, training: Training, step: int, history: dict) -> None:
    """Write the state before step number `step`, whole or not at all; safetensors, so that reading
    it runs no code.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {
        name: x.get_state() if isinstance(x, torch.Generator) else x.state_dict()
        for name, x in training.state.items()
    }
    save_tree(path, {"step": step, "steps": training.steps, "state": values, "history": history})


def resume(training: Training, checkpoint: Path | None) -> tuple[int, dict[str, list[float]]]:
    """Load a checkpoint into the state; the step to go on from and the history so far, or (0, {})
    where there is none.

    A file that cannot be read, or is another training's, is removed with a note, and the training
    starts anew.
    """
    if checkpoint is None or not checkpoint.exists():
        return 0, {}
    try:
        saved = load_tree(checkpoint)
        if saved["steps"] != training.steps or saved["state"].keys() != training.state.keys():
            raise RequestError("it belongs to another training")
        start, history = int(saved["step"]), dict(saved["history"])
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        checkpoint.unlink()
        print(
            f"note: {checkpoint} cannot be continued ({e}); it was removed, the stage starts anew"
        )
        return 0, {}
    try:
        for name, value in saved["state"].items():
            target = training.state[name]
            if isinstance(target, torch.Generator):
                target.set_state(value)
            else:
                target.load_state_dict(value)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as e:
        checkpoint.unlink()
        raise RequestError(
            f"{checkpoint}: '{name}' in this checkpoint does not fit ({e}). The file was removed: "
            "run the same command again, and the stage starts from its beginning"
        ) from e
    print(f"going on from step {start} of {training.steps} ({checkpoint.name})")
    return start, history


@contextmanager
def reproducible() -> Iterator[None]:
    """Within this block the CPU's results do not depend on the order in which threads finish;
    restored afterwards.

    torch's CPU indexing adds atomically otherwise, which gives other bits each run. Also a
    decorator: a stage runs whole within it.
    """
    strict = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    threads = torch.get_num_threads()
    if not torch.cuda.is_available():
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False
    set_torch_threads()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.utils.deterministic.fill_uninitialized_memory = fill
        torch.set_num_threads(threads)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within this block torch's global random numbers, which new layers are filled with, start from
    a seed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """Gives a list that the first ^C is written into; a second one raises KeyboardInterrupt as
    usual.

    Raised in the midst of a step, KeyboardInterrupt can be lost: Python drops what is raised while
    compiled code calls back, as LLVM does when numba compiles. Where ^C is somebody else's (another
    thread, another handler) it stays so.
    """
    pressed: list[int] = []
    usual = signal.getsignal(signal.SIGINT)
    foreign = usual is not signal.default_int_handler
    if foreign or threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def note(number: int, frame: object) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, usual)


def accumulate(
    batch: int, sample: Callable[[], tuple[Tensor, Mapping[str, Tensor | float]]]
) -> dict[str, float]:
    """Gradients of the mean loss of `batch` samples, one after another in the memory of one; the
    means of their values.

    sample() gives a loss to differentiate and named values for the history.
    """
    means: dict[str, float] = {}
    for _ in range(batch):
        loss, values = sample()
        (loss / batch).backward()
        for name, value in values.items():
            number = float(value.detach() if isinstance(value, Tensor) else value)
            means[name] = means.get(name, 0.0) + number / batch
    return means


def core_count() -> int:
    """Cores that this process may use; where the system does not say, all of them."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_torch_threads() -> None:
    """As many threads for torch as `OMP_NUM_THREADS` says, else one for each core, but one alone on
    two cores.

    There torch's own threads cost more in waking up than they save, beside those of the kernels.
    The number is set in any case: sums over threads have other last bits for other numbers.
    """
    cores = core_count()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or (1 if cores <= 2 else cores)))


def cosine(k: int, steps: int, floor: float = 0.1) -> float:
    """Learning-rate factor at step k: 1 at the start, `floor` at the end, half a cosine between."""
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(k / max(steps, 1), 1)))


def cosine_schedule(
    optimiser: torch.optim.Optimizer, steps: int, floor: float = 0.1
) -> torch.optim.lr_scheduler.LambdaLR:
    """All learning rates of an optimiser along `cosine`; call its step() once a step."""
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: cosine(k, steps, floor))
