"""Files that are not part of the repository: where they live, what they are, and how a person gets them.

data_manifest/assets.yml is the only list. What is open is downloaded by pooch (resumable by file, checked by sha256 where
upstream publishes one); what needs a licence or a form is never downloaded: the message says which file goes where.
"""

import hashlib
import importlib.util
import os
from pathlib import Path

STATUS = ("bundled", "synthetic", "fetch", "manual")


def cache_dir() -> Path:
    """`STKIT_CACHE`, or ~/.cache/stkit; made when asked for."""
    path = Path(os.environ.get("STKIT_CACHE") or Path.home() / ".cache" / "stkit")
    path.mkdir(parents=True, exist_ok=True)
    return path


def assets_dir() -> Path:
    """`STKIT_ASSETS`, or `assets` in the cache: where files a person obtained are looked for."""
    return Path(os.environ.get("STKIT_ASSETS") or cache_dir() / "assets")


def repository() -> Path:
    """The checkout this package runs from (notebooks/ and data_manifest/ live there)."""
    return Path(__file__).resolve().parent.parent


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def manifest() -> dict[str, dict]:
    """data_manifest/assets.yml: every outside asset with licence, where to get it, and what works without it."""
    import yaml

    path = repository() / "data_manifest" / "assets.yml"
    with open(path) as f:
        return yaml.safe_load(f)["assets"]


def entry_of(name: str) -> dict:
    """One asset's entry. Raises ValueError with the known names."""
    known = manifest()
    if name not in known:
        raise ValueError(f"asset {name!r} is unknown; there are: {', '.join(known)}")
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
    """Where an asset is on this machine (`STKIT_ASSETS`, the cache, or the package that brings it), or None."""
    path = expected_path(name)
    return path if path.exists() else None


def how_to_get(name: str) -> str:
    """What a person must do: which file, from where, under which terms, and where to put it."""
    entry = entry_of(name)
    where = f"\n  page: {entry['url']}" if entry.get("url") else ""
    return (
        f"{name} ({entry['what']}) is not on this machine.{where}\n  terms: {entry['licence']}\n  get it: {entry['get']}\n"
        f"  put it at: {expected_path(name)}\n  without it: {entry['without']}"
    )


def check_asset(name: str) -> str:
    """'ok', 'ok, not verified' or 'missing'. Raises ValueError naming the file if it is there and wrong."""
    entry, path = entry_of(name), asset_path(name)
    if path is None:
        return "missing"
    missing = [f for f in entry.get("files", ()) if not (path / f).exists()]
    if missing:
        raise ValueError(
            f"{path}: incomplete, {', '.join(missing)} missing; get it again: {entry['get']}"
        )
    if path.is_dir():
        return "ok" if entry.get("files") or entry["status"] == "bundled" else "ok, not verified"
    size = path.stat().st_size
    if entry.get("bytes") and entry.get("exact") and size != entry["bytes"]:
        raise ValueError(
            f"{path}: has {size} bytes, expected {entry['bytes']}; delete it and get it again: {entry['get']}"
        )
    wanted = entry.get("sha256") or entry.get("sha256_prefix")
    if wanted is None:
        return "ok, not verified"
    if not sha256(path).startswith(wanted):
        raise ValueError(
            f"{path}: its sha256 does not begin with {wanted[:16]}; delete it and get it again: {entry['get']}"
        )
    return "ok"


def get_asset(name: str, offline: bool = False) -> Path:
    """The asset's path, downloaded if it is open and missing. Raises FileNotFoundError with what to do instead."""
    path = asset_path(name)
    if path is not None:
        check_asset(name)
        return path
    entry = entry_of(name)
    if (
        entry["status"] != "fetch"
        or "file_url" not in entry
        or offline
        or os.environ.get("HF_HUB_OFFLINE")
    ):
        raise FileNotFoundError(how_to_get(name))
    import pooch

    target = expected_path(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        pooch.retrieve(
            entry["file_url"], entry.get("sha256"), target.name, target.parent, progressbar=True
        )
    except Exception as e:  # requests raises a family of its own for each way a network can fail
        raise FileNotFoundError(
            f"{name}: the download failed ({type(e).__name__}). {how_to_get(name)}"
        ) from e
    check_asset(name)
    return target
