"""`make budget`: where a training step's time goes, stage by stage, into benchmarks/budget.md."""

import stkit  # noqa: F401, I001  (before torch: it sets OMP_WAIT_POLICY)

import re
from datetime import date
from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from records import machine
from stages import Stages

SETTLING = 2  # steps of a loop that are not profiled
LEAST = 0.05  # ms a step: a part that takes less in every stage has no row
REST = "element-wise and the rest"
# parts of a step, by the names of the operations they consist of
PARTS = {
    "matrix products (the nets)": (
        r"aten::(mm|addmm|bmm|addbmm|linear|mv|addmv)$|mkldnn::_linear|_Chain"
    ),
    "Gaussian rasteriser, forward": r"_Rasterize$",
    "Gaussian rasteriser, backward": r"_RasterizeBackward$",
    "mesh renderer, both ways": r"_Mesh\w*$|_Render\w*$",
    "SSIM with its gradient": r"_Ssim\w*$",
    "activations and encodings": (
        r"aten::(leaky_relu|leaky_relu_backward|sin|cos|tanh|tanh_backward|sigmoid|sigmoid_backward)$"
    ),
    "gather and scatter": (
        r"aten::(index|index_select|index_add_?|_index_put_impl_|scatter_add_|nonzero|index_copy_?)$"
    ),
    "Adam": r"Optimizer.step|aten::(addcdiv_|addcmul_|lerp_|sqrt|_foreach\w*)$",
}


class Recorder:
    """A progress bar that profiles each loop from its third step on, one entry a loop."""

    def __init__(self):
        self.loops: list[tuple[int, list]] = []

    def __call__(self, items, **_):
        """The items, while a profiler records what happens between them."""
        items = list(items)
        yield from items[:SETTLING]
        with profile(activities=[ProfilerActivity.CPU]) as recorded:
            yield from items[SETTLING:]
        self.loops.append((len(items) - SETTLING, recorded.key_averages()))


def rows(steps: int, events) -> dict[str, float]:
    """Milliseconds a step, by part; what no pattern names is REST."""
    out = dict.fromkeys([*PARTS, REST], 0.0)
    for event in events:
        out[part_of(event.key)] += event.self_cpu_time_total / 1e3 / steps
    return out


def part_of(operation: str) -> str:
    """The part of PARTS that an operation belongs to, or REST."""
    for name, pattern in PARTS.items():
        if re.search(pattern, operation):
            return name
    return REST


def table(stages: dict[str, dict[str, float]]) -> list[str]:
    """Lines of a Markdown table: parts down, stages across."""
    lines = [_row("ms a step", stages), "|---|" + "---|" * len(stages)]
    for part in (*PARTS, REST):
        times = [stage[part] for stage in stages.values()]
        if max(times) >= LEAST:
            lines.append(_row(part, (f"{ms:.1f}" for ms in times)))
    lines.append(_row("all", (f"{sum(stage.values()):.1f}" for stage in stages.values())))
    return lines


def _row(first: str, cells) -> str:
    return f"| {first} | " + " | ".join(cells) + " |"


def main() -> None:
    stages = {}
    for name, run in Stages().in_order().items():
        recorder = Recorder()
        run(recorder)
        steps, events = max(recorder.loops, key=lambda loop: loop[0])
        stages[name] = rows(steps, events)
    text = [
        "# Where a step's time goes",
        "",
        f"Written by `make budget` on {date.today()}: {machine()}. Laptop profile, 256 px, about "
        "20,000 Gaussians.",
        "The profiler itself slows small operations; `make bench` has the undisturbed times. "
        "Threads that wait are counted once.",
        "",
        *table(stages),
        "",
    ]
    Path(__file__).with_name("budget.md").write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
