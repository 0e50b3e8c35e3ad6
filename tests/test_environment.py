"""The four places that name package versions say the same, and the papers a repository needs are
there.
"""

import ast
import json
import os
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import stkit
from stkit.assets import repository

ROOT = repository()
# distributions whose import name is another one
DISTRIBUTION = {
    "cv2": "opencv-contrib-python",
    "dlib": "dlib-bin",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "IPython": "ipython",
    "c2pa": "c2pa-python",
    "pxr": "usd-core",
    "markdown_it": "markdown-it-py",
    "mdit_py_plugins": "mdit-py-plugins",
}
# tools that make speech to learn from, which a user installs alone: no dependencies of the kit
SPEECH_TOOLS = {"espeakng_loader", "pocketsphinx"}
# imported inside a function, and only where a GPU, fetched weights or an extra are
OPTIONAL = SPEECH_TOOLS | {
    "nbgrader",
    "markdown_it",
    "mdit_py_plugins",
    "pygments",
    "dask_jobqueue",
    "lmdb",
    "pxr",
    "gsplat",
    "kaolin",
    "dlib",
    "diffusers",
    "transformers",
    "tokenizers",
    "accelerate",
    "lpips",
}
CUDA_ONLY = re.compile(
    r"gsplat|kaolin|ninja|triton|nvidia-.*|cuda-.*|cupy.*|nvdiffrast|xformers|bitsandbytes"
)
EXACT = re.compile(r"[A-Za-z0-9][\w.-]*==[0-9][\w.!+]*")


def lines(path: Path) -> list[str]:
    """Lines of a requirements file without comments; options such as --extra-index-url included."""
    bare = (re.sub(r"(^|\s)#.*", "", line).strip() for line in path.read_text().splitlines())
    return [line for line in bare if line]


def pins(requirements: list[str]) -> dict[str, str]:
    """Name to version of each exact pin, names normalised, the local part (+cpu) dropped. Ranges
    and options are left out.
    """
    found: dict[str, str] = {}
    for text in requirements:
        if text.startswith("-"):
            continue
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        for s in requirement.specifier:
            if s.operator == "==" and "*" not in s.version:
                version = Version(s.version).public
                assert found.setdefault(name, version) == version, f"{name} is pinned twice"
    return found


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def project_requirements(*extras: str) -> list[str]:
    """The project's dependencies and those of the named extras."""
    p = project()
    return p["dependencies"] + [r for extra in extras for r in p["optional-dependencies"][extra]]


def conda() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text())


def conda_packages() -> dict[str, str]:
    """Name to version (or '') of the conda part, without the channel."""
    specs = [d.split("::")[-1] for d in conda()["dependencies"] if isinstance(d, str)]
    return {name: version for name, _, version in (s.partition("=") for s in specs)}


def conda_pip() -> list[str]:
    return next(d["pip"] for d in conda()["dependencies"] if isinstance(d, dict))


LOCK = lines(ROOT / "requirements.lock")
BINDER = lines(ROOT / "binder" / "requirements.txt")


def sources() -> dict[str, dict[str, str]]:
    """Every file that pins versions, and its exact pins."""
    return {
        "requirements.lock": pins(LOCK),
        "environment.yml": pins(conda_pip()),
        "binder/requirements.txt": pins(BINDER),
        "pyproject.toml": pins(project_requirements(*project()["optional-dependencies"])),
    }


def test_pins_are_read_as_pip_reads_them():
    assert pins(["torch==2.8.0+cpu", "Send2Trash==2.2.0", "scipy", "dask>=2", "--pre", "-e ."]) == {
        "torch": "2.8.0",
        "send2trash": "2.2.0",
    }
    with pytest.raises(AssertionError, match="pinned twice"):
        pins(["numpy==1.26.4", "numpy==2.0"])


def test_a_package_has_one_version_everywhere():
    versions: dict[str, dict[str, str]] = {}
    for file, found in sources().items():
        assert found, f"{file} pins nothing"
        for name, version in found.items():
            versions.setdefault(name, {})[file] = version
    torn = {
        name: by_file
        for name, by_file in versions.items()
        if len({Version(v) for v in by_file.values()}) > 1
    }
    assert not torn, f"versions differ: {torn}"


def test_the_lock_has_exact_pins_only():
    loose = [line for line in LOCK if not EXACT.fullmatch(line)]
    assert not loose, f"not NAME==VERSION: {loose}"
    assert len(pins(LOCK)) == len(LOCK), "a package stands twice"


def test_every_pin_has_hashes():
    text = (ROOT / "data_manifest" / "packages.lock").read_text()
    entries = re.findall(
        r"^(\S+==\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.M
    )
    assert [pin for pin, _ in entries] == lines(ROOT / "requirements.lock"), "run make hashes"


def test_the_lock_has_all_that_the_project_asks_for():
    locked = pins(LOCK)
    for text in project_requirements("dev", "gpu", "identity"):
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in locked, f"{name} is in pyproject.toml but not in requirements.lock"
        assert requirement.specifier.contains(locked[name]), (
            f"{text} does not allow the locked {locked[name]}"
        )


