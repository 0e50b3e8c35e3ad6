"""All films of a folder on several workers, the lists, the store, and what more would take."""

from dataclasses import dataclass
from pathlib import Path

from dask.distributed import as_completed

from stkit.io.tensors import write_json
from stkit.progress import bar
from stkit.studies.dataset.clips import Steps, process
from stkit.studies.dataset.names import Film, find_films, places, split
from stkit.studies.dataset.store import write_store
from stkit.studies.sweeps.engine import local_cluster


@dataclass(frozen=True)
class Order:
    """What is asked for. workers: None for as many as this machine has cores and memory for."""

    folder: Path
    layout: str
    out: Path
    workers: int | None = None
    steps: Steps = Steps()
    face_model: str = "makehuman"
    store: bool = False


def prepare(order: Order) -> list[dict]:
    """Prepare all films; those that are done stay as they are. Returns their records."""
    films = find_films(order.folder, order.layout)
    (order.out / "lists").mkdir(parents=True, exist_ok=True)
    rest = (order.out.resolve(), order.steps, order.face_model)
    with local_cluster(order.workers) as client:
        tasks = [client.submit(process, film, *rest, pure=False) for film in films]
        records = [t.result() for t in bar(as_completed(tasks), desc="films", total=len(tasks))]
    by_key = {r["film"]: r for r in records}
    usable = [f for f in films if by_key[f.key]["clips"]]
    for name, keys in split(usable).items():
        write_json(order.out / "lists" / f"{name}.json", _clips_of(keys, by_key))
    if order.store:
        write_store(clip_places(usable, by_key, order.out), order.out / "lmdb")
    return [by_key[f.key] for f in films]


def _clips_of(keys: list[str], records: dict[str, dict]) -> list[str]:
    return [clip for key in keys for clip in records[key]["clips"]]


def clip_places(films: list[Film], records: dict, out: Path) -> dict[str, dict[str, Path]]:
    """The files of each clip by its name."""
    return {
        name: places(film, k, out)
        for film in films
        for k, name in enumerate(records[film.key]["clips"])
    }


def report(records: list[dict], workers: int, hours: float) -> str:
    """What was done, what failed and why, and what `hours` of film would take at this rate."""
    done = [r for r in records if r["clips"]]
    failed = [r for r in records if r["error"]]
    seconds = sum(r["film_seconds"] for r in done)
    clips = sum(len(r["clips"]) for r in done)
    lines = [f"{clips} clips of {len(done)} films, {seconds:.0f} seconds of film"]
    lines += [f"left out: {r['error']}" for r in failed]
    if seconds:
        work = sum(r["work_seconds"] for r in done) / seconds
        size = sum(r["bytes"] for r in done) / seconds
        for what, length in (
            ("1,000 clips", 1000 * seconds / clips),
            (f"{hours:g} hours", 3600 * hours),
        ):
            time, space = work * length / 3600 / workers, size * length / 1e9
            lines.append(
                f"{what} at this rate: {time:.1f} hours on {workers} workers, {space:.1f} GB"
            )
    return "\n".join(lines)
