"""The baselines once more, each given as many steps as fit into the minutes that ours took."""

from stkit.runs.road import Road
from stkit.studies.ablations import run_variant
from stkit.studies.reproduce.records import Rows
from stkit.studies.reproduce.request import Request

OURS = "full"


def reconstructed_in_time(road: Road, request: Request, columns: dict[str, str]) -> Rows:
    """Every variant of the reconstruction with its own number of steps; ours keeps the profile's.

    A variant's minutes at the profile's steps, scoring included, say how many steps fit.
    """
    ours = run_variant(road, OURS).numbers["minutes"]
    steps = road.plan.gaussian_settings().steps
    rows: Rows = {}
    for column, name in columns.items():
        given = steps
        if name != OURS:
            given = max(1, round(steps * ours / run_variant(road, name).numbers["minutes"]))
        rows[column] = [{**_with_steps(road, name, given), "steps": given}]
    return rows


def _with_steps(road: Road, name: str, steps: int) -> dict[str, float]:
    """A variant's numbers after so many steps; the run keeps its own settings."""
    before = road.plan.changes
    road.plan.changes = before | {"gaussians": before.get("gaussians", {}) | {"steps": steps}}
    try:
        return run_variant(road, name).numbers
    finally:
        road.plan.changes = before
