"""Where files that are not part of the repository live: the cache, and the assets a person may have obtained."""

import hashlib
import importlib.util
import os
from pathlib import Path


def cache_dir() -> Path:
    """`STKIT_CACHE`, or ~/.cache/stkit; made when asked for."""
    path = Path(os.environ.get("STKIT_CACHE") or Path.home() / ".cache" / "stkit")
    path.mkdir(parents=True, exist_ok=True)
    return path


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


def asset_path(name: str) -> Path | None:
    """Where an asset of the manifest is on this machine (`STKIT_ASSETS`, the cache, or the package that brings it), or None."""
    entry = manifest()[name]
    if entry["status"] == "bundled":
        spec = importlib.util.find_spec(entry["package"])
        path = Path(spec.origin).parent / entry["path"] if spec and spec.origin else None
        return path if path and path.exists() else None
    root = Path(os.environ.get("STKIT_ASSETS") or cache_dir() / "assets")
    path = root / entry["path"]
    return path if path.exists() else None
