"""Settings of the mesh stage's optimisation."""

from dataclasses import dataclass, field

from stkit.heads.mesh import MeshSettings


@dataclass(frozen=True)
class MeshTraining:
    """Steps, frames a step, learning rates and loss weights of the mesh stage.

    The weights of Eq. 4 are the paper's, that of the offsets the lineage's, and that of the
    Laplacian the kit's (30; the lineage's is 100). Steps and rates are for short runs; the paper's
    stand in the `paper` profile.

    `coarse_cell` is the grid's spacing (dm) until `refine_at` of the steps. `w_still` holds what
    moves with the pose alone: the Laplacian would rather pull the unseen back of the head forward
    through the deformation, by a centimetre, than bend the surface. `w_hold`: the SDF stays where
    the fitted head put it unless the pictures say otherwise. `rare` (see `capture.chances`) and
    `eyes`, the weight of their 12 landmarks in the deformation loss: without them a head learns the
    mouth first and never closes its lids. These four are the kit's. `beta_noise`, in standard
    deviations over the clip, blurs the expressions that the deformation learns from. `rig_share`:
    how often a step looks at another camera of a rig, where there is one.
    """

    steps: int = 700
    batch: int = 1
    coarse_cell: float = 0.16
    refine_at: float = 0.4
    lr: float = 1e-3
    lr_landmarks: float = 1e-4
    w_rgb: float = 0.1
    w_deform: float = 1.0
    w_silhouette: float = 0.1
    w_sdf: float = 0.01
    w_laplacian: float = 30.0
    w_offset: float = 0.01
    w_still: float = 1.0
    w_hold: float = 1.0
    deform_frames: int = 4
    surface_points: int = 300
    warm_steps: int = 400
    beta_noise: float = 0.5
    rare: float = 0.5
    eyes: float = 8.0
    refresh_every: int = 20
    resolution: int = 256
    rig_share: float = 0.6
    model: MeshSettings = field(default_factory=MeshSettings)
    seed: int = 0
