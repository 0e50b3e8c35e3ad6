"""`stkit export` and `stkit verify`: heads in other tools' files, and where a file comes from."""

from pathlib import Path

from stkit.cli.options import EDITOR_HELP, check_run
from stkit.editing.settings import EditSettings
from stkit.editing.weights import ALPHA
from stkit.errors import RequestError
from stkit.export.marks import Verdict, verify
from stkit.runs.exports import KINDS, export, head_to_export
from stkit.runs.folders import run_folder
from stkit.runs.look import look

MEANING = {
    "marked": "carries a mark, and is unchanged since it was signed",
    "changed": "carries a mark, but was CHANGED after it was signed: do not rely on what it says",
    "unknown": "unknown: it carries no mark. That does not make it genuine; marks can be removed",
}


def add_export(commands) -> None:
    """`stkit export` and `stkit verify`."""
    what = "a run's head as files that other tools open"
    exporting = commands.add_parser("export", help=what)
    exporting.set_defaults(call=call_export)
    exporting.add_argument("run", help="a run's name, or 'mara' (who ships)")
    kinds = f"one or more of: {', '.join(KINDS)} (default: ply)"
    exporting.add_argument("--to", nargs="+", default=["ply"], metavar="KIND", help=kinds)
    folders = "where the files go (default: runs/RUN/export)"
    exporting.add_argument("--folder", type=Path, help=folders)
    frames = "a frame of the clip, of Gaussians (default: the neutral one)"
    exporting.add_argument("--frame", type=int, help=frames)
    exporting.add_argument(
        "--unedited", action="store_true", help="the head before the run's last edit"
    )
    what = "what a picture, film, page or head says about where it comes from"
    reading = commands.add_parser("verify", help=what)
    reading.set_defaults(call=call_verify)
    reading.add_argument("file", type=Path, nargs="+")


def add_look(commands) -> None:
    """`stkit look`."""
    what = "a head of Gaussians that somebody else made (.ply): look at it, weigh it, edit it"
    looking = commands.add_parser("look", help=what)
    looking.set_defaults(call=call_look)
    looking.add_argument("file", type=Path, help="a PLY file of 3D Gaussian Splatting")
    looking.add_argument("--prompt", default="", help="an edit, in words (default: none)")
    looking.add_argument("--editor", default="paint", help=EDITOR_HELP)
    looking.add_argument("--b", type=float, default=0.7, help="the edit's strength (%(default)s)")
    looking.add_argument("--alpha", type=float, default=ALPHA, help="of Eq. 8 (%(default)s)")
    looking.add_argument("--folder", type=Path, help="where the page goes (default: beside it)")


def call_look(arguments) -> int:
    """Write the page, and the edited head."""
    if not 0.02 <= arguments.b <= 0.98:
        raise RequestError(f"--b {arguments.b:g}: from 0.02 to 0.98")
    settings = EditSettings(arguments.prompt, alpha=arguments.alpha)
    folder = arguments.folder or arguments.file.parent
    for path in look(arguments.file, folder, settings, arguments.editor, arguments.b):
        print(path)
    return 0


def call_export(arguments) -> int:
    """Write a head's files, and say where they are."""
    run = arguments.run
    check_run(run)
    folder = arguments.folder or run_folder(run) / "export"
    what = head_to_export(run, not arguments.unedited)
    for path in export(what, arguments.to, folder, arguments.frame):
        print(path)
    return 0


def call_verify(arguments) -> int:
    """Print what files say; exit code 1 where one was changed."""
    verdicts = [(path, verify(path)) for path in arguments.file]
    print("\n".join(describe(path, verdict) for path, verdict in verdicts))
    return 1 if any(verdict.known == "changed" for _, verdict in verdicts) else 0


def describe(path: Path, verdict: Verdict) -> str:
    """A verdict in words, one fact a line."""
    lines = [f"{path}: {MEANING[verdict.known]}"]
    lines += [f"  {name}: {value}" for name, value in verdict.statement.items()]
    if verdict.signer:
        whose = "this machine's" if verdict.ours else "no authority vouches for it"
        lines.append(f"  signed with the certificate of: {verdict.signer} ({whose})")
    return "\n".join(printable(line) for line in lines)


def printable(text: str) -> str:
    """A text on one line, without what a terminal would obey; what a file says is a stranger's."""
    return "".join(c if c.isprintable() else "?" for c in text)
