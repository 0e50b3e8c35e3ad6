"""`stkit data`: footage in MEAD's or HDTF's layout becomes what Style2Talker's loaders read."""

from pathlib import Path

from stkit import face_models
from stkit.errors import RequestError
from stkit.studies.dataset.clips import Steps
from stkit.studies.dataset.names import LAYOUTS

MISSING = "footage is prepared by Dask's workers: pip install 'stkit[sweep]'"
HDTF_HOURS = 16.0  # about what HDTF's authors say theirs has


def add_data(commands) -> None:
    """`stkit data`."""
    what = "prepare footage for training: crop, split, track, mel, sentences, lists, lmdb"
    data = commands.add_parser("data", help=what)
    data.set_defaults(call=call_data)
    data.add_argument("folder", type=Path, help="films in one of the layouts")
    data.add_argument("out", type=Path, help="where to; the same command goes on where it stopped")
    data.add_argument("--layout", choices=LAYOUTS, required=True)
    data.add_argument("--workers", type=int, help="processes (default: as many as fit)")
    data.add_argument("--fit-steps", type=int, default=Steps.fit, help="of tracking (%(default)s)")
    refine = "of tracking on pixels (%(default)s)"
    data.add_argument("--refine-steps", type=int, default=Steps.refine, help=refine)
    models = "whose identity and expression are written: 'makehuman' (a stand-in), bfm2009, ..."
    data.add_argument("--face-model", default="makehuman", help=models)
    data.add_argument("--lmdb", action="store_true", help="write the release's store as well")
    hours = "of film, of which the report says what they would take (%(default)s)"
    data.add_argument("--hours", type=float, default=HDTF_HOURS, help=hours)


def call_data(arguments) -> int:
    """Prepare the films, and say what was left out."""
    try:
        from stkit.studies.dataset.workshop import Order, prepare, report
        from stkit.studies.sweeps.engine import local_workers
    except ModuleNotFoundError as e:
        raise RequestError(f"{MISSING} ({e.name} is missing)") from e
    face_models.get(arguments.face_model)  # its errors come before the films are read
    if arguments.workers is not None and arguments.workers < 1:
        raise RequestError(f"--workers {arguments.workers}: at least one")
    steps = Steps(arguments.fit_steps, arguments.refine_steps)
    order = Order(
        arguments.folder,
        arguments.layout,
        arguments.out,
        arguments.workers,
        steps,
        arguments.face_model,
        arguments.lmdb,
    )
    records = prepare(order)
    print(report(records, arguments.workers or local_workers(), arguments.hours))
    return 0 if any(r["clips"] for r in records) else 1
