"""The shipped JavaScript: made from the sources beside it; the developer's tools do not ship."""

import fnmatch
import hashlib
import tomllib
from pathlib import Path

from stkit.assets import repository
from stkit.viewers.viewer import SCRIPT

SOURCES = SCRIPT.parents[1] / "src"


def source_hash(folder: Path) -> str:
    """SHA-256 over names and contents of the modules in sorted order, as in build.mjs."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.js"), key=lambda path: path.name):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def test_the_bundle_is_fresh():
    first = SCRIPT.read_text(encoding="utf-8").split("\n", 1)[0]
    assert first == f"// sha256 of src/: {source_hash(SOURCES)}", "stale: run make viewer"


def test_a_changed_source_makes_it_stale(tmp_path):
    for path in SOURCES.glob("*.js"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert source_hash(tmp_path) == source_hash(SOURCES)
    with (tmp_path / "math.js").open("a") as file:
        file.write("\n")
    assert source_hash(tmp_path) != source_hash(SOURCES)


def test_the_wheel_has_the_bundle_and_none_of_the_tools():
    setuptools = tomllib.loads((repository() / "pyproject.toml").read_text())["tool"]["setuptools"]
    data = setuptools["exclude-package-data"]["stkit"]

    def excluded(path: str) -> bool:
        return any(fnmatch.fnmatch(path, pattern) for pattern in data)

    assert excluded("viewers/node_modules/esbuild/lib/main.js")
    assert excluded("viewers/package.json") and excluded("viewers/src/math.js")
    assert not excluded("viewers/static/viewer.js")
    packages = setuptools["packages"]["find"]["exclude"]
    assert any(fnmatch.fnmatch("stkit.viewers.node_modules.esbuild", p) for p in packages)
