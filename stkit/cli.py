"""The `stkit` command. Exit codes: 0 done, 1 a stage failed, 2 the request was wrong, 130 interrupted (run again to go on)."""

import argparse
import os
import sys
import time
from pathlib import Path

EXAMPLES = """examples:
  stkit run synthetic --name demo
  stkit run me.mp4 --name me --profile laptop --prompt "turn him into a bronze statue"
  stkit run me.mp4 --name me --profile laptop --prompt "give her red hair" --driver other.mp4
  stkit doctor
"""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stkit",
        description="From a talking-head video to an edited, animated 3D head (StyleTalker, rebuilt).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    run = commands.add_parser(
        "run", help="all stages on one video; leaves runs/NAME/ with index.html and metrics.json"
    )
    run.add_argument(
        "video", help="a video file, a folder of images, or 'synthetic' (also synthetic:SEED)"
    )
    run.add_argument("--name", default="demo", help="name of the run folder (default: demo)")
    run.add_argument(
        "--profile",
        choices=("quick", "laptop", "paper"),
        help="quick: minutes; laptop: under 20 min; paper: one GPU (default: STKIT_PROFILE or quick)",
    )
    run.add_argument(
        "--prompt",
        default="turn him into a clown",
        help="what to do with the face (default: %(default)r)",
    )
    run.add_argument(
        "--views",
        default="mesh-prior",
        help="'mesh-prior' (the fitted mesh's own colours) or 'tiny-orbit' (a small diffusion model), stand-ins that come with the kit, or a V3D (Stable Video Diffusion) folder or hub id",
    )
    run.add_argument(
        "--rig",
        default="",
        metavar="FOLDER",
        help="more cameras around the same head, to learn from: a NeRSemble sequence (PARTICIPANT/sequences/NAME; VIDEO is one of its cam_SERIAL.mp4) or a folder in Gaussian-Head-Avatar's layout",
    )
    run.add_argument(
        "--face-model",
        default="builtin",
        metavar="NAME[:PATH]",
        help="whose expressions are tracked: 'builtin' (stand-in), or bfm2009, bfm2017, flame, faceverse with files you obtained (`stkit assets where flame`)",
    )
    run.add_argument(
        "--editor",
        default="paint",
        help="'paint' (rules) or 'tiny' (a small diffusion model), both stand-ins that come with the kit, or an InstructPix2Pix folder or hub id",
    )
    run.add_argument(
        "--driver",
        help="what moves the result: a video, tracked parameters (Live Link .csv, Audio2Face .json, FLAME .npz, a 3DMM-Fitting folder), 'synthetic:SEED', or another run's name (default: its own clip)",
    )
    run.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda"),
        help="where mesh, Gaussians and edit are optimised (default: auto: CUDA where a GPU, gsplat and kaolin are found)",
    )
    run.add_argument(
        "--seed", type=int, default=0, help="one number for all randomness (default: 0)"
    )
    run.add_argument(
        "--notebooks",
        action="store_true",
        help="run the notebooks with papermill instead of calling the stages; keeps them in runs/NAME/notebooks/",
    )
    page = commands.add_parser("page", help="write a run's index.html and metrics.json again")
    page.add_argument("name")
    table = commands.add_parser("table", help="the results of several runs as a Markdown table")
    table.add_argument("names", nargs="+")
    comparison = commands.add_parser(
        "compare", help="editing methods side by side on a finished run's head"
    )
    comparison.add_argument("name", help="the run whose Gaussian head is edited")
    comparison.add_argument("--prompt", default="turn him into a clown")
    comparison.add_argument(
        "--editor", default="paint", help="'paint', 'tiny', or an InstructPix2Pix folder or hub id"
    )
    comparison.add_argument(
        "--methods",
        default="ours,E1,E2,E3,E4",
        help="comma-separated names (default: %(default)s); see stkit.editing.methods",
    )
    comparison.add_argument(
        "--seeds",
        type=int,
        default=1,
        help="repeat each with this many seeds and print the spread (default: 1)",
    )
    comparison.add_argument(
        "--steps", type=int, help="edit steps (default: those of the run's profile)"
    )
    comparison.add_argument("--alpha", type=float, default=5.0)
    comparison.add_argument(
        "--boundary", type=float, default=0.5, help="b from which an edit counts as strong"
    )
    ablation = commands.add_parser(
        "ablate", help="the reconstruction's ablations on synthetic subjects, as a Markdown table"
    )
    ablation.add_argument(
        "sources",
        nargs="*",
        default=["synthetic"],
        help="'synthetic' or 'synthetic:SEED', one or more",
    )
    ablation.add_argument(
        "--variants",
        default="full,views18,tiny-orbit,no-views,D1,D2",
        help="comma-separated (default: %(default)s)",
    )
    ablation.add_argument(
        "--write",
        metavar="FILE",
        help="also write the table, with what it was computed on, to this file",
    )
    ablation.add_argument(
        "--profile", choices=("quick", "laptop", "paper"), help="default: STKIT_PROFILE or quick"
    )
    stock = commands.add_parser(
        "assets",
        help="weights and data from elsewhere: what there is, where it belongs, how to get it",
    )
    jobs = stock.add_subparsers(
        dest="job", required=True, metavar="list|get|check|where|convert-v3d"
    )
    jobs.add_parser("list", help="every asset with its state on this machine")
    getting = jobs.add_parser("get", help="download what is open; say what to do about the rest")
    getting.add_argument("names", nargs="+")
    getting.add_argument("--offline", action="store_true", help="never use the network")
    checking = jobs.add_parser(
        "check", help="verify what is here: files, sizes, sha256 where published"
    )
    checking.add_argument("names", nargs="*")
    jobs.add_parser("where", help="the path an asset has, or should have").add_argument("name")
    converting = jobs.add_parser(
        "convert-v3d", help="the released V3D.ckpt as a diffusers folder for --views"
    )
    converting.add_argument("checkpoint")
    converting.add_argument(
        "--svd", required=True, help="diffusers folder of stable-video-diffusion-img2vid-xt"
    )
    converting.add_argument(
        "--out", help="the folder to write (default: where `stkit assets where v3d_diffusers` says)"
    )
    converting.add_argument(
        "--full", action="store_true", help="keep 32-bit weights (default: half precision)"
    )
    commands.add_parser(
        "doctor", help="what this machine can do, what is missing, and what to do about it"
    )
    note = commands.add_parser(
        "notebook", help="run one notebook with papermill; parameters are checked first"
    )
    note.add_argument("notebook", help="its number or name, such as 04 or 04_weigh_landmarks")
    note.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a parameter (repeat for more)",
    )
    note.add_argument(
        "-o", "--output", help="where the executed notebook goes (default: runs/notebooks/)"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    try:
        commands = {
            "run": run,
            "page": page,
            "table": table,
            "compare": compare,
            "ablate": ablate,
            "assets": assets,
            "doctor": doctor,
            "notebook": notebook,
        }
        return commands[arguments.command](arguments)
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on from here", file=sys.stderr)
        return 130
    except (ValueError, FileNotFoundError) as e:
        print(f"stkit: {e}", file=sys.stderr)
        return 2
    except RuntimeError as e:
        print(f"stkit: {e}", file=sys.stderr)
        return 1


def run(arguments) -> int:
    from stkit import face_models
    from stkit.diffusion.editors import get_editor
    from stkit.runs.profiles import get_profile

    start = time.monotonic()
    profile = get_profile(arguments.profile).name
    get_editor(arguments.editor).check(arguments.prompt)
    if not arguments.video.startswith("synthetic") and not Path(arguments.video).exists():
        raise FileNotFoundError(
            f"{arguments.video}: no such file or folder. Give a video, a folder of images, or 'synthetic'"
        )
    if arguments.notebooks and arguments.views != "mesh-prior":
        raise ValueError("--views works without --notebooks: the notebooks show mesh-prior views")
    face_models.get(arguments.face_model)
    if arguments.notebooks and arguments.face_model != "builtin":
        raise ValueError(
            "--face-model works without --notebooks: notebook 01 explains the built-in head"
        )
    if arguments.notebooks:
        if arguments.rig:
            raise ValueError("--rig: leave out --notebooks, whose stages learn from one camera")
        from stkit.runs.notebooks import run_road

        path = run_road(
            arguments.name,
            arguments.video,
            profile,
            arguments.seed,
            arguments.prompt,
            arguments.editor,
            arguments.driver,
        )
    else:
        from stkit.runs.road import Road

        path = Road(
            arguments.name,
            arguments.video,
            profile,
            arguments.seed,
            view_model=arguments.views,
            rig=arguments.rig,
            device=arguments.device,
            face_model=arguments.face_model,
        ).everything(arguments.prompt, arguments.editor, arguments.driver)
    print(f"\ndone in {time.monotonic() - start:.0f} s. Open {path}")
    return 0


def compare(arguments) -> int:
    from stkit.diffusion.editors import get_editor
    from stkit.editing.loop import EditSettings
    from stkit.io.tensors import read_json
    from stkit.progress import bar
    from stkit.runs.road import Road
    from stkit.runs.store import run_folder
    from stkit.studies import edit_methods as comparison

    folder = run_folder(arguments.name)
    profile = read_json(folder / "metrics.json").get("computed_on", {}).get("profile")
    if not (folder / "gaussians" / "gaussian_head.safetensors").exists():
        raise FileNotFoundError(
            f"{folder}: no Gaussian head there; run `stkit run VIDEO --name {arguments.name}` first"
        )
    editor = get_editor(arguments.editor)
    editor.check(arguments.prompt)
    road = Road(arguments.name, profile=profile, quiet=True)
    settings = EditSettings(
        arguments.prompt,
        steps=arguments.steps or road.settings.edit_steps,
        frames=road.settings.edit_frames,
        alpha=arguments.alpha,
        b_boundary=arguments.boundary,
    )
    methods = [m.strip() for m in arguments.methods.split(",")]
    capture = road.capture()
    head = folder / "gaussians" / "gaussian_head.safetensors"
    numbers, rows = comparison.compare(
        head, capture, road.views(), editor, settings, methods, arguments.seeds, bar
    )
    path = comparison.write(folder / "compare", numbers, rows, capture, methods, settings, editor)
    print(comparison.table(numbers))
    print(f"\npictures: {path.with_suffix('.png')}")
    return 0


def ablate(arguments) -> int:
    from stkit.studies import ablations as ablation

    names = [v.strip() for v in arguments.variants.split(",")]
    numbers, _ = ablation.ablate(arguments.sources, names, arguments.profile)
    print("\n" + ablation.table(numbers))
    if arguments.write:
        ablation.write(Path(arguments.write), numbers, arguments.profile)
    return 0


def assets(arguments) -> int:
    from stkit import assets as stock

    if arguments.job == "list":
        for name, entry in stock.manifest().items():
            here = stock.asset_path(name)
            size = f"{entry['bytes'] / 1e9:.2f} GB" if entry["bytes"] >= 1e7 else "small"
            print(
                f"{'here   ' if here else 'absent '} {name:22} {entry['status']:9} {size:>12}  {entry['what']} ({entry['licence']})"
            )
    elif arguments.job == "where":
        print(stock.expected_path(arguments.name))
        return 0 if stock.asset_path(arguments.name) else 1
    elif arguments.job == "get":
        for name in arguments.names:
            print(f"{name}: {stock.get_asset(name, arguments.offline)}")
    elif arguments.job == "check":
        states = {name: stock.check_asset(name) for name in arguments.names or stock.manifest()}
        print("\n".join(f"{name}: {state}" for name, state in states.items()))
        return 0 if "missing" not in [states[n] for n in arguments.names] else 1
    else:
        from stkit.diffusion.convert import convert_v3d
        from stkit.progress import bar

        out = Path(arguments.out) if arguments.out else stock.expected_path("v3d_diffusers")
        out.parent.mkdir(parents=True, exist_ok=True)
        print(
            convert_v3d(
                Path(arguments.checkpoint), Path(arguments.svd), out, not arguments.full, bar
            )
        )
    return 0


def page(arguments) -> int:
    from stkit.runs.page import write_page

    print(write_page(arguments.name))
    return 0


def table(arguments) -> int:
    from stkit.runs.page import results_table

    print(results_table(arguments.names))
    return 0


def notebook(arguments) -> int:
    from stkit.runs.notebooks import execute, find_notebook, parse_parameters

    path = find_notebook(arguments.notebook)
    parameters = parse_parameters(path, arguments.parameter)
    print(execute(path, parameters, Path(arguments.output) if arguments.output else None))
    return 0


def doctor(arguments) -> int:
    """Print facts and remedies; exit code 1 if the core cannot run here."""
    import importlib.metadata as md
    import platform

    def line(ok: bool | None, what: str, remedy: str = "") -> None:
        mark = {True: "ok     ", False: "MISSING", None: "absent "}[ok]
        print(f"{mark}  {what}" + (f"\n         -> {remedy}" if remedy and not ok else ""))

    def version(name: str) -> str | None:
        try:
            return md.version(name)
        except md.PackageNotFoundError:
            return None

    print(
        f"stkit {md.version('stkit')} · Python {platform.python_version()} · {len(os.sched_getaffinity(0))} cores · {platform.machine()}\n"
    )
    good = platform.python_version().startswith("3.11")
    line(
        good,
        f"Python 3.11 (found {platform.python_version()})",
        "the lock is for 3.11: make the environment with python3.11",
    )
    for name in ("torch", "numba", "mediapipe", "av", "diffusers", "papermill", "jupyterlab"):
        found = version(name)
        good &= found is not None
        line(found is not None, f"{name} {found or ''}", "pip install -r requirements.lock")
    import torch

    cuda = torch.cuda.is_available()
    line(
        cuda or None,
        f"CUDA: {torch.cuda.get_device_name() if cuda else 'no GPU seen by torch'}",
        "fine: quick and laptop profiles run on the CPU; the paper profile wants a GPU",
    )
    found = version("gsplat")
    line(
        True if found and cuda else None,
        f"gsplat {found or ''}"
        + ("" if cuda else " (runs on CUDA only; the CPU kernels take its place)"),
        "pip install 'stkit[gpu]' on a CUDA machine",
    )
    try:
        import kaolin

        line(True, f"kaolin {kaolin.__version__}")
    except Exception:
        line(
            None,
            "kaolin",
            "optional; on CUDA: see environment.yml (PyPI's 'kaolin' 0.1 is an empty placeholder)",
        )
    from stkit.assets import asset_path, cache_dir, manifest

    print(f"\nweights and data (cache: {cache_dir()})")
    for name, entry in manifest().items():
        here = asset_path(name)
        line(
            True if here else None,
            f"{name}: {entry['what']}",
            f"without it: {entry['without']}. Get it: {entry['get']}",
        )
    free = os.statvfs(Path.cwd())
    print(f"\ndisk free here: {free.f_bavail * free.f_frsize / 1e9:.1f} GB")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
