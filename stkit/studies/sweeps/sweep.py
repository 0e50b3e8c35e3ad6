"""A sweep from spec to page."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

from dask.distributed import Client

from stkit.progress import bar
from stkit.studies.sweeps.engine import local_cluster, run_tasks
from stkit.studies.sweeps.page import write_page
from stkit.studies.sweeps.plan import Plan, make_plan
from stkit.studies.sweeps.spec import SweepSpec
from stkit.studies.sweeps.tables import write_tables

Cluster = Callable[[], AbstractContextManager[Client]]


def run_sweep(
    spec: SweepSpec,
    cluster: Cluster = local_cluster,
    progress=bar,
    started: Callable[[Client], None] = lambda client: None,
) -> tuple[Plan, Counter]:
    """Run what is left of a sweep, then write its tables and its page.

    started(client) is called when the cluster is there. ^C leaves what is finished; the same call
    goes on.
    """
    plan = make_plan(spec)
    plan.begin()
    try:
        if plan.left():
            with cluster() as client:
                started(client)
                run_tasks(plan.tasks, plan.ledger, client, progress)
    finally:
        if plan.ledger.rows():
            write_tables(plan.ledger)
            write_page(plan.ledger)
    found = Counter(plan.ledger.row(t.key).get("status", "left") for t in plan.tasks)
    return plan, found
