"""`stkit compare`, `stkit reproduce` and `stkit people`."""

from pathlib import Path

from stkit.cli.options import CLOWN, EDITOR_HELP, PROFILE_HELP
from stkit.runs.profiles import PROFILES
from stkit.studies import edit_methods, made_up_people
from stkit.studies.reproduce import jobs


def add_compare(commands) -> None:
    """`stkit compare`."""
    compare = commands.add_parser("compare", help="editing methods side by side on a run's head")
    compare.set_defaults(call=call_compare)
    compare.add_argument("name", help="the run whose Gaussian head is edited")
    compare.add_argument("--prompt", default=CLOWN)
    compare.add_argument("--editor", default="paint", help=EDITOR_HELP)
    compare.add_argument(
        "--methods",
        default="ours,E1,E2,E3,E4",
        help="comma-separated names (default: %(default)s); see stkit.editing.methods",
    )
    compare.add_argument("--seeds", type=int, default=1, help="seeds of each method (default: 1)")
    compare.add_argument("--steps", type=int, help="edit steps (default: the run's profile's)")
    compare.add_argument("--alpha", type=float, default=5.0)
    strong = "b from which an edit counts as strong"
    compare.add_argument("--boundary", type=float, default=0.5, help=strong)


def call_compare(arguments) -> int:
    """Edit a head by several methods, print their numbers, write a picture."""
    change = {"alpha": arguments.alpha, "b_boundary": arguments.boundary}
    if arguments.steps:
        change["steps"] = arguments.steps
    comparison = edit_methods.compare_run(
        arguments.name,
        arguments.prompt,
        arguments.editor,
        [m.strip() for m in arguments.methods.split(",")],
        arguments.seeds,
        change,
    )
    print(comparison.table())
    print(f"\npictures: {comparison.write().with_suffix('.png')}")
    return 0


def add_reproduce(commands) -> None:
    """`stkit reproduce`."""
    what = "the paper's tables and figures, computed anew and set beside the paper's values"
    reproduce = commands.add_parser("reproduce", help=what)
    reproduce.set_defaults(call=call_reproduce)
    names = ", ".join(jobs.NAMES)
    reproduce.add_argument("names", nargs="*", help=f"any of {names} (default: all)")
    heads = "a video, 'synthetic' or 'synthetic:SEED', several (default: %(default)s)"
    reproduce.add_argument("--heads", nargs="+", default=["synthetic"], help=heads)
    reproduce.add_argument("--profile", choices=tuple(PROFILES), help=PROFILE_HELP)
    reproduce.add_argument("--seeds", type=int, default=1, help="seeds of every edit (default: 1)")
    reproduce.add_argument("--prompt", default=jobs.Request.prompt)
    reproduce.add_argument("--editor", default=jobs.Request.editor, help=EDITOR_HELP)
    where = "folder for the records and pages; heads that stand there stay (default: %(default)s)"
    reproduce.add_argument("--write", metavar="FOLDER", default="reproduced", help=where)
    private = "do not write pictures: for footage that must not be shown"
    reproduce.add_argument("--numbers-only", action="store_true", help=private)


def call_reproduce(arguments) -> int:
    """Compute what is missing, write records and pages."""
    request = jobs.Request(
        heads=tuple(arguments.heads),
        profile=arguments.profile,
        seeds=arguments.seeds,
        prompt=arguments.prompt,
        editor=arguments.editor,
        folder=Path(arguments.write),
        pictures=not arguments.numbers_only,
    )
    print(f"\npages: {jobs.reproduce(arguments.names, request)}")
    return 0


def add_people(commands) -> None:
    """`stkit people`."""
    what = "sheets of made-up people and their expressions; how often a detector finds their faces"
    people = commands.add_parser("people", help=what)
    people.set_defaults(call=call_people)
    where = "folder for people.jpg, expressions.jpg and people.json (default: %(default)s)"
    people.add_argument("--write", metavar="FOLDER", default="people", help=where)
    count = "random frames in which MediaPipe looks for the face, 10 of each person (default: none)"
    people.add_argument("--frames", type=int, default=0, help=count)


def call_people(arguments) -> int:
    """Write the sheets, print the count."""
    record = made_up_people.write(Path(arguments.write), arguments.frames)
    for name, value in record.items():
        print(f"{name}: {value}")
    print(f"pictures: {arguments.write}")
    return 0
