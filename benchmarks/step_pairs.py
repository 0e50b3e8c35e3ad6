"""Is a training step slower than in another checkout? `python benchmarks/step_pairs.py OTHER`.

Both codes run side by side in processes of their own and take turns, so other load on the machine
meets both. Prints, for each stage, the median of the ratio of this checkout's step to the other's
over the pairs, with a bootstrap interval, and writes it to benchmarks/step_pairs.md.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
STEPS = 9  # of each stage in a turn; the first three are not timed
WORKER = """
import itertools, json, sys
root = sys.argv[1]
sys.path[:0] = [root, root + "/benchmarks"]
import stkit
assert stkit.__file__.startswith(root), f"{stkit.__file__} is not of {root}"
try:
    from stages import Clock, Stages
    stages = lambda: Stages().in_order()
except ImportError:  # version 0.2.0
    from bench import Clock, stage_loops as stages
out, sys.stdout = sys.stdout, sys.stderr
for turn in sys.stdin:
    times = {}
    for name, run in stages().items():
        clock = Clock()
        run(lambda items, **_: clock(itertools.islice(items, int(turn))))
        times[name] = clock.median()
    print(json.dumps(times), file=out, flush=True)
"""


def worker(root: Path) -> subprocess.Popen:
    """A process that runs a checkout's stages whenever it reads a number of steps."""
    command = [sys.executable, "-W", "ignore", "-c", WORKER, str(root)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes)


def turn(process: subprocess.Popen) -> dict[str, float]:
    """Milliseconds of a step of each stage."""
    process.stdin.write(f"{STEPS}\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args[-1]}: its stages do not run; is it a checkout of stkit?")
    return json.loads(line)


def interval(ratios: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the median."""
    drawn = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    return tuple(np.percentile(np.median(drawn, axis=1), [2.5, 97.5]))


def table(rows: list[dict[str, dict[str, float]]]) -> str:
    """Markdown: medians, and the ratio with its interval."""
    lines = ["| stage | other, ms | this, ms | this / other | 95 % |", "|---|---|---|---|---|"]
    for stage in rows[0]["this"]:
        this, other = (np.array([row[side][stage] for row in rows]) for side in ("this", "other"))
        low, high = interval(this / other)
        lines.append(
            f"| {stage} | {np.median(other):.1f} | {np.median(this):.1f} "
            f"| {np.median(this / other):.3f} | {low:.3f} to {high:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, help="folder of the other checkout")
    parser.add_argument("--pairs", type=int, default=20)
    arguments = parser.parse_args()
    sides = {"other": worker(arguments.other.resolve()), "this": worker(HERE.parent)}
    for process in sides.values():
        turn(process)  # compiles and loads what the first turn needs
    rows = []
    for k in range(arguments.pairs):
        order = list(sides) if k % 2 else list(sides)[::-1]
        rows.append({side: turn(sides[side]) for side in order})
    for process in sides.values():
        process.stdin.close()
    found = table(rows)
    commits = [
        subprocess.check_output(
            ["git", "-C", str(root), "log", "-1", "--format=%h"], text=True
        ).strip()
        for root in (HERE.parent, arguments.other)
    ]
    title = f"A training step at commit {commits[0]} against {commits[1]}, {len(rows)} pairs."
    (HERE / "step_pairs.md").write_text(f"{title}\n\n{found}\n", encoding="utf-8")
    print(f"{title}\n\n{found}")


if __name__ == "__main__":
    main()
