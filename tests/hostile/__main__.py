"""Damaged and hostile files against every reader, each read in a process that is watched.

python -m tests.hostile --count 1000 --write docs/results/hostile.json

A file passes where it is read, or refused with a `RequestError` that names it: within ten seconds,
with less than 1 GB above what the process had before, and with nothing in it executed.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.hostile.attacks import attacks_on
from tests.hostile.readers import READERS
from tests.hostile.watched import Watched

GOOD = ("read", "refused")


@dataclass(frozen=True)
class Try:
    """What happened: read, refused, or a fault: traceback, silent refusal, hang, memory, crash,
    executed.
    """

    reader: str
    attack: str
    outcome: str
    says: str = ""


def planned(count: int, seed: int, folder: Path) -> list[tuple[str, str, int]]:
    """Reader, attack and a number for each try: every pair once, then again with other numbers;
    fewer than there are pairs: some of them, drawn.
    """
    pairs = []
    for name, reader in READERS.items():
        here = folder / f"plan{len(pairs)}"
        here.mkdir()
        suffix_from = reader.example(here)
        pairs += [(name, attack) for attack in attacks_on(reader, suffix_from, folder / "ran")]
    draw = random.Random(seed)
    if count < len(pairs):
        return [(*pair, seed) for pair in draw.sample(pairs, count)]
    rounds = -(-count // len(pairs))
    every = [(*pair, seed + k) for k in range(rounds) for pair in pairs]
    return every[:count]


def tries(count: int, seed: int) -> Iterator[Try]:
    """Carry out so many tries."""
    with TemporaryDirectory(prefix="stkit-hostile-") as place:
        folder, watched, warm = Path(place), Watched(), set()
        marker = folder / "ran"
        for k, (name, attack, number) in enumerate(planned(count, seed, folder)):
            reader, here = READERS[name], folder / f"try{k}"
            if name not in warm:
                (folder / f"warm{k}").mkdir()
                outcome, says = watched.read(name, reader.example(folder / f"warm{k}"), True)
                if outcome != "read":
                    yield Try(name, "none", "a valid file is refused", says)
                warm.add(name)
            here.mkdir()
            path = reader.example(here)
            attacks_on(reader, path, marker)[attack](
                path, random.Random(f"{number} {name} {attack}")
            )
            outcome, says = watched.read(name, path)
            if marker.exists() or Path("ran").exists():
                outcome = "executed"
            says = says.replace(str(here), "").replace(str(folder), "")
            yield Try(name, attack, outcome, says if outcome not in GOOD else says[:120])
        watched.end()


def main() -> int:
    """Print what failed, and keep the list; exit code 1 where a reader failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="tries (default: %(default)s)")
    parser.add_argument("--hours", type=float, help="instead: for so many hours")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="keep the list in this JSON file")
    arguments = parser.parse_args()
    start, done, seed = time.monotonic(), [], arguments.seed
    while True:
        for one in tries(arguments.count, seed):
            done.append(one)
            if one.outcome not in GOOD:
                print(f"{one.outcome}: {one.reader}, {one.attack}: {one.says}", flush=True)
        seed += 1000
        if time.monotonic() - start > 3600 * (arguments.hours or 0):
            break
    counts = Counter(one.outcome for one in done)
    print(f"{len(done)} files in {time.monotonic() - start:.0f} s: {dict(counts)}")
    if arguments.write:
        about = {"command": "python -m tests.hostile", "count": len(done), "seed": arguments.seed}
        record = about | {"outcomes": dict(counts), "tries": [asdict(one) for one in done]}
        arguments.write.write_text(json.dumps(record, indent=0) + "\n")
    return 0 if set(counts) <= set(GOOD) else 1


if __name__ == "__main__":
    sys.exit(main())
