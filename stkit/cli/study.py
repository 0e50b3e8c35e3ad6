"""`stkit study`: a user study as one page, from the clips to the count."""

from pathlib import Path

from stkit.cli.options import CLOWN, EDITOR_HELP
from stkit.errors import MissingFileError
from stkit.runs.folders import is_run, run_folder
from stkit.runs.road import Road
from stkit.studies.reproduce.tables import METHODS
from stkit.studies.user_study.film import film_question
from stkit.studies.user_study.make import make_study
from stkit.studies.user_study.read import read_answers


def add_study(commands) -> None:
    """`stkit study film`, `make` and `read`."""
    study = commands.add_parser(
        "study", help="a user study: film results, make a page, count votes"
    )
    parts = study.add_subparsers(dest="part", required=True, metavar="part")
    film = parts.add_parser("film", help="turning clips of several methods' edits of runs")
    film.set_defaults(call=call_film)
    film.add_argument("names", nargs="+", help="runs whose heads are edited")
    film.add_argument("--prompt", default=CLOWN)
    film.add_argument("--editor", default="tiny", help=EDITOR_HELP)
    film.add_argument("--results", default="results", help="folder for the clips (%(default)s)")
    make = parts.add_parser("make", help="one page without a network, and the key to its answers")
    make.set_defaults(call=call_make)
    make.add_argument("--results", required=True, help="folder of clips: QUESTION/METHOD.mp4")
    make.add_argument("--out", default="study", help="folder for page and key (default: study)")
    read = parts.add_parser("read", help="count answer files, with intervals")
    read.set_defaults(call=call_read)
    read.add_argument("files", nargs="+", help="the answer files that volunteers sent")
    read.add_argument("--key", default="study/key.json", help="the study's key (%(default)s)")


def call_film(arguments) -> int:
    """Film every method of Table 1 on every run."""
    for name in arguments.names:
        if not is_run(name):
            raise MissingFileError(
                f"{run_folder(name)}: no run here; `stkit run VIDEO --name {name}` makes one"
            )
    for name in arguments.names:
        road = Road(name, quiet=True)
        folder = Path(arguments.results)
        place = film_question(road, arguments.prompt, arguments.editor, METHODS, folder)
        print(f"clips: {place}")
    return 0


def call_make(arguments) -> int:
    """Write the page and the key."""
    study = make_study(Path(arguments.results), Path(arguments.out))
    print(f"give to the volunteers: {study.page.parent}\nkeep for yourself: {study.key}")
    return 0


def call_read(arguments) -> int:
    """Print the shares of the votes."""
    print(read_answers([Path(f) for f in arguments.files], Path(arguments.key)).table())
    return 0
