"""The `stkit` command. Exit codes: 0 done, 1 something failed, 2 the request was wrong, 130
interrupted.

In its modules one function adds a command's options, the next carries it out.
"""

import argparse
import errno
import io
import os
import sys
import traceback

from stkit.cli.data import add_data
from stkit.cli.evaluate import add_evaluate
from stkit.cli.export import add_export, add_look
from stkit.cli.pages import add_served_pages
from stkit.cli.run import add_notebook, add_pages, add_run
from stkit.cli.stock import add_assets
from stkit.cli.studies import add_compare, add_people, add_reproduce
from stkit.cli.study import add_study
from stkit.cli.sweep import add_sweep
from stkit.cli.talk import add_talk
from stkit.errors import RequestError
from stkit.runs.doctor import doctor
from stkit.runs.notebooks import NotebookError

EXAMPLES = """examples:
  stkit run synthetic --name demo
  stkit run me.mp4 --name me --profile laptop --prompt "turn him into a bronze statue"
  stkit run me.mp4 --name me --profile laptop --prompt "give her red hair" --driver other.mp4
  stkit studio me
  stkit puppet me
  stkit talk --img_path mara --wav_path hello.wav --style_e_source "she is very happy"
  stkit export me --to spz rig
  stkit verify runs/me/animate/driven.mp4
  stkit doctor
"""


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options; each sets `call`, the function that carries it out."""
    parser = argparse.ArgumentParser(
        prog="stkit",
        description="From a talking-head video to an edited, animated 3D head.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    work = (add_run, add_served_pages, add_talk, add_export, add_look, add_data, add_pages)
    studies = (add_compare, add_evaluate, add_reproduce, add_study, add_sweep, add_people)
    for add in (*work, *studies, add_assets, add_notebook):
        add(commands)
    what = "what this machine can do, what is missing, and what to do about it"
    commands.add_parser("doctor", help=what).set_defaults(call=lambda _: 0 if doctor() else 1)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Carry out one command; its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows ASCII alone
    arguments = build_parser().parse_args(argv)
    try:
        check_words(sys.argv[1:] if argv is None else argv)
        return arguments.call(arguments)
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on from here", file=sys.stderr)
        return 130
    except RequestError as e:
        print(f"stkit: {e}", file=sys.stderr)
        return 2
    except NotebookError as e:
        print(f"stkit: {e}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output has read enough: `stkit doctor | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as e:
        print(f"stkit: {system_fault(e)}", file=sys.stderr)
        return 1
    except Exception as e:
        traceback.print_exc()
        print(f"stkit: this is a fault of the kit, not of your request: {e}", file=sys.stderr)
        return 1


def check_words(words: list[str]) -> None:
    """Raise RequestError for words of the command line that are not UTF-8."""
    for word in words:
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            shown = word.encode("utf-8", "replace").decode()
            raise RequestError(f"{shown!r}: is not UTF-8; write it anew")


def system_fault(error: OSError) -> str:
    """What the system refused, where, and what to do; everything finished before it is kept."""
    where = f"{error.filename}: " if error.filename else ""
    remedies = {
        errno.ENOSPC: "make room, or set STKIT_RUNS to a folder with more",
        errno.EACCES: "set STKIT_RUNS to a folder you may write to",
        errno.EROFS: "set STKIT_RUNS to a folder you may write to",
    }
    remedy = remedies.get(error.errno or 0, "mend it")
    return f"{where}{error.strerror or error}; {remedy}, then run the same command: it goes on"
