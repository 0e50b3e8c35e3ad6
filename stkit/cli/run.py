"""`stkit run`, and what shows or deletes runs."""

import json
import time
from pathlib import Path

from stkit.cli.options import (
    CLOWN,
    EDITOR_HELP,
    NO_LABEL_HELP,
    PROFILE_HELP,
    add_art_options,
    asked_drawing,
)
from stkit.errors import MissingFileError, RequestError
from stkit.io.tensors import write_text
from stkit.runs.consent import settle_consent
from stkit.runs.folders import run_folder
from stkit.runs.notebooks import execute, find_notebook, parse_parameters, run_road
from stkit.runs.page import write_page
from stkit.runs.profiles import PROFILES
from stkit.runs.road import Road
from stkit.runs.samples import PREFIX, SAMPLES
from stkit.runs.store import clean
from stkit.studies import results_table

PROMPT_HELP = f"the edit, in words (default: {CLOWN!r}; with --shape, none)"
SHAPE_HELP = (
    "what changes in the head's shape, in words: 'elf ears and a hooked nose', 'fat', 'twenty "
    "years younger'; by shapes that come with the kit, before the edit of --prompt"
)
RUN_OPTIONS = {
    "--views": "'mesh-prior' (the fitted mesh's own colours) or 'tiny-orbit' (a small diffusion "
    "model), stand-ins that come with the kit, or a V3D (Stable Video Diffusion) folder or hub id",
    "--rig": "a folder of more cameras around the same head, to learn from: a NeRSemble sequence "
    "(PARTICIPANT/sequences/NAME; VIDEO is one of its cam_SERIAL.mp4) or a folder in "
    "Gaussian-Head-Avatar's layout",
    "--face-model": "whose expressions are tracked: 'makehuman' (the built-in head, with ARKit's "
    "52 actions; a stand-in), or bfm2009, bfm2017, flame, faceverse with files you obtained "
    "(`stkit assets where flame`)",
    "--consent": "who is shown and how they agreed, in words; kept in the mark of every file "
    "(default: asked once at a terminal)",
    "--driver": "what moves the result: a video, a voice (.wav, .mp3), tracked parameters (Live "
    "Link .csv, Audio2Face .json, FLAME .npz, SadTalker .mat, Deep3DFaceRecon .npy, a 3DMM-Fitting "
    "folder), 'synthetic:SEED', or another run's name (default: its own clip)",
}


def add_run(commands) -> None:
    """`stkit run`."""
    what = "all stages on one video; leaves runs/NAME/ with index.html and metrics.json"
    run = commands.add_parser("run", help=what)
    run.set_defaults(call=call_run)
    sources = (
        "a video file, a picture, a folder of images, 'synthetic' (also synthetic:SEED), or a film "
        f"of a real person that is fetched: {', '.join(PREFIX + name for name in SAMPLES)}"
    )
    run.add_argument("video", help=sources)
    run.add_argument("--name", default="demo", help="name of the run folder (default: demo)")
    run.add_argument("--profile", choices=tuple(PROFILES), help=PROFILE_HELP)
    run.add_argument("--prompt", help=PROMPT_HELP)
    run.add_argument("--shape", default="", help=SHAPE_HELP)
    run.add_argument("--editor", default="paint", help=EDITOR_HELP)
    for option, text in RUN_OPTIONS.items():
        run.add_argument(option, help=text)
    add_art_options(run)
    run.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda"),
        help="where heads are optimised (default: auto: CUDA where it can be had)",
    )
    run.add_argument(
        "--held-out",
        help="which frames no training sees, so that scores are computed on them: a fifth of the "
        "clip, its 'end' (default), those with the furthest 'turn' or the strongest 'expression'; "
        "or all 'from:SECONDS'",
    )
    run.add_argument("--seed", type=int, default=0, help="one number for all randomness")
    run.add_argument("--no-label", action="store_true", help=NO_LABEL_HELP)
    run.add_argument(
        "--notebooks",
        action="store_true",
        help="run the notebooks with papermill instead; keeps them in runs/NAME/notebooks/",
    )


def call_run(arguments) -> int:
    """The road on one video, by the library or by the notebooks."""
    start = time.monotonic()
    if not arguments.video:
        raise RequestError("the name of the video is empty; write 'synthetic' for a made-up person")
    for option in ("views", "rig", "face_model", "held_out", "shape"):
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
        face_model=arguments.face_model or "makehuman",
        held_out=arguments.held_out or "end",
        device=arguments.device,
        labels=not arguments.no_label,
    )
    settle_consent(road.plan.source, arguments.consent)
    drawing = asked_drawing(arguments)
    prompt = arguments.prompt or ("" if arguments.shape else CLOWN)
    request = (prompt, arguments.editor, arguments.driver)
    if arguments.notebooks:
        path = run_road(road, *request)
    else:
        path = road.everything(*request, shape=arguments.shape)
    if drawing:
        road.art(drawing, arguments.driver)
        write_page(road.run)
    print(f"\ndone in {time.monotonic() - start:.0f} s. Open {path}")
    return 0


def add_pages(commands) -> None:
    """`stkit page`, `stkit table` and `stkit clean`."""
    page = commands.add_parser("page", help="write a run's index.html and metrics.json again")
    page.add_argument("name")
    page.set_defaults(call=call_page)
    table = commands.add_parser("table", help="the results of several runs as a Markdown table")
    table.add_argument("names", nargs="+")
    table.add_argument("--write", type=Path, help="keep all numbers of the runs in this JSON file")
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
    if arguments.write:
        record = results_table.record(arguments.names)
        write_text(arguments.write, json.dumps(record, indent=1) + "\n")
    return 0


def call_clean(arguments) -> int:
    """Delete what is not needed any more, and say what it was."""
    if arguments.name and not run_folder(arguments.name).exists():
        raise MissingFileError(f"{run_folder(arguments.name)}: no such run")
    gone = clean(arguments.name)
    print("\n".join(f"deleted {path}" for path in gone) or "nothing to delete")
    return 0


def add_notebook(commands) -> None:
    """`stkit notebook`."""
    what = "run one notebook with papermill; parameters are checked first"
    note = commands.add_parser("notebook", help=what)
    note.set_defaults(call=call_notebook)
    note.add_argument("notebook", help="its number or name, such as 06 or 06_weigh_landmarks")
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
