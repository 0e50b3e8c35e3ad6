"""What steps and rates of the Gaussian stage do to its scores: docs/results/time-to-quality.

python -m benchmarks.time_to_quality synthetic:mara clip.mp4 --profile quick --write FILE

For each film the stages before are made once, then the Gaussian stage in each variant: the
profile's own, and at the rates that were usual before (GaussianTraining's defaults). Seconds count
the stage alone; run nothing beside it.
"""

import argparse
import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from stkit.heads.fit_gaussians import GaussianTraining
from stkit.runs.profiles import SHORT_RATES, get_profile
from stkit.runs.road import Road

USUAL = {name: getattr(GaussianTraining(), name) for name in SHORT_RATES}
FORMER_STEPS = {"quick": 420, "laptop": 4000}
SCORES = ("head.psnr_heldout", "head.psnr_heldout_hair_predicted", "head.psnr_novel")


def variants(profile: str) -> dict[str, dict]:
    """Changes of the stage's settings, by what they are called."""
    own = get_profile(profile).gaussians.steps
    found: dict[str, dict] = {"the profile's": {}, f"{own} steps at the usual rates": USUAL}
    if FORMER_STEPS[profile] != own:
        found["the former steps at the usual rates"] = USUAL | {"steps": FORMER_STEPS[profile]}
    return found


def measure(source: str, profile: str) -> list[dict]:
    """A row for each variant of one film."""
    rows = []
    for name, change in variants(profile).items():
        road = Road("head", source, profile, quiet=True)
        road.mesh()
        road.views()
        start = time.monotonic()
        road.gaussians(**change)
        seconds, numbers = time.monotonic() - start, road.numbers("gaussians")
        row = {"source": Path(source).name, "profile": profile, "variant": name}
        row |= {key: round(numbers[key], 2) for key in SCORES if key in numbers}
        rows.append(row | {"seconds": round(seconds)})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure, and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", help="films, or synthetic:NAME")
    parser.add_argument("--profile", default="quick", choices=tuple(FORMER_STEPS))
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as place:
        os.environ["STKIT_RUNS"] = place
        rows = [row for source in arguments.sources for row in measure(source, arguments.profile)]
    if arguments.write:
        record = {"command": "python -m benchmarks.time_to_quality", "rows": rows}
        arguments.write.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
