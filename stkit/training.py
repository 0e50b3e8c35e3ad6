"""One loop for every optimisation: progress, checkpoints, and going on after an interruption.

A checkpoint is written with torch.save and read with weights_only=True, so nothing in it can run code.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

CHECKPOINT_SECONDS = 20.0


def run_steps(
    steps: int,
    step: Callable[[int], dict[str, float]],
    state: dict[str, object],
    checkpoint: Path | None = None,
    before: Callable[[int], None] = lambda k: None,
    progress=lambda x, **k: x,
    title: str = "",
) -> dict[str, list[float]]:
    """Call step(k) for k in 0..steps-1 and collect what it returns, saving `state` every 20 s and going on from there.

    ^C is heeded between two steps, after `state` was saved, so that nothing is lost; a second ^C is heeded at once.
    `state` maps names to objects with state_dict/load_state_dict, or to torch.Generators. `before(k)` runs before step k,
    and once right after a checkpoint is read. The checkpoint is removed by the caller once the result is written.
    """
    history: dict[str, list[float]] = {}
    start = 0
    if checkpoint is not None and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["steps"] == steps and saved["state"].keys() == state.keys():
            start, history = saved["step"], saved["history"]
            for name, value in saved["state"].items():
                target = state[name]
                target.set_state(value) if isinstance(
                    target, torch.Generator
                ) else target.load_state_dict(value)
            print(f"going on from step {start} of {steps} ({checkpoint.name})")
    if (
        not torch.cuda.is_available()
    ):  # torch's CPU indexing adds atomically otherwise: other bits each run
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False
    one_thread_for_torch()
    last = time.monotonic()
    bar = progress(range(start, steps), desc=title, initial=start, total=steps)
    with interrupts_noted() as pressed:
        for k in bar:
            before(k)
            for name, value in step(k).items():
                history.setdefault(name, []).append(float(value))
            if hasattr(bar, "set_postfix") and k % 10 == 0 and "loss" in history:
                bar.set_postfix(loss=f"{history['loss'][-1]:.4f}", refresh=False)
            if checkpoint is not None and (pressed or time.monotonic() - last > CHECKPOINT_SECONDS):
                _save(checkpoint, k + 1, steps, state, history)
                last = time.monotonic()
            if pressed:
                raise KeyboardInterrupt
    return history


@contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """Gives a list that the first ^C is written into; a second one raises KeyboardInterrupt as usual.

    Raised in the midst of a step, KeyboardInterrupt can be lost: Python drops what is raised while compiled code calls
    back, as LLVM does when numba compiles. Where ^C is somebody else's (another thread, another handler) it stays so.
    """
    pressed: list[int] = []
    usual = signal.getsignal(signal.SIGINT)
    if (
        usual is not signal.default_int_handler
        or threading.current_thread() is not threading.main_thread()
    ):
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
    batch: int, sample: Callable[[], tuple[Tensor, dict[str, Tensor | float]]]
) -> dict[str, float]:
    """Gradients of the mean loss of `batch` samples, one after another in the memory of one; the means of their values.

    sample() gives a loss to differentiate and named values for the history.
    """
    means: dict[str, float] = {}
    for _ in range(batch):
        loss, values = sample()
        (loss / batch).backward()
        for name, value in values.items():
            means[name] = (
                means.get(name, 0.0)
                + float(value.detach() if isinstance(value, Tensor) else value) / batch
            )
    return means


def one_thread_for_torch() -> None:
    """On one or two cores torch's own threads cost more in waking up than they save, beside those of the kernels.

    `OMP_NUM_THREADS` in the environment overrules this.
    """
    if "OMP_NUM_THREADS" not in os.environ and len(os.sched_getaffinity(0)) <= 2:
        torch.set_num_threads(1)


def _save(path: Path, step: int, steps: int, state: dict, history: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {
        n: o.get_state() if isinstance(o, torch.Generator) else o.state_dict()
        for n, o in state.items()
    }
    temporary = path.with_suffix(".tmp")
    torch.save({"step": step, "steps": steps, "state": values, "history": history}, temporary)
    temporary.replace(path)


def cosine(k: int, steps: int, floor: float = 0.1) -> float:
    """Learning-rate factor at step k: 1 at the start, `floor` at the end."""
    import math

    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(k / max(steps, 1), 1)))
