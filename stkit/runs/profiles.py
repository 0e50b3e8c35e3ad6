"""The three profiles in one table: every size and step count that depends on how much machine and
time there is.

`paper` takes the paper's number where the paper prints one, and the lineage's
(Gaussian-Head-Avatar's) where it is silent; docs/deviations.md lists what is neither.
"""

import os
from dataclasses import dataclass, field
from typing import Any

from stkit.capture.preprocess import PreprocessSettings
from stkit.errors import RequestError
from stkit.heads.fit_gaussians import GaussianTraining
from stkit.heads.gaussian import GaussianSettings
from stkit.heads.mesh import MeshSettings
from stkit.heads.mesh_training import MeshTraining
from stkit.views import FRONTAL

PAPER_RATE = 1e-4  # the paper's learning rate, "throughout" (Sec. 4)
LINEAGE_CELL = (
    0.068  # dm: a unit sphere then has 17,568 vertices; the lineage's grid gives it 17,372
)


@dataclass(frozen=True)
class Profile:
    """Settings of each stage, and what the profile is for.

    edit_steps and edit_frames: of the edit stage, with edit_rates where its learning rates are not
    the default; video_frames: of each clip that the animation stage writes.
    """

    name: str
    note: str
    preprocess: PreprocessSettings
    mesh: MeshTraining
    gaussians: GaussianTraining
    edit_steps: int
    edit_frames: int
    video_frames: int
    edit_rates: dict[str, float] = field(default_factory=dict)


# of the Gaussian stage's short trainings: about six times the usual rates. On clip_a 1,500 steps
# then score what 4,000 did (docs/results/time-to-quality.json)
SHORT_RATES: dict[str, float] = {
    "lr_xyz": 2e-3,
    "lr_feature": 6e-2,
    "lr_nets": 3e-3,
    "lr_scales": 1.2e-2,
    "lr_quats": 8e-3,
    "lr_opacity": 3e-2,
    "lr_track": 4e-4,
}

QUICK = Profile(
    name="quick",
    note="tests and first looks: each notebook within a minute on two cores",
    preprocess=PreprocessSettings(size=256, max_frames=60, fit_steps=250, refine_steps=500),
    mesh=MeshTraining(
        steps=240,
        coarse_cell=0.2,
        resolution=160,
        lr=2e-3,
        warm_steps=1200,
        deform_frames=3,
        model=MeshSettings(width=48, pose_width=32, feature=24, cell=0.15),
    ),
    gaussians=GaussianTraining(
        steps=420,
        track_steps=40,
        model=GaussianSettings(
            width=48, pose_width=32, feature=24, mouth_points=600, face_points=1500
        ),
        **SHORT_RATES,  # type: ignore[arg-type]
    ),
    edit_steps=160,
    edit_frames=8,
    video_frames=36,
)

LAPTOP = Profile(
    name="laptop",
    note="the whole road in about five minutes on two cores, pictures worth looking at",
    preprocess=PreprocessSettings(size=256, max_frames=120, fit_steps=400, refine_steps=1200),
    mesh=MeshTraining(steps=300, warm_steps=750, coarse_cell=0.16, model=MeshSettings(cell=0.1)),
    gaussians=GaussianTraining(steps=1500, **SHORT_RATES),  # type: ignore[arg-type]
    edit_steps=500,
    edit_frames=16,
    video_frames=100,
)

PAPER = Profile(
    name="paper",
    note="the paper's step counts and rates, the lineage's sizes, for one GPU",
    preprocess=PreprocessSettings(size=512, max_frames=3000, fit_steps=1000, refine_steps=6000),
    mesh=MeshTraining(
        steps=10_000,
        warm_steps=0,
        coarse_cell=LINEAGE_CELL,
        refine_at=0.0,
        resolution=256,
        lr=PAPER_RATE,
        lr_landmarks=PAPER_RATE,
        w_laplacian=100.0,
        w_hold=0.0,
        w_still=0.0,
        beta_noise=0.0,
        rare=0.0,
        eyes=1.0,
        model=MeshSettings(
            width=256,
            pose_width=256,
            feature=128,
            cell=LINEAGE_CELL,
            init="sphere",
            band=2.5,
            model_motion=False,
        ),
    ),
    gaussians=GaussianTraining(
        steps=2_000,
        lr_xyz=PAPER_RATE,
        lr_feature=PAPER_RATE,
        lr_scales=PAPER_RATE,
        lr_quats=PAPER_RATE,
        lr_opacity=PAPER_RATE,
        lr_nets=PAPER_RATE,
        lr_follow=PAPER_RATE,
        lr_track=1e-5,
        lr_lattice=0.0,
        track_steps=40,
        w_rgb=0.1,
        w_ssim=0.0,
        noise=0.0,
        rare=0.0,
        view_share=1.0,
        azimuths=FRONTAL,
        model=GaussianSettings(
            width=256,
            pose_width=256,
            feature=128,
            mouth_points=3000,
            direct_color=False,
            flat=1.0,
        ),
    ),
    edit_steps=20_000,
    edit_frames=40,
    video_frames=300,
    edit_rates=dict.fromkeys(
        ("lr_color", "lr_xyz", "lr_scales", "lr_opacity", "lr_nets"), PAPER_RATE
    ),
)

# what differs where one picture is all there is: most steps look at views of the mesh, since one
# picture is learned by heart within seconds, and no frame moves anything by itself
STILL_GAUSSIANS: dict[str, Any] = {"view_share": 0.65, "lr_lattice": 0.0, "lr_track": 0.0}
STILL_MESH: dict[str, Any] = {"warm_steps": 400}

PROFILES = {p.name: p for p in (QUICK, LAPTOP, PAPER)}


def get_profile(name: str | None = None) -> Profile:
    """A profile by name; without a name `STKIT_PROFILE`, or quick. Raises ValueError with the known
    names.
    """
    name = name or os.environ.get("STKIT_PROFILE") or "quick"
    if name not in PROFILES:
        raise RequestError(f"profile {name!r} is not one of {', '.join(PROFILES)}")
    return PROFILES[name]
