"""The `stkit` command. Exit codes: 0 done, 1 something failed, 2 the request was wrong, 130
interrupted.

One function adds a command's options, the next carries it out.
"""

import argparse
import errno
import sys
import time
import traceback
from pathlib import Path

from stkit import assets
from stkit.diffusion.convert import convert_v3d
from stkit.errors import MissingFileError, RequestError
from stkit.progress import bar
from stkit.runs.doctor import doctor
from stkit.runs.folders import run_folder
from stkit.runs.notebooks import NotebookError, execute, find_notebook, parse_parameters, run_road
from stkit.runs.page import write_page
from stkit.runs.profiles import PROFILES
from stkit.runs.road import Road
from stkit.runs.store import clean
from stkit.studies import ablations, edit_methods, results_table

EXAMPLES = """examples:
  stkit run synthetic --name demo
  stkit run me.mp4 --name me --profile laptop --prompt "turn him into a bronze statue"
  stkit run me.mp4 --name me --profile laptop --prompt "give her red hair" --driver other.mp4
  stkit doctor
"""
CLOWN = "turn him into a clown"
PROFILE_HELP = (
    "quick: minutes; laptop: under 20 min; paper: one GPU (default: STKIT_PROFILE or quick)"
)
EDITOR_HELP = (
    "'paint' (rules) or 'tiny' (a small diffusion model), stand-ins that come with the kit, or "
    "an InstructPix2Pix folder or hub id (default: paint)"
)
RUN_OPTIONS = {
    "--views": "'mesh-prior' (the fitted mesh's own colours) or 'tiny-orbit' (a small diffusion "
    "model), stand-ins that come with the kit, or a V3D (Stable Video Diffusion) folder or hub id",
    "--rig": "a folder of more cameras around the same head, to learn from: a NeRSemble sequence "
    "(PARTICIPANT/sequences/NAME; VIDEO is one of its cam_SERIAL.mp4) or a folder in "
    "Gaussian-Head-Avatar's layout",
    "--face-model": "whose expressions are tracked: 'builtin' (stand-in), or bfm2009, bfm2017, "
    "flame, faceverse with files you obtained (`stkit assets where flame`)",
    "--driver": "what moves the result: a video, tracked parameters (Live Link .csv, Audio2Face "
    ".json, FLAME .npz, a 3DMM-Fitting folder), 'synthetic:SEED', or another run's name "
    "(default: its own clip)",
}


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options; each sets `call`, the function that carries it out."""
    parser = argparse.ArgumentParser(
        prog="stkit",
        description="From a talking-head video to an edited, animated 3D head.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for add in (add_run, add_pages, add_compare, add_ablate, add_assets, add_notebook):
        add(commands)
    what = "what this machine can do, what is missing, and what to do about it"
    commands.add_parser("doctor", help=what).set_defaults(call=lambda _: 0 if doctor() else 1)
    return parser


def add_run(commands) -> None:
    """`stkit run`."""
    what = "all stages on one video; leaves runs/NAME/ with index.html and metrics.json"
    run = commands.add_parser("run", help=what)
    run.set_defaults(call=call_run)
    sources = "a video file, a folder of images, or 'synthetic' (also synthetic:SEED)"
    run.add_argument("video", help=sources)
    run.add_argument("--name", default="demo", help="name of the run folder (default: demo)")
    run.add_argument("--profile", choices=tuple(PROFILES), help=PROFILE_HELP)
    run.add_argument("--prompt", default=CLOWN, help="the edit, in words (default: %(default)r)")
    run.add_argument("--editor", default="paint", help=EDITOR_HELP)
    for option, text in RUN_OPTIONS.items():
        run.add_argument(option, help=text)
    run.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda"),
        help="where heads are optimised (default: auto: CUDA where it can be had)",
    )
    run.add_argument("--seed", type=int, default=0, help="one number for all randomness")
    run.add_argument(
        "--notebooks",
        action="store_true",
        help="run the notebooks with papermill instead; keeps them in runs/NAME/notebooks/",
    )


def call_run(arguments) -> int:
    """The road on one video, by the library or by the notebooks."""
    start = time.monotonic()
    for option in ("views", "rig", "face_model"):
        if arguments.notebooks and getattr(arguments, option):
            name = option.replace("_", "-")
            raise RequestError(f"--{name}: leave out --notebooks, whose texts are of the default")
    road = Road(
        arguments.name,
        arguments.video,
        arguments.profile,
        arguments.seed,
        views=arguments.views or "mesh-prior",
        rig=arguments.rig or "",
        face_model=arguments.face_model or "builtin",
        device=arguments.device,
    )
    request = (arguments.prompt, arguments.editor, arguments.driver)
    path = run_road(road, *request) if arguments.notebooks else road.everything(*request)
    print(f"\ndone in {time.monotonic() - start:.0f} s. Open {path}")
    return 0


def add_pages(commands) -> None:
    """`stkit page`, `stkit table` and `stkit clean`."""
    page = commands.add_parser("page", help="write a run's index.html and metrics.json again")
    page.add_argument("name")
    page.set_defaults(call=call_page)
    table = commands.add_parser("table", help="the results of several runs as a Markdown table")
    table.add_argument("names", nargs="+")
    table.set_defaults(call=call_table)
    what = "delete a run, and every artifact that no run refers to any more"
    cleaning = commands.add_parser("clean", help=what)
    cleaning.add_argument(
        "name", nargs="?", default="", help="a run to delete with what is its own"
    )
    cleaning.set_defaults(call=call_clean)


def call_page(arguments) -> int:
    """Write a run's page."""
    print(write_page(arguments.name))
    return 0


