"""What sweeps cost, and what breaks first at 100,000 runs: `python -m stkit.studies.sweeps.scale`.

Three measurements: what a task costs beside its own work, alone and with a notebook; two workers
against one; and the real ledger on 200 workers within this process whose tasks only sleep. From
them follows what 100,000 runs on 1,000 workers need.
"""

import argparse
import json
import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import dask
import nbformat
from dask.distributed import Client, LocalCluster, wait

from stkit.io.tensors import write_json, write_text
from stkit.runs.edits import measured_edit
from stkit.runs.folders import STORE, runs_root
from stkit.runs.machine import circumstances, machine
from stkit.studies.sweeps.engine import SETTINGS, local_cluster, run_tasks
from stkit.studies.sweeps.ledger import DONE, Ledger
from stkit.studies.sweeps.plan import make_plan
from stkit.studies.sweeps.spec import SweepSpec
from stkit.studies.sweeps.targets import EditTarget
from stkit.studies.sweeps.work import Task, run_task

EDITS = 24  # of the measurement of two workers against one
SLEEPERS = 200  # workers of the simulation
TRIALS = ((5.0, 800), (2.0, 1600), (1.0, 2000), (0.5, 3000), (0.1, 4000))  # seconds, tasks
WANTED = (100_000, 1_000)  # runs and workers that the page computes
FIXED: dict[str, object] = {"steps": 40, "frames": 2}


@contextmanager
def own_runs():
    """A runs folder of its own, so that nothing is found that was made before."""
    before = os.environ.get("STKIT_RUNS")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STKIT_RUNS"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("STKIT_RUNS")
            if before:
                os.environ["STKIT_RUNS"] = before


def edit_overhead(count: int = 5) -> dict[str, float]:
    """Seconds of an edit alone, and of the same edit as a task with its row (means of `count`)."""
    with own_runs():
        plan = make_plan(SweepSpec("a", values={"alpha": _alphas(2 * count)}, fixed=FIXED))
        plan.begin()
        run_task(plan.tasks[0], str(plan.ledger.folder), "warm")
        alone = task = 0.0
        for k in range(1, count):
            start = time.monotonic()
            measured_edit("mara", *EditTarget("mara").settings(plan.tasks[k].setting))
            alone += time.monotonic() - start
            start = time.monotonic()
            run_task(plan.tasks[count + k], str(plan.ledger.folder), "s")
            task += time.monotonic() - start
    return {"edit_alone": alone / (count - 1), "edit_task": task / (count - 1)}


def notebook_overhead(count: int = 4) -> dict[str, float]:
    """Seconds of a notebook task whose cell sleeps a second, without that second."""
    with own_runs() as folder:
        path = folder / "sleep.ipynb"
        cells = [
            nbformat.v4.new_code_cell("k: int = 0  # number", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell("import time\ntime.sleep(1)"),
        ]
        kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, path)
        plan = make_plan(SweepSpec("n", (str(path),), values={"k": list(range(count + 1))}))
        plan.begin()
        run_task(plan.tasks[0], str(plan.ledger.folder), "warm")
        start = time.monotonic()
        for task in plan.tasks[1:]:
            run_task(task, str(plan.ledger.folder), "s")
        return {"notebook_task": (time.monotonic() - start) / count - 1}


def speedup() -> dict[str, float]:
    """Seconds of the same edits on one worker and on two.

    Each worker has done one edit before: the cluster's start, and the code and models that a
    worker loads once, count in neither.
    """
    found = {}
    for workers in (1, 2):
        with own_runs(), local_cluster(workers) as client:
            alphas = _alphas(EDITS + workers)
            plan = make_plan(SweepSpec("s", values={"alpha": alphas}, fixed=FIXED))
            plan.begin()
            _first_edits(plan.tasks[EDITS:], plan.ledger, client)
            start = time.monotonic()
            run_tasks(plan.tasks[:EDITS], plan.ledger, client)
            found[f"seconds_{workers}"] = time.monotonic() - start
    return found | {"speedup": found["seconds_1"] / found["seconds_2"]}


