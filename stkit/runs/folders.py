"""Where runs lie, what their names may be, and what a run remembers about itself."""

import os
from pathlib import Path

from stkit.assets import in_checkout, repository
from stkit.errors import RequestError
from stkit.io.tensors import read_json, write_json

STORE = ".store"  # the folder beside the runs that holds every artifact
LONGEST = 100  # letters of a run's name
REMEMBERED: dict[str, type] = {  # fields of run.json
    **dict.fromkeys(("source", "profile", "views", "rig", "face_model", "held_out"), str),
    **{"seed": int, "changes": dict, "edit": dict, "labels": bool, "consent": str},
}
FORBIDDEN = set('/\\:*?"<>| ')


def runs_root() -> Path:
    """`STKIT_RUNS`, or runs/ in the checkout; in an installed package, runs/ in the working
    directory.
    """
    given = os.environ.get("STKIT_RUNS")
    if given:
        return Path(given)
    return (repository() if in_checkout() else Path.cwd()) / "runs"


def run_folder(name: str) -> Path:
    """runs/NAME. Raises ValueError for names that are not plain folder names."""
    plain = name and not name.startswith(".") and len(name) <= LONGEST
    plain = plain and name.isprintable() and not name.startswith("-")
    if not plain or set(name) & FORBIDDEN:
        raise RequestError(
            f"run name {name!r}: use letters, digits, '-', '_' and '.', at most {LONGEST}, "
            "and begin with none of the dots"
        )
    return runs_root() / name


def is_run(name: str) -> bool:
    """Whether there is a run of this name."""
    try:
        return (run_folder(name) / "run.json").exists()
    except ValueError:
        return False


def remembered(name: str) -> dict:
    """What a run was made from: source, profile, seed, changes and so on; {} where there is no such
    run.
    """
    file = run_folder(name) / "run.json"
    found = read_json(file)
    for field, kind in REMEMBERED.items():
        if found.get(field) is not None and type(found[field]) is not kind:
            raise RequestError(
                f"{file}: {field!r} is not what a run remembers; delete the file, or the run"
            )
    changes, edit = found.get("changes") or {}, found.get("edit") or {}
    named = all(isinstance(edit.get(x, ""), str) for x in ("prompt", "editor", "shape"))
    if not all(isinstance(change, dict) for change in changes.values()) or not named:
        raise RequestError(f"{file}: its changes or its edit are damaged; delete the run")
    return found


def remember(name: str, facts: dict) -> None:
    """Write what a run was made from."""
    folder = run_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "run.json", facts)


def link(run: str, place: str, target: Path) -> Path:
    """Let runs/RUN/PLACE be a link to an artifact in the store; an older link gives way. Returns
    the link.
    """
    path = run_folder(run) / place
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.link")
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(os.path.relpath(target, path.parent), target_is_directory=True)
    except OSError:
        if os.name != "nt":
            raise
        return _junction(path, target)
    temporary.replace(path)
    return path


def _junction(path: Path, target: Path) -> Path:
    """A link to a folder for Windows, where symbolic links need a right that few people have."""
    import _winapi

    if path.exists():
        path.rmdir()  # removes a junction, never what it points to
    _winapi.CreateJunction(str(target.resolve()), str(path))  # type: ignore[attr-defined]
    return path


def slug(text: str, longest: int = 40) -> str:
    """A text as part of a file's name: letters and digits, words joined by dashes."""
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split()
    return "-".join(words)[:longest].strip("-") or "x"
