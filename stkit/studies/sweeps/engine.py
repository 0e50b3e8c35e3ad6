"""Run a sweep's tasks on Dask: on this machine, on a cluster that runs already, or under Slurm.

One thread a worker: papermill changes the working directory of its process. Tasks that are
finished are recognised by their keys, so that the same command goes on where a sweep stopped.
"""

import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import psutil
import yaml
from dask.distributed import Client, LocalCluster, as_completed

from stkit.errors import RequestError
from stkit.runs.edits import base_of
from stkit.studies.sweeps.ledger import Ledger
from stkit.studies.sweeps.work import Task, run_task
from stkit.training import core_count

ANSWER_SECONDS = 20  # that a scheduler has to answer
WORKER_GB = 2.5  # that a worker is given at least
PRELOAD = "stkit.runs.edits"  # imported when a worker starts, and not in its first task
SETTINGS = {
    # Dask has workers hand freed memory back at once, and each step asks for it again: edits took
    # four tenths longer
    "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    # a task is blamed for its worker's death by our own count (`Ledger.attempt`), not by Dask's,
    # which blames every task that waited on that worker
    "distributed.scheduler.allowed-failures": 1_000,
    "distributed.scheduler.worker-saturation": 1.0,  # no task waits on a worker that works
    "distributed.worker.profile.enabled": False,  # it looks at the working thread every 10 ms
    "distributed.worker.daemon": False,  # workers start kernels
    # heads fill memory in steps; the nanny restarts a worker at the limit, nothing is spilled
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.98,
}


def local_workers() -> int:
    """How many workers this machine has cores and memory for."""
    return max(1, min(core_count(), int(psutil.virtual_memory().available / 1e9 / WORKER_GB)))


@contextmanager
def local_cluster(workers: int | None = None) -> Iterator[Client]:
    """A cluster on this machine, gone with the block.

    Each worker computes with one thread: for another number sums end in other last bits, and a
    sweep's numbers would depend on how many workers there were.
    """
    if workers is not None and workers < 0:
        raise RequestError(f"--workers {workers}: 1 or more; 0 for as many as the machine holds")
    count = workers or local_workers()
    memory = psutil.virtual_memory().total // count
    environment = {"OMP_NUM_THREADS": "1", "STKIT_THREADS": "1", "STKIT_QUIET": "1"}
    if "STKIT_RUNS" in os.environ:
        environment["STKIT_RUNS"] = os.environ["STKIT_RUNS"]
    with (
        dask.config.set(SETTINGS),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            memory_limit=memory,
            env=environment,
            preload=[PRELOAD],
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def running_cluster(address: str) -> Iterator[Client]:
    """A cluster whose scheduler runs already, such as one on Kubernetes."""
    try:
        with dask.config.set(SETTINGS), Client(address, timeout=ANSWER_SECONDS) as client:
            yield client
    except OSError as e:
        raise RequestError(f"{address}: no scheduler answers there ({e})") from e


def slurm_settings(path: Path) -> dict[str, Any]:
    """What a file says about Slurm jobs; see docs/guide/slurm.yml."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as e:
        raise RequestError(f"{path}: not a YAML file that can be read ({e})") from e
    if not isinstance(found, dict) or not isinstance(found.get("jobs"), int):
        raise RequestError(f"{path}: needs 'jobs', how many jobs to start; see guide/slurm.yml")
    return found


@contextmanager
def slurm_cluster(path: Path) -> Iterator[Client]:
    """Workers as Slurm jobs. Their number is fixed: an adaptive cluster kills workers at work."""
    from dask_jobqueue import SLURMCluster

    settings = slurm_settings(path)
    jobs = settings.pop("jobs")
    with dask.config.set(SETTINGS), SLURMCluster(**settings) as cluster:
        cluster.scale(jobs=jobs)
        with Client(cluster) as client:
            yield client


def run_tasks(tasks: list[Task], ledger: Ledger, client: Client, progress=lambda x, **k: x) -> None:
    """Do what is left of the tasks, each of which leaves its row.

    The bases are made first, once each, by one worker; then tasks go to whoever is free.
    """
    left = [task for task in tasks if not ledger.finished(task.key)]
    session = uuid.uuid4().hex
    bases = sorted({task.target.base for task in left})
    for future in [client.submit(prepare, base, pure=False) for base in bases]:
        future.result()
    futures = [
        client.submit(
            run_task,
            task,
            str(ledger.folder),
            session,
            key=f"{task.name}-{session}",
            priority=-task.number,
        )
        for task in left
    ]
    bar = progress(as_completed(futures, raise_errors=False), desc="sweep", total=len(futures))
    for future in bar:
        if future.status == "error":  # the cluster itself failed: the ledger knows what is left
            raise future.exception()


def prepare(base: str) -> float:
    """Make what all tasks on a base share; seconds."""
    start = time.monotonic()
    _ = base_of(base).views
    return time.monotonic() - start