def _first_edits(tasks: list[Task], ledger: Ledger, client: Client) -> None:
    """One edit by each worker."""
    addresses = client.scheduler_info(n_workers=-1)["workers"]
    folder = str(ledger.folder)
    pairs = zip(tasks, addresses, strict=True)
    wait([client.submit(run_task, t, folder, "first", workers=[a], pure=False) for t, a in pairs])


def _alphas(count: int) -> list[float]:
    return [1 + k / 128 for k in range(count)]


def traffic() -> dict[str, float]:
    """Bytes and files that one edit leaves in the store and in the sweep's folder."""
    with own_runs():
        plan = make_plan(SweepSpec("t", values={"alpha": [5]}, fixed=FIXED))
        plan.begin()
        run_task(plan.tasks[0], str(plan.ledger.folder), "s")
        folders = [runs_root() / STORE / "edit", runs_root() / STORE / "edit-scores"]
        files = [f for folder in (*folders, plan.ledger.folder / "rows") for f in folder.rglob("*")]
        sizes = [f.stat().st_size for f in files if f.is_file()]
    return {"bytes": float(sum(sizes)), "files": float(len(sizes))}


def sleep_task(number: int, seconds: float, folder: str) -> None:
    """A task that sleeps instead of editing, with all that a real one writes."""
    ledger, key = Ledger(Path(folder)), f"{number:020}"
    ledger.attempt(key, "s")
    time.sleep(seconds)
    ledger.write_row(key, {"key": key, "status": DONE, "number": number})
    ledger.settled(key)


def simulate(seconds: float, count: int) -> dict[str, float]:
    """`count` sleeping tasks on 200 workers: what it took, and what it would take without any
    cost.
    """
    quiet = {"distributed.admin.tick.limit": "1h"}
    with (
        own_runs() as folder,
        dask.config.set(SETTINGS | quiet),
        LocalCluster(
            n_workers=SLEEPERS, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        start = time.monotonic()
        futures = client.map(sleep_task, range(count), seconds=seconds, folder=str(folder))
        wait(futures)
        took = time.monotonic() - start
        rows = len(list((folder / "rows").iterdir()))
    ideal = seconds * count / SLEEPERS
    return {
        "seconds": seconds,
        "tasks": count,
        "rows": rows,
        "took": took,
        "ideal": ideal,
        "tasks_per_second": count / took,
        "busy": ideal / took,
    }


def measure() -> dict:
    """All measurements of this machine."""
    found = edit_overhead() | notebook_overhead() | speedup() | traffic()
    runs = [simulate(seconds, count) for seconds, count in TRIALS]
    return {"numbers": found, "simulations": runs, "machine": machine(), **circumstances()}


def page(found: dict) -> str:
    """docs/guide/at-scale.md from a record."""
    n, sims = found["numbers"], found["simulations"]
    runs, workers = WANTED
    rate = max(s["tasks_per_second"] for s in sims)
    rows = [
        f"| {s['seconds']:g} | {s['tasks']} | {s['ideal']:.1f} | {s['took']:.1f} | "
        f"{s['tasks_per_second']:.0f} | {100 * s['busy']:.0f} % |"
        for s in sims
    ]
    template = (Path(__file__).parent / "at_scale.md").read_text(encoding="utf-8")
    return template.format(
        machine=found["machine"],
        code=found["code"],
        date=found["finished"][:10],
        rows="\n".join(rows),
        runs=f"{runs:,}",
        workers=f"{workers:,}",
        rate=rate,
        needed=workers / n["edit_task"],
        shortest=workers / rate,
        gigabytes=runs * n["bytes"] / 1e9,
        megabytes=n["bytes"] / 1e6,
        million=runs * n["files"] / 1e6,
        hours=runs * n["edit_task"] / workers / 3600,
        laptop=600 * runs / workers / 3600,
        overhead=n["edit_task"] - n["edit_alone"],
        **n,
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write the record and the page where --write says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="the docs folder")
    folder = parser.parse_args(arguments).write
    found = measure()
    print(json.dumps(found, indent=1))
    if folder:
        write_json(folder / "results" / "scale.json", found)
        write_text(folder / "guide" / "at-scale.md", page(found))


if __name__ == "__main__":
    main()
