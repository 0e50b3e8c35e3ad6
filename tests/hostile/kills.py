"""A run is killed at random moments, started again each time, and must end as one that was not.

python -m tests.hostile.kills --count 50 --write docs/results/kills.json

Artifacts are compared byte by byte. Pictures and films are compared as they are seen, since a
signature has the time in it; run.json holds seconds and is left out.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from stkit.io.video import read_video

LIFE = (4.0, 20.0)  # seconds until a process is killed; starting takes about five of them
LONGEST = 900  # seconds that a life which nobody ends may take


def command(seed: int) -> list[str]:
    words = ["run", "synthetic", "--name", "killed", "--profile", "quick", "--seed", str(seed)]
    return [sys.executable, "-W", "ignore", "-m", "stkit.cli", *words]


def live(runs: Path, seed: int, seconds: float) -> tuple[bool, str]:
    """Let a run go on for so many seconds, then kill it: whether it was finished, and what it
    printed.
    """
    environment = os.environ | {"STKIT_RUNS": str(runs), "STKIT_QUIET": "1"}
    process = subprocess.Popen(
        command(seed),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return False, process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"a run failed by itself:\n{printed}")
    return True, printed


def content(path: Path) -> bytes:
    """What is compared of a file."""
    if path.suffix == ".png":
        return np.asarray(Image.open(path)).tobytes()
    if path.suffix == ".mp4":
        return read_video(path, 1000)[0].tobytes()
    return path.read_bytes()


def differences(ours: Path, theirs: Path) -> list[str]:
    """Files of two stores that are not the same."""

    def files(runs: Path) -> dict[str, Path]:
        return {
            str(path.relative_to(runs / ".store")): path
            for path in sorted((runs / ".store").rglob("*"))
            if path.is_file() and path.name != "run.json" and not path.name.endswith(".lock")
            if not path.name.endswith(".provenance.json")
        }

    a, b = files(ours), files(theirs)
    odd = [f"{name}: only in one" for name in sorted(set(a) ^ set(b))]
    return odd + [name for name in sorted(set(a) & set(b)) if content(a[name]) != content(b[name])]


def killed_run(seed: int, kills: int, draw: random.Random, place: Path) -> dict:
    """A run that is killed up to so many times and then left alone, against one that was not."""
    lives = []
    finished = False
    while not finished and len(lives) < kills:
        seconds = draw.uniform(*LIFE)
        finished, _ = live(place / "killed", seed, seconds)
        if not finished:
            lives.append(round(seconds, 1))
    live(place / "killed", seed, LONGEST)
    live(place / "whole", seed, LONGEST)
    parts = [str(p.name) for p in (place / "killed" / ".store").rglob(".*.part")]
    return {
        "seed": seed,
        "kills": len(lives),
        "seconds_lived": lives,
        "left_unfinished": parts,
        "differences": differences(place / "killed", place / "whole"),
    }


def main() -> int:
    """Kill so many times; exit code 1 where a run ended otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50, help="kills (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    draw, runs, start = random.Random(arguments.seed), [], time.monotonic()
    while (left := arguments.count - sum(run["kills"] for run in runs)) > 0:
        with TemporaryDirectory(prefix="stkit-kills-") as place:
            runs.append(killed_run(len(runs), left, draw, Path(place)))
        print(json.dumps(runs[-1]), flush=True)
    kills = sum(run["kills"] for run in runs)
    odd = [name for run in runs for name in run["differences"] + run["left_unfinished"]]
    print(
        f"{kills} kills of {len(runs)} runs in {time.monotonic() - start:.0f} s: {len(odd)} differ"
    )
    if arguments.write:
        record = {"command": "python -m tests.hostile.kills", "kills": kills, "runs": runs}
        arguments.write.write_text(json.dumps(record, indent=1) + "\n")
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main())
