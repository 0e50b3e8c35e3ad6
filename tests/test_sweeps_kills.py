"""Sweeps under fire: workers and the driver are killed at random moments, and nothing is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from stkit.runs.folders import STORE, runs_root
from stkit.studies.sweeps.ledger import COSTS, Ledger, sweep_folder
from stkit.studies.sweeps.plan import make_plan
from stkit.studies.sweeps.spec import SweepSpec
from stkit.studies.sweeps.tables import write_tables
from stkit.studies.sweeps.work import run_task

FIXED: dict[str, object] = {"steps": 1, "frames": 1}
PATIENCE = 900  # seconds without a new row


def alphas(count: int) -> list[float]:
    """What is swept."""
    return [1 + k / 128 for k in range(count)]


def command(count: int, workers: int) -> list[str]:
    values = ",".join(map(str, alphas(count)))
    fixed = " ".join(f"{name}={value}" for name, value in FIXED.items())
    words = f"sweep --base mara --grid alpha={values} --fixed {fixed} --name fire"
    return [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "stkit.cli",
        *words.split(),
        "--workers",
        str(workers),
    ]


def start(count: int, workers: int) -> subprocess.Popen:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"OMP_NUM_THREADS": "1", "STKIT_THREADS": "1"}
    return subprocess.Popen(command(count, workers), env=environment, **quiet)


def workers_of(driver: subprocess.Popen) -> list[psutil.Process]:
    """The processes that work for a driver."""
    try:
        children = psutil.Process(driver.pid).children(recursive=True)
        return [p for p in children if "spawn_main" in " ".join(p.cmdline())]
    except psutil.NoSuchProcess:
        return []


def wait_for_rows(folder: Path, count: int, driver: subprocess.Popen) -> int:
    """Wait until so many rows are there, or the driver has ended; how many there are."""
    found, last = -1, time.monotonic()
    while True:
        now = len(list((folder / "rows").glob("*.json")))
        if now != found:
            found, last = now, time.monotonic()
        if now >= count or driver.poll() is not None:
            return now
        assert time.monotonic() - last < PATIENCE, f"stuck at {now} rows"
        time.sleep(0.2)


def under_fire(count: int, workers: int, kills: int, seed: int = 0) -> Ledger:
    """A sweep of edits; workers are killed at random moments, and the driver once, halfway."""
    rng, folder = random.Random(seed), sweep_folder("fire")
    moments = sorted(rng.sample(range(1, count - 1), kills))
    driver, halfway = start(count, workers), moments[kills // 2]
    for moment in moments:
        wait_for_rows(folder, moment, driver)
        time.sleep(rng.random())
        if moment == halfway:
            old = workers_of(driver)
            driver.kill()
            driver.wait()
            psutil.wait_procs(old, timeout=60)
            driver = start(count, workers)
            wait_for_rows(folder, moment + 1, driver)
        victims = workers_of(driver)
        if victims:
            rng.choice(victims).send_signal(signal.SIGKILL)
    if driver.wait(
        PATIENCE
    ):  # a task was hit twice by chance and set aside: the next start does it
        assert start(count, workers).wait(PATIENCE) == 0
    return Ledger(folder)


@pytest.fixture(autouse=True)
def one_thread(one_torch_thread, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("STKIT_THREADS", "1")


def check(count: int, workers: int, kills: int, compared: int, monkeypatch, tmp_path) -> None:
    """All rows once, each artifact made once, and (of the first `compared` rows) the numbers of one
    process left in peace.
    """
    ledger = under_fire(count, workers, kills)
    rows = ledger.rows()
    assert [row["number"] for row in rows] == list(range(count))
    assert len({row["key"] for row in rows}) == count
    assert {row["status"] for row in rows} == {"done"}
    for stage in ("edit", "edit-scores"):
        finished = list((runs_root() / STORE / stage).glob("*/run.json"))
        assert len(finished) == count
    table = pd.read_csv(ledger.folder / "table.csv").drop(columns=[*COSTS, "commit"])
    monkeypatch.setenv("STKIT_RUNS", str(tmp_path / "alone"))
    plan = make_plan(SweepSpec("fire", values={"alpha": alphas(compared)}, fixed=FIXED))
    plan.begin()
    for task in plan.tasks:
        run_task(task, str(plan.ledger.folder), "alone")
    write_tables(plan.ledger)
    alone = pd.read_csv(plan.ledger.folder / "table.csv").drop(columns=[*COSTS, "commit"])
    assert table.head(compared).to_csv() == alone.to_csv()


def test_a_worker_and_the_driver_killed_leave_every_row_once(monkeypatch, tmp_path):
    check(20, 2, 1, 4, monkeypatch, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ten_workers_and_the_driver_killed_leave_two_hundred_rows(monkeypatch, tmp_path):
    check(200, 4, 10, 200, monkeypatch, tmp_path)
