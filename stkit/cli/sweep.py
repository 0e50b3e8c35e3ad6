"""`stkit sweep`: many settings of a notebook or a stage, and the table that comes out."""

import argparse
from functools import partial
from pathlib import Path

from stkit.errors import RequestError

MISSING = "sweeps need Dask and pandas: pip install 'stkit[sweep]'"
EXAMPLES = """examples:
  stkit sweep --base mara --grid alpha=1,5,10 b_boundary=0.3,0.5 --seeds 3 --name alphas
  stkit sweep edit_head --base me --grid alpha=1,2,5,10 --name lessons
  stkit sweep --spec sweep.yml --dry-run
  stkit sweep table alphas --where "alpha > 2" --by alpha --mean edit.inside,edit.outside
  stkit sweep join alphas ../others/table.csv --write class.csv
"""


def add_sweep(commands) -> None:
    """`stkit sweep`."""
    what = "many settings of a notebook or of the edit stage, on this machine or a cluster"
    sweep = commands.add_parser(
        "sweep",
        help=what,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sweep.set_defaults(call=call_sweep)
    words = "notebooks, run one after the other for each setting (none: the edit stage itself); "
    words += "or 'table NAME', 'join NAME ...', 'page NAME' or 'avatar NAME NUMBER ...'"
    sweep.add_argument("what", nargs="*", help=words)
    _run_options(sweep.add_argument_group("to run one"))
    _read_options(sweep.add_argument_group("to read one"))


def _run_options(group) -> None:
    group.add_argument("--name", help="of the sweep; results are in runs/sweeps/NAME")
    group.add_argument("--base", help="the run whose head is worked on (default: mara, who ships)")
    group.add_argument("--stage", default="edit", help="swept without notebooks (default: edit)")
    values = "NAME=VALUE,VALUE,...; a value with a comma in double quotes"
    group.add_argument("--grid", nargs="+", default=[], metavar="NAME=VALUES", help=values)
    group.add_argument("--fixed", nargs="+", default=[], metavar="NAME=VALUE", help="not swept")
    group.add_argument(
        "--sample",
        default="grid",
        help="'grid' (every combination), 'list' (first values together, then second ones), "
        "'random:N' or 'latin:N' (N settings from ranges of two numbers or sets of values)",
    )
    group.add_argument("--seeds", type=int, default=1, help="seeds of each setting (default: 1)")
    group.add_argument("--spec", type=Path, help="a YAML file with all of that")
    group.add_argument("--dry-run", action="store_true", help="say what would be done")
    group.add_argument("--workers", type=int, help="on this machine (default: cores and memory)")
    group.add_argument("--scheduler", help="address of a Dask scheduler: tcp://HOST:PORT")
    group.add_argument("--slurm", type=Path, help="a file of settings; docs/guide/slurm.yml")


def _read_options(group) -> None:
    group.add_argument("--where", help="lines to take, such as 'alpha > 2 and seed == 0'")
    group.add_argument("--by", help="columns to group by, comma-separated")
    group.add_argument("--mean", help="columns to average, comma-separated, with intervals")
    group.add_argument("--write", type=Path, help="write the answer as .csv or .parquet")


def call_sweep(arguments) -> int:
    """Run or read a sweep."""
    try:
        import stkit.studies.sweeps.tables  # noqa: F401
        from stkit.studies.sweeps import engine  # noqa: F401
    except ModuleNotFoundError as e:
        raise RequestError(f"{MISSING} ({e.name} is missing)") from e
    first, *names = arguments.what or [""]
    if first in ("table", "join"):
        return _read(first, names, arguments)
    if first == "page":
        return _page(names)
    if first == "avatar":
        return _avatars(names)
    return _run(arguments)


def _read(first: str, names: list[str], arguments) -> int:
    from stkit.studies.sweeps.tables import chosen, joined, means, read_table

    if not names or (first == "table" and len(names) > 1):
        raise RequestError(f"stkit sweep {first} needs the name of a sweep")
    table = read_table(names[0]) if first == "table" else joined(names)
    if arguments.where:
        table = chosen(table, arguments.where)
    if arguments.mean:
        by = [x.strip() for x in (arguments.by or "status").split(",")]
        table = means(table, by, [x.strip() for x in arguments.mean.split(",")])
    if not arguments.write:
        print(table.to_string(index=False, max_colwidth=60))
        return 0
    if arguments.write.suffix == ".parquet":
        table.to_parquet(arguments.write, index=False)
    else:
        table.to_csv(arguments.write, index=False)
    print(arguments.write)
    return 0


def _page(names: list[str]) -> int:
    from stkit.studies.sweeps.ledger import Ledger
    from stkit.studies.sweeps.page import write_page

    for name in names:
        print(write_page(Ledger.of(name)))
    return 0


def _avatars(names: list[str]) -> int:
    from stkit.studies.sweeps.avatars import write_avatar
    from stkit.studies.sweeps.ledger import Ledger
    from stkit.studies.sweeps.page import write_page

    name, *numbers = names or [""]
    if not numbers or not all(x.isdigit() for x in numbers):
        raise RequestError("stkit sweep avatar needs a sweep and numbers of its settings")
    ledger = Ledger.of(name)
    for number in numbers:
        print(write_avatar(ledger, int(number)))
    print(write_page(ledger))
    return 0


def spec_from(arguments):
    """The spec that the command line gives."""
    from stkit.studies.sweeps.spec import SweepSpec, parse_values, read_spec

    if arguments.spec:
        return read_spec(arguments.spec, arguments.name or "")
    if not arguments.name:
        raise RequestError("give the sweep a --name")
    way, _, samples = arguments.sample.partition(":")
    fixed = parse_values(arguments.fixed)
    many = [name for name, values in fixed.items() if len(values) > 1]
    if many:
        raise RequestError(f"--fixed {many[0]}: one value; several belong to --grid")
    if samples and not samples.isdigit():
        raise RequestError(f"--sample {arguments.sample}: a whole number after the colon")
    return SweepSpec(
        arguments.name,
        tuple(arguments.what),
        arguments.stage,
        arguments.base or "mara",
        parse_values(arguments.grid),
        way,
        int(samples or 0),
        {name: values[0] for name, values in fixed.items()},
        seeds=arguments.seeds,
    )


def _say_where(client) -> None:
    print(f"dashboard: {client.dashboard_link}", flush=True)


def _run(arguments) -> int:
    from stkit.studies.sweeps import engine
    from stkit.studies.sweeps.plan import make_plan
    from stkit.studies.sweeps.sweep import run_sweep

    spec = spec_from(arguments)
    if arguments.dry_run:
        print(make_plan(spec).summary(arguments.workers))
        return 0
    cluster = partial(engine.local_cluster, arguments.workers)
    if arguments.scheduler:
        cluster = partial(engine.running_cluster, arguments.scheduler)
    elif arguments.slurm:
        cluster = partial(engine.slurm_cluster, arguments.slurm)
    plan, found = run_sweep(spec, cluster, started=_say_where)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(found.items()))
    print(f"{counts}. Open {plan.ledger.folder / 'index.html'}")
    return 0 if set(found) == {"done"} else 1
