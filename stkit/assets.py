"""Files that are not part of the repository: where they live, what they are, and how to get them.

data_manifest/assets.yml is the only list. What is open is downloaded by pooch, and checked by its
sha256 where upstream publishes one. What needs a licence or a form is never downloaded: the message
says which file to get and where to put it.
"""

import hashlib
import importlib.util
import os
from pathlib import Path

import platformdirs
import pooch
import yaml

from stkit.errors import MissingFileError, RequestError

STATUS = ("bundled", "synthetic", "fetch", "manual")
READ_BLOCK = 1 << 20  # bytes that are hashed at a time

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent  # the repository, where the package runs from a checkout
SHARED = (
    PACKAGE / "_shared"
)  # copies of the repository's folders, which the build puts into a wheel
MANIFEST = Path("data_manifest", "assets.yml")
NOTEBOOKS = Path("notebooks")


def cache_dir() -> Path:
    """`STKIT_CACHE`, or the user's cache folder (~/.cache/stkit on Linux); made when asked for."""
    chosen = os.environ.get("STKIT_CACHE")
    path = Path(chosen) if chosen else platformdirs.user_cache_path("stkit", appauthor=False)
    path.mkdir(parents=True, exist_ok=True)
    return path


def assets_dir() -> Path:
    """`STKIT_ASSETS`, or `assets` in the cache: where files that a person obtained belong."""
    chosen = os.environ.get("STKIT_ASSETS")
    return Path(chosen) if chosen else cache_dir() / "assets"


def repository() -> Path:
    """The folder above the package, which is the checkout if `in_checkout()`."""
    return CHECKOUT


def in_checkout() -> bool:
    """Whether the package runs from a checkout of the repository, and not from an installed wheel.

    In a checkout results belong beside the package, elsewhere in the working directory.
    """
    return (CHECKOUT / MANIFEST).is_file()


def manifest_path() -> Path:
    """The list of assets: the repository's, or the copy in an installed wheel."""
    return _shipped(MANIFEST)


def notebooks_dir() -> Path:
    """The folder of the notebooks: the repository's, or the copy in an installed wheel."""
    return _shipped(NOTEBOOKS)


def _shipped(relative: Path) -> Path:
    """A file or folder of the repository. FileNotFoundError if this installation lacks it."""
    roots = (CHECKOUT, SHARED) if in_checkout() else (SHARED,)
    for root in roots:
        if (root / relative).exists():
            return root / relative
    raise MissingFileError(
        f"{SHARED / relative}: this installation of stkit is incomplete; install the package again "
        "from a wheel, or work in a checkout with `pip install -e .`"
    )


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as f:
        while block := f.read(READ_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def manifest() -> dict[str, dict]:
    """The assets by name, each with its licence, where to get it, and what works without it."""
    with manifest_path().open(encoding="utf-8") as f:
        return yaml.safe_load(f)["assets"]


def entry_of(name: str) -> dict:
    """One asset's entry. Raises ValueError with the known names."""
    known = manifest()
    if name not in known:
        raise RequestError(f"asset {name!r} is unknown; there are: {', '.join(known)}")
    return known[name]


def expected_path(name: str) -> Path:
    """Where an asset belongs on this machine, whether it is there or not."""
    entry = entry_of(name)
    if entry["status"] == "bundled":
        spec = importlib.util.find_spec(entry["package"])
        if spec and spec.origin:
            return Path(spec.origin).parent / entry["path"]
    return assets_dir() / entry["path"]


def asset_path(name: str) -> Path | None:
    """Where an asset is on this machine, or None where it is missing."""
    path = expected_path(name)
    return path if path.exists() else None


def how_to_get(name: str) -> str:
    """What a person must do: which file, from where, under which terms, and where to put it."""
    entry = entry_of(name)
    lines = [f"{name} ({entry['what']}) is not on this machine."]
    if entry.get("url"):
        lines.append(f"page: {entry['url']}")
    lines.append(f"terms: {entry['licence']}")
    lines.append(f"get it: {entry['get']}")
    lines.append(f"put it at: {expected_path(name)}")
    lines.append(f"without it: {entry['without']}")
    return "\n  ".join(lines)


def check_asset(name: str) -> str:
    """'ok', 'ok, not verified' or 'missing'. Raises ValueError if the file is there and wrong."""
    entry = entry_of(name)
    path = asset_path(name)
    if path is None:
        return "missing"
    missing = [f for f in entry.get("files", ()) if not (path / f).exists()]
    if missing:
        raise RequestError(
            f"{path}: incomplete, {', '.join(missing)} missing; get it again: {entry['get']}"
        )
    if path.is_dir():
        return "ok" if entry.get("files") or entry["status"] == "bundled" else "ok, not verified"
    return _check_file(path, entry)


def _check_file(path: Path, entry: dict) -> str:
    size = path.stat().st_size
    if entry.get("bytes") and entry.get("exact") and size != entry["bytes"]:
        raise RequestError(
            f"{path}: has {size} bytes, expected {entry['bytes']}; "
            f"delete it and get it again: {entry['get']}"
        )
    wanted = entry.get("sha256") or entry.get("sha256_prefix")
    if wanted is None:
        return "ok, not verified"
    if not sha256(path).startswith(wanted):
        raise RequestError(
            f"{path}: its sha256 does not begin with {wanted[:16]}; "
            f"delete it and get it again: {entry['get']}"
        )
    return "ok"


def get_asset(name: str, offline: bool = False) -> Path:
    """The asset's path; it is downloaded if it is open and missing.

    Raises FileNotFoundError with what to do instead.
    """
    path = asset_path(name)
    if path is not None:
        check_asset(name)
        return path
    entry = entry_of(name)
    downloadable = entry["status"] == "fetch" and "file_url" in entry
    if not downloadable or offline or os.environ.get("HF_HUB_OFFLINE"):
        raise MissingFileError(how_to_get(name))
    target = expected_path(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        pooch.retrieve(
            entry["file_url"], entry.get("sha256"), target.name, target.parent, progressbar=True
        )
    except Exception as e:  # requests raises a family of its own for each way a network can fail
        raise MissingFileError(
            f"{name}: the download failed ({type(e).__name__}). {how_to_get(name)}"
        ) from e
    check_asset(name)
    return target