def test_the_gpu_environment_is_the_lock_and_kaolin():
    options = [r for r in conda_pip() if r.startswith("-")]
    packages = [r for r in conda_pip() if not r.startswith("-")]
    assert [r for r in packages if not EXACT.fullmatch(r)] == [], "the pip part has exact pins only"
    listed = pins(packages)
    assert set(listed) - set(pins(LOCK)) == {"kaolin"}, (
        "only kaolin, which PyPI does not have, may be outside the lock"
    )
    wanted = {
        canonicalize_name(Requirement(r).name)
        for r in project_requirements("dev", "gpu", "identity")
    }
    assert not wanted - set(listed), f"environment.yml lacks {sorted(wanted - set(listed))}"
    wheels = f"https://nvidia-kaolin.s3.us-east-2.amazonaws.com/torch-{listed['torch']}_cu128.html"
    assert options == [
        "--extra-index-url https://download.pytorch.org/whl/cu128",
        f"--find-links {wheels}",
        "-e .",
    ]
    assert conda_packages()["cuda-nvcc"] == conda_packages()["cuda-version"] == "12.8", (
        "nvcc is that of the torch wheel, cu128"
    )
    assert (
        conda()["name"] == "stkit"
        and "conda-forge" in conda()["channels"]
        and "ffmpeg" not in conda_packages()
    )


def test_one_python():
    runtime = (ROOT / "binder" / "runtime.txt").read_text().strip()
    python = conda_packages()["python"]
    assert runtime == f"python-{python}"
    asked = SpecifierSet(project()["requires-python"])
    allowed = [m for m in range(9, 15) if asked.contains(f"3.{m}.5")]
    assert allowed == [11, 12] and python == "3.11"
    assert f"PYTHON ?= python{python}\n" in (ROOT / "Makefile").read_text()


def test_binder_is_small_and_has_no_cuda():
    named = {canonicalize_name(Requirement(r).name): r for r in BINDER if not r.startswith("-")}
    assert not [n for n in named if CUDA_ONLY.fullmatch(n)], "a CUDA package in the CPU image"
    for name in ("torch", "torchvision"):
        assert named[name].endswith("+cpu"), f"{name} without +cpu would bring 3 GB of CUDA"
    assert all(EXACT.fullmatch(r) for r in named.values())
    options = [r for r in BINDER if r.startswith("-")]
    assert options == [
        "--extra-index-url https://download.pytorch.org/whl/cpu",
        "-c ../requirements.lock",
    ]
    assert not set(named) - set(pins(LOCK)), "a package that is not in the lock"


def imported(source: str) -> set[str]:
    """Top-level names of the third-party modules a piece of code imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"stkit"}


def code() -> dict[str, str]:
    """Every module of stkit and every notebook's code, by name."""
    found = {str(p.relative_to(ROOT)): p.read_text() for p in (ROOT / "stkit").rglob("*.py")}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        found[path.name] = "\n\n".join(
            "".join(c["source"]) for c in cells if c["cell_type"] == "code"
        )
    return found


@pytest.mark.parametrize(
    ("file", "excused"),
    [
        ("requirements.lock", {"kaolin"} | SPEECH_TOOLS),
        ("environment.yml", SPEECH_TOOLS),
        ("binder/requirements.txt", OPTIONAL),
    ],
)
def test_what_is_imported_is_pinned(file, excused):
    pinned = sources()[file]
    for name, source in code().items():
        for module in imported(source) - excused:
            assert canonicalize_name(DISTRIBUTION.get(module, module)) in pinned, (
                f"{name} imports {module}, which {file} lacks"
            )


@pytest.mark.parametrize(
    ("name", "last"), [("postBuild", "python -m compileall -q stkit"), ("start", 'exec "$@"')]
)
def test_binder_scripts(name, last):
    path = ROOT / "binder" / name
    text = path.read_text()
    assert os.access(path, os.X_OK), f"chmod +x binder/{name}"
    assert text.startswith("#!/usr/bin/env bash\n") and text.rstrip().splitlines()[-1] == last
    if name == "postBuild":
        assert "\nset -e\n" in text, "without it the image is built although a step failed"
    else:
        for line in (
            "OMP_NUM_THREADS=1",
            "STKIT_THREADS=2",
            "OMP_WAIT_POLICY=passive",
            "STKIT_PROFILE=quick",
        ):
            assert f"\nexport {line}\n" in text


def test_licences_and_citation():
    assert project()["license"] == "MIT"
    for name in project()["license-files"]:
        assert (ROOT / name).stat().st_size > 500, f"{name} is empty"
    code_licence, text_licence = (ROOT / "LICENSE").read_text(), (ROOT / "LICENSE-TEXT").read_text()
    assert code_licence.startswith("MIT License\n\nCopyright (c) 2026 the stkit authors\n")
    assert "https://creativecommons.org/licenses/by/4.0/legalcode" in text_licence
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (
        citation["cff-version"] == "1.2.0"
        and citation["type"] == "software"
        and citation["license"] == project()["license"]
    )
    assert str(citation["version"]) == stkit.__version__
    assert any(
        r["title"].startswith("StyleTalker:") and "doi" not in r for r in citation["references"]
    )
    assert f"## [{stkit.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    assert "## Faces and consent" in (ROOT / "CONTRIBUTING.md").read_text()