def call_table(arguments) -> int:
    """Print results of runs."""
    print(results_table.results_table(arguments.names))
    return 0


def call_clean(arguments) -> int:
    """Delete what is not needed any more, and say what it was."""
    if arguments.name and not run_folder(arguments.name).exists():
        raise MissingFileError(f"{run_folder(arguments.name)}: no such run")
    gone = clean(arguments.name)
    print("\n".join(f"deleted {path}" for path in gone) or "nothing to delete")
    return 0


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


def add_assets(commands) -> None:
    """`stkit assets`."""
    what = "weights and data from elsewhere: what there is, where it belongs, how to get it"
    stock = commands.add_parser("assets", help=what)
    jobs = stock.add_subparsers(
        dest="job", required=True, metavar="list|get|check|where|convert-v3d"
    )
    listing = jobs.add_parser("list", help="every asset with its state on this machine")
    listing.set_defaults(call=call_list)
    getting = jobs.add_parser("get", help="download what is open; say what to do about the rest")
    getting.add_argument("names", nargs="+")
    getting.add_argument("--offline", action="store_true", help="never use the network")
    getting.set_defaults(call=call_get)
    checking = jobs.add_parser("check", help="verify what is here: files, sizes, sha256")
    checking.add_argument("names", nargs="*")
    checking.set_defaults(call=call_check)
    where = jobs.add_parser("where", help="the path an asset has, or should have")
    where.add_argument("name")
    where.set_defaults(call=call_where)
    converting = jobs.add_parser("convert-v3d", help="V3D.ckpt as a diffusers folder for --views")
    converting.add_argument("checkpoint")
    base = "diffusers folder of stable-video-diffusion-img2vid-xt"
    converting.add_argument("--svd", required=True, help=base)
    place = "the folder to write (default: where `stkit assets where v3d_diffusers` says)"
    converting.add_argument("--out", help=place)
    converting.add_argument("--full", action="store_true", help="keep 32-bit weights")
    converting.set_defaults(call=call_convert)


def call_list(arguments) -> int:
    """One line for each asset."""
    for name, entry in assets.manifest().items():
        here = "here   " if assets.asset_path(name) else "absent "
        size = f"{entry['bytes'] / 1e9:.2f} GB" if entry["bytes"] >= 1e7 else "small"
        what = f"{entry['what']} ({entry['licence']})"
        print(f"{here} {name:22} {entry['status']:9} {size:>12}  {what}")
    return 0


def call_get(arguments) -> int:
    """Download assets."""
    for name in arguments.names:
        print(f"{name}: {assets.get_asset(name, arguments.offline)}")
    return 0


def call_check(arguments) -> int:
    """Verify assets; 1 if one that was named is missing."""
    names = arguments.names or list(assets.manifest())
    states = {name: assets.check_asset(name) for name in names}
    print("\n".join(f"{name}: {state}" for name, state in states.items()))
    return int("missing" in [states[name] for name in arguments.names])


def call_where(arguments) -> int:
    """Print an asset's place; 1 if it is not there."""
    print(assets.expected_path(arguments.name))
    return 0 if assets.asset_path(arguments.name) else 1


def call_convert(arguments) -> int:
    """Turn V3D's checkpoint into a diffusers folder."""
    out = Path(arguments.out) if arguments.out else assets.expected_path("v3d_diffusers")
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint, svd = Path(arguments.checkpoint), Path(arguments.svd)
    print(convert_v3d(checkpoint, svd, out, not arguments.full, bar))
    return 0


def add_notebook(commands) -> None:
    """`stkit notebook`."""
    what = "run one notebook with papermill; parameters are checked first"
    note = commands.add_parser("notebook", help=what)
    note.set_defaults(call=call_notebook)
    note.add_argument("notebook", help="its number or name, such as 04 or 04_weigh_landmarks")
    note.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a parameter (repeat for more)",
    )
    note.add_argument("-o", "--output", help="the executed notebook (default: runs/notebooks/)")


def call_notebook(arguments) -> int:
    """Execute a notebook."""
    path = find_notebook(arguments.notebook)
    parameters = parse_parameters(path, arguments.parameter)
    print(execute(path, parameters, Path(arguments.output) if arguments.output else None))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Carry out one command; its exit code."""
    arguments = build_parser().parse_args(argv)
    try:
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
    except OSError as e:
        print(f"stkit: {system_fault(e)}", file=sys.stderr)
        return 1
    except Exception as e:
        traceback.print_exc()
        print(f"stkit: this is a fault of the kit, not of your request: {e}", file=sys.stderr)
        return 1


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


if __name__ == "__main__":
    sys.exit(main())
