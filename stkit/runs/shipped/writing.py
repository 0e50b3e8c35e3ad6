"""Make the run that ships: `python -m stkit.runs.shipped.writing`, about ten minutes."""

import argparse
import shutil
import time
from dataclasses import asdict
from pathlib import Path

from stkit.io.tensors import read_json, write_json
from stkit.runs.machine import circumstances, machine
from stkit.runs.road import Road
from stkit.runs.shipped.files import TRACK, save_capture, save_part
from stkit.runs.shipped.reading import ABOUT, DRIVER, EDITS, HEAD, MARA, MESH
from stkit.runs.stages import LOG

SOURCE, DRIVER_SOURCE, PROFILE = "synthetic:mara", "synthetic:sami", "quick"
PROMPT, EDITOR = "turn her into a clown", "tiny"
METHODS = ("ours", "E1", "E2", "E3", "E4")
STAGES = ("preprocess", "mesh", "gaussians")


def ship(road: Road, folder: Path, minutes: float) -> None:
    """Write a run and an edit by each method into a folder, which is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / EDITS).mkdir(parents=True)
    save_capture(folder, road.raw_capture())
    road.capture().track.save(folder / TRACK)
    mesh, head = road.mesh_head(), road.gaussian_head()
    cell = asdict(mesh.settings) | {"cell": mesh.grid.cell}
    of_mesh, of_head = mesh.state_dict(), head.state_dict()
    save_part(folder / MESH, of_mesh, {}, {"mesh": cell, "names": list(of_mesh)})
    about = {"gaussians": asdict(head.settings), "names": list(of_head)}
    save_part(folder / HEAD, of_head, of_mesh, about)
    edits = {}
    for method in METHODS:
        edited = road.edit(PROMPT, EDITOR, method=method)
        path = folder / EDITS / f"{method}.safetensors"
        save_part(path, edited.state_dict(), of_head, about | {"edited": True})
        log = read_json(road.folder / "edit" / LOG)["edits"]
        steps = road.plan.edit_settings(PROMPT).steps
        facts = {"method": method, "editor": EDITOR, "prompt": PROMPT, "seed": road.plan.seed}
        edits[method] = facts | {"steps": steps, "targets": log} | {"numbers": road.numbers("edit")}
    write_json(
        folder / ABOUT,
        {
            "source": SOURCE,
            "profile": PROFILE,
            "commit": circumstances()["code"],
            "machine": machine(),
            "minutes": minutes,
            "numbers": {stage: road.numbers(stage) for stage in STAGES},
            "edits": edits,
        },
    )


def ship_driver(folder: Path) -> None:
    """Track another made-up person and write the clip, to drive the shipped head with."""
    folder.mkdir(parents=True, exist_ok=True)
    road = Road("ship-driver", DRIVER_SOURCE, PROFILE, 0)
    road.preprocess()
    save_capture(folder, road.raw_capture())
    facts = {"source": DRIVER_SOURCE, "profile": PROFILE, "commit": circumstances()["code"]}
    write_json(folder / ABOUT, facts | {"machine": machine()})


def main(arguments: list[str] | None = None) -> None:
    """Train, edit and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / MARA)
    parser.add_argument("--driver-only", action="store_true", help="leave the run as it is")
    a = parser.parse_args(arguments)
    folder = a.folder
    if not a.driver_only:
        _make_run(folder)
    ship_driver(folder / DRIVER)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {size / 1e6:.1f} MB")


def _make_run(folder: Path) -> None:
    begun = time.monotonic()
    road = Road("ship", SOURCE, PROFILE, 0)
    road.preprocess()
    road.mesh()
    road.gaussians()
    for method in METHODS:
        road.edit(PROMPT, EDITOR, method=method)
    ship(road, folder, (time.monotonic() - begun) / 60)


if __name__ == "__main__":
    main()
