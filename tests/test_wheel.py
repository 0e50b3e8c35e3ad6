"""The wheel in empty environments: takes minutes, so `make test-long` runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12")

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout, built out of its source archive."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "-o", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("version", PYTHONS)
def test_the_wheel_runs_where_nothing_else_is(wheel, tmp_path, version):
    """Installed with its dependencies; manifest, notebooks and weights inside; runs in the
    folder.
    """
    python = shutil.which(f"python{version}")
    if python is None:
        pytest.skip(f"python{version} is not here")
    if subprocess.run([python, "-c", ""], check=False).returncode:
        pytest.skip(f"python{version} does not start")
    venv = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", venv], check=True)
    pip = [venv / "bin" / "python", "-m", "pip", "install", "-q"]
    subprocess.run([*pip, wheel, "-c", constraints(tmp_path)], check=True)
    work = tmp_path / "work"
    work.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith(("STKIT", "PYTHON"))}

    def stkit(*words: str) -> str:
        command = [venv / "bin" / "stkit", *words]
        done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    assert "mediapipe_models" in stkit("assets", "list")
    stkit("notebook", "00", "-o", str(work / "00.ipynb"))
    stkit("run", "synthetic", "--editor", "tiny", "--prompt", "turn him into a clown")
    assert (work / "runs" / "demo" / "index.html").exists()


def constraints(folder: Path) -> Path:
    """The lock's versions, without those that another Python may lack."""
    path = folder / "constraints.txt"
    shutil.copy(ROOT / "requirements.lock", path)
    return path
