import os
from pathlib import Path

os.environ.setdefault("STKIT_QUIET", "1")

import stkit  # noqa: F401, I001  (first: it sets OMP_WAIT_POLICY, which torch reads when it is imported)

import numpy as np
import pytest
import torch


LONGEST_FIRST = (
    "test_viewer_lab",
    "test_viewer_pages",
    "test_road",
    "test_methods",
)  # so that no worker ends alone
CLIPS = Path(__file__).resolve().parents[2] / "shared" / "clips"


def pytest_collection_modifyitems(items):
    """Files that take longest start first; all others keep their order."""
    items.sort(key=lambda item: item.path.stem not in LONGEST_FIRST)


@pytest.fixture
def clips() -> Path:
    """The folder of real footage, which is never part of the repository."""
    if not CLIPS.is_dir():
        pytest.skip(f"real footage is not here ({CLIPS})")
    return CLIPS


@pytest.fixture(autouse=True)
def runs_elsewhere(tmp_path, monkeypatch):
    """Every test has its own runs folder."""
    monkeypatch.setenv("STKIT_RUNS", str(tmp_path / "runs"))


@pytest.fixture(autouse=True, scope="session")
def certificate_elsewhere(tmp_path_factory):
    """No test touches the user's certificate."""
    from stkit.export.certificate import CHAIN, KEY, new_certificate

    folder, made = tmp_path_factory.mktemp("certificate"), new_certificate()
    (folder / CHAIN).write_text(made.chain)
    (folder / KEY).write_text(made.key)
    os.environ["STKIT_CERTIFICATE"] = str(folder)


@pytest.fixture(scope="module")
def one_torch_thread():
    """Pictures are too small for torch's own threads, which stall when other work shares the
    cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def capture():
    """A short clip of the synthetic subject, tracked like a video: 24 frames of 128 pixels."""
    from stkit.capture.preprocess import PreprocessSettings

    settings = PreprocessSettings(size=128, max_frames=24, fit_steps=200, refine_steps=120)
    return track("synthetic", settings)[0]


@pytest.fixture(scope="session")
def mesh(capture):
    """A small mesh head of the synthetic clip, the capture it was made from, and its loss
    history.
    """
    from stkit.heads.fit_mesh import fit_mesh
    from stkit.heads.mesh import MeshSettings
    from stkit.heads.mesh_training import MeshTraining

    settings = MeshTraining(
        steps=60,
        coarse_cell=0.22,
        resolution=128,
        lr=2e-3,
        warm_steps=250,
        deform_frames=3,
        model=MeshSettings(width=32, pose_width=24, feature=16, cell=0.2),
    )
    head, history = fit_mesh(capture, settings, capture.split()[0])
    return head, capture, history


@pytest.fixture(scope="session")
def gaussians(mesh):
    """A small Gaussian head of the synthetic clip."""
    from stkit.diffusion.mesh_prior import MeshPriorViews
    from stkit.heads.fit_gaussians import GaussianTraining, fit_gaussians
    from stkit.heads.gaussian import GaussianSettings

    head, capture, _ = mesh
    settings = GaussianTraining(
        steps=220,
        lr_nets=3e-3,
        model=GaussianSettings(
            width=32, pose_width=24, feature=16, mouth_points=200, face_points=600
        ),
    )
    return fit_gaussians(
        capture, head, MeshPriorViews()(capture, head, (-30.0, 30.0)), settings, capture.split()[0]
    )[0]


def track(source, settings):
    """A source's capture and the losses of its fits, as a run would make them."""
    from stkit.runs.source import Source
    from stkit.runs.stages import track as track_source

    return track_source(Source.parse(str(source)), settings)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grey_video(frames: int, size: tuple[int, int] = (96, 96)) -> np.ndarray:
    return np.full((frames, *size, 3), 128, np.uint8)
