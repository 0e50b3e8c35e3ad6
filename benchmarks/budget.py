"""`make budget`: where a training step's time goes, stage by stage, written to benchmarks/budget.md."""

import re
from datetime import date
from pathlib import Path

import bench
from torch.profiler import ProfilerActivity, profile

import stkit  # noqa: F401, I001  (before torch: it sets OMP_WAIT_POLICY)

PARTS = (
    (
        "matrix products (the nets)",
        r"aten::(mm|addmm|bmm|addbmm|linear|mv|addmv)$|mkldnn::_linear|_Chain",
    ),
    ("Gaussian rasteriser, forward", r"_Rasterize$"),
    ("Gaussian rasteriser, backward", r"_RasterizeBackward$"),
    ("mesh renderer, both ways", r"_Mesh\w*$|_Render\w*$"),
    ("SSIM with its gradient", r"_Ssim\w*$"),
    (
        "activations and encodings",
        r"aten::(leaky_relu|leaky_relu_backward|sin|cos|tanh|tanh_backward|sigmoid|sigmoid_backward)$",
    ),
    (
        "gather and scatter",
        r"aten::(index|index_select|index_add_?|_index_put_impl_|scatter_add_|nonzero|index_copy_?)$",
    ),
    ("Adam", r"Optimizer.step|aten::(addcdiv_|addcmul_|lerp_|sqrt|_foreach\w*)$"),
)


class Recorder:
    """Profiles each loop from its third step on, one entry a loop."""

    def __init__(self):
        self.loops: list[tuple[int, list]] = []

    def __call__(self, items, **_):
        items = list(items)
        yield from items[:2]
        with profile(activities=[ProfilerActivity.CPU]) as recorded:
            yield from items[2:]
        self.loops.append((len(items) - 2, recorded.key_averages()))


def rows(steps: int, events) -> dict[str, float]:
    """Milliseconds a step, by part; what no pattern names is 'element-wise and the rest'."""
    out = dict.fromkeys([name for name, _ in PARTS] + ["element-wise and the rest"], 0.0)
    for event in events:
        part = next(
            (name for name, pattern in PARTS if re.search(pattern, event.key)),
            "element-wise and the rest",
        )
        out[part] += event.self_cpu_time_total / 1e3 / steps
    return out


def main() -> None:
    stages = {}
    for name, loop in bench.stage_loops().items():
        recorder = Recorder()
        loop(recorder)
        steps, events = max(recorder.loops, key=lambda x: x[0])
        stages[name] = rows(steps, events)
    table = ["| ms a step | " + " | ".join(stages) + " |", "|---|" + "---|" * len(stages)]
    for part in next(iter(stages.values())):
        if any(s[part] >= 0.05 for s in stages.values()):
            table.append(
                f"| {part} | " + " | ".join(f"{s[part]:.1f}" for s in stages.values()) + " |"
            )
    table.append("| all | " + " | ".join(f"{sum(s.values()):.1f}" for s in stages.values()) + " |")
    head = [
        "# Where a step's time goes",
        "",
        f"Written by `make budget` on {date.today()}: {bench.machine()}. Laptop profile, 256 px, about 20,000 Gaussians.",
        "The profiler itself slows small operations; `make bench` has the undisturbed times. Threads that wait are counted once.",
        "",
    ]
    text = "\n".join([*head, *table, ""])
    Path(__file__).with_name("budget.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
