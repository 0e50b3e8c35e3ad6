"""`stkit compare`, `stkit ablate` and `stkit people`."""

from pathlib import Path

from stkit.cli.options import CLOWN, EDITOR_HELP, PROFILE_HELP
from stkit.runs.profiles import PROFILES
from stkit.studies import ablations, edit_methods, made_up_people


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


def add_ablate(commands) -> None:
    """`stkit ablate`."""
    what = "the reconstruction's ablations on synthetic subjects, as a Markdown table"
    ablate = commands.add_parser("ablate", help=what)
    ablate.set_defaults(call=call_ablate)
    ablate.add_argument("sources", nargs="*", default=["synthetic"], help="synthetic[:SEED] ...")
    ablate.add_argument("--variants", default=",".join(ablations.VARIANTS), help="comma-separated")
    ablate.add_argument("--write", metavar="FILE", help="also write the table, with its origin")
    ablate.add_argument("--profile", choices=tuple(PROFILES), help=PROFILE_HELP)


def call_ablate(arguments) -> int:
    """Compute what is missing of the ablations, print the table."""
    names = [v.strip() for v in arguments.variants.split(",")]
    found = ablations.ablate(arguments.sources, names, arguments.profile)
    print("\n" + ablations.table(found))
    if arguments.write:
        ablations.write(Path(arguments.write), found)
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
