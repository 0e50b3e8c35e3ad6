"""The three profiles in one table: every size and step count that depends on how much machine and time there is."""

import os
from dataclasses import dataclass

from stkit.capture.preprocess import PreprocessSettings
from stkit.views import FRONTAL
from stkit.heads.fit_gaussians import GaussianTraining
from stkit.heads.fit_mesh import MeshTraining
from stkit.heads.gaussian import GaussianSettings
from stkit.heads.mesh import MeshSettings


@dataclass(frozen=True)
class Profile:
    """Settings of each stage; edit steps and how many frames the edit stage uses; what the profile is for."""

    name: str
    note: str
    preprocess: PreprocessSettings
    mesh: MeshTraining
    gaussians: GaussianTraining
    edit_steps: int
    edit_frames: int
    video_frames: int


QUICK = Profile(
    "quick", "tests and first looks: each notebook within a minute on two cores",
    PreprocessSettings(size=256, max_frames=60, fit_steps=250, refine_steps=500),
    MeshTraining(steps=240, coarse_cell=0.2, resolution=160, lr=2e-3, warm_steps=1200, deform_frames=3, model=MeshSettings(width=48, pose_width=32, feature=24, cell=0.15)),
    GaussianTraining(steps=420, lr_nets=2e-3, model=GaussianSettings(width=48, pose_width=32, feature=24, mouth_points=600)),
    edit_steps=160, edit_frames=8, video_frames=36,
)

LAPTOP = Profile(
    "laptop", "the whole road in under twenty minutes on two cores, pictures worth looking at",
    PreprocessSettings(size=256, max_frames=120, fit_steps=400, refine_steps=2400),
    MeshTraining(steps=600, warm_steps=1500, coarse_cell=0.16, model=MeshSettings(cell=0.1)),
    GaussianTraining(steps=3000),
    edit_steps=500, edit_frames=16, video_frames=100,
)

PAPER = Profile(
    "paper", "the paper's sizes and step counts, for one GPU",
    PreprocessSettings(size=512, max_frames=3000, fit_steps=1000, refine_steps=6000),
    MeshTraining(steps=10_000, warm_steps=0, coarse_cell=0.05, refine_at=0.0, resolution=256,
                 model=MeshSettings(width=256, pose_width=256, feature=128, cell=0.027, init="sphere", band=2.5), w_hold=0.0, w_laplacian=100.0, rare=0.0, eyes=1.0),
    GaussianTraining(steps=2_000, lr_xyz=1e-5, lr_feature=1e-4, lr_scales=3e-5, lr_quats=1e-5, lr_opacity=1e-4, lr_nets=1e-4,
                     model=GaussianSettings(width=256, pose_width=256, feature=128, mouth_points=3000, direct_color=False, flat=1.0), azimuths=FRONTAL, rare=0.0),
    edit_steps=20_000, edit_frames=40, video_frames=300,
)

PROFILES = {p.name: p for p in (QUICK, LAPTOP, PAPER)}


def get_profile(name: str | None = None) -> Profile:
    """A profile by name; None means `STKIT_PROFILE`, or quick. Raises ValueError with the known names."""
    name = name or os.environ.get("STKIT_PROFILE") or "quick"
    if name not in PROFILES:
        raise ValueError(f"profile {name!r} is not one of {', '.join(PROFILES)}")
    return PROFILES[name]
