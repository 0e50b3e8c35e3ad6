"""What a run is made from: its settings stage by stage, and the key of every artifact that follows
from them.

Nothing is made here: a plan only says what would be made. Keys of later stages follow from keys of
earlier ones.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from stkit.capture.frame_choice import check_held_out
from stkit.capture.preprocess import PreprocessSettings
from stkit.diffusion.views import STAND_INS
from stkit.editing.settings import EditSettings
from stkit.errors import RequestError
from stkit.heads.fit_gaussians import GaussianTraining
from stkit.heads.mesh_training import MeshTraining
from stkit.render import pick_device
from stkit.runs.digests import digest_path, model_digest
from stkit.runs.folders import slug
from stkit.runs.profiles import STILL_GAUSSIANS, STILL_MESH, Profile, get_profile
from stkit.runs.source import Source
from stkit.runs.store import Artifact, Recipe
from stkit.views import FRONTAL
from stkit.voice.speaking import WEIGHTS

CODE = {  # the modules that make each stage's artifact; what they import counts too
    "preprocess": ("stkit.runs.source", "stkit.capture.preprocess", "stkit.driving.tracked"),
    "voice": ("stkit.runs.source", "stkit.voice.speaking", "stkit.driving.tracked"),
    "mesh": ("stkit.heads.fit_mesh", "stkit.export.obj"),
    "views": ("stkit.diffusion.views",),
    "gaussians": ("stkit.heads.fit_gaussians", "stkit.capture.rig"),
    "edit": ("stkit.editing.loop", "stkit.diffusion.editors"),
    "animate": ("stkit.runs.reports.animation",),
    "art": ("stkit.runs.reports.art",),
}
NEEDS = {"mesh": ("kaolin",), "gaussians": ("gsplat",), "edit": ("gsplat",)}  # on a GPU
LARGEST_SEED = 2**63 - 1
DEVICES = ("auto", "cpu", "cuda")
IDENTITY = ("source", "profile", "seed", "views", "rig", "face_model", "held_out")


@dataclass
class Plan:
    """source: where the clip comes from; profile: a name; views: 'mesh-prior', 'tiny-orbit', or a
    V3D folder or id.

    rig: a folder of calibrated cameras around the same head, or "". held_out: which frames no
    training sees, see `frame_choice.choose_held_out`; 'end' is the data set's own split where the
    source has one. changes: by stage, what differs
    from the profile. device: where heads are optimised, 'cpu', 'cuda' or 'auto'; it is in no key.
    """

    source: Source
    profile: str
    seed: int = 0
    views: str = "mesh-prior"
    rig: str = ""
    face_model: str = "makehuman"
    held_out: str = "end"
    device: str = "auto"
    changes: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise RequestError(f"device {self.device!r}: {', '.join(DEVICES)}")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise RequestError(f"seed {self.seed}: a whole number from 0 to 2^63 - 1")
        check_held_out(self.held_out)
        if self.held_out == "end":
            self.held_out = self.source.own_split() or "end"
        self.settings: Profile = get_profile(self.profile)
        self.profile = self.settings.name

    @property
    def identity(self) -> dict[str, Any]:
        """What makes this run another one when it changes."""
        return {name: getattr(self, name) for name in IDENTITY} | {"source": self.source.text}

    def device_of(self, stage: str) -> str:
        """Where a stage is optimised; ValueError where 'cuda' is asked for and cannot be had."""
        return pick_device(self.device, NEEDS[stage]) if stage in NEEDS else "cpu"

    def artifact(self, stage: str, settings: object, inputs: dict[str, str]) -> Artifact:
        """The place of a stage's artifact, made or not."""
        return Artifact(Recipe(stage, settings, inputs, CODE[stage]), self.device_of(stage))

    # ---- settings
    def preprocess_settings(self) -> PreprocessSettings:
        """Of stage 01."""
        change = self.changes.get("preprocess", {})
        profile = self.settings.preprocess
        seed, face_model, held_out = self.seed, self.face_model, self.held_out
        return replace(profile, seed=seed, face_model=face_model, held_out=held_out, **change)

    def mesh_settings(self) -> MeshTraining:
        """Of stage 02."""
        still = STILL_MESH if self.source.kind == "photo" else {}
        change = still | self.changes.get("mesh", {})
        return replace(self.settings.mesh, seed=self.seed, **change)

    def gaussian_settings(self) -> GaussianTraining:
        """Of stage 03. The mesh stage's deformation net is kept, so the nets' widths are that
        stage's.
        """
        still = STILL_GAUSSIANS if self.source.kind == "photo" else {}
        change = still | self.changes.get("gaussians", {})
        change.pop("use_views", None)
        settings = replace(self.settings.gaussians, seed=self.seed, **change)
        mesh = self.mesh_settings().model
        model = replace(
            settings.model,
            width=mesh.width,
            pose_width=mesh.pose_width,
            feature=mesh.feature,
            deform_scale=mesh.deform_scale,
        )
        return replace(settings, model=model)

    def azimuths(self) -> tuple[float, ...] | None:
        """Where stage 03's views are (degrees); None where it learns from the video alone."""
        if not self.changes.get("gaussians", {}).get("use_views", True):
            return None
        return tuple(self.gaussian_settings().azimuths) if self.views in STAND_INS else FRONTAL

    def edit_settings(self, prompt: str, **change) -> EditSettings:
        """Of stage 05: the profile's, changed."""
        profile = self.settings
        usual = {"steps": profile.edit_steps, "frames": profile.edit_frames, "seed": self.seed}
        return EditSettings(prompt, **{**usual, **profile.edit_rates, **change})

    # ---- artifacts
    def captured(self) -> Artifact:
        """Of stage 01."""
        named = {"settings": asdict(self.preprocess_settings()), "name": self.source.clip_name}
        inputs = {"source": self.source.digest()}
        if self.source.kind == "sound":
            inputs["style_e"] = digest_path(WEIGHTS)
            return self.artifact("voice", named, inputs)
        return self.artifact("preprocess", named, inputs)

    def meshed(self) -> Artifact:
        """Of stage 02."""
        inputs = {"capture": self.captured().key} | self._rig_input()
        return self.artifact("mesh", asdict(self.mesh_settings()), inputs)

    def _rig_input(self) -> dict[str, str]:
        """What stages read of a rig, if there is one."""
        return {"rig": digest_path(Path(self.rig))} if self.rig else {}

    def viewed(self, azimuths: tuple[float, ...]) -> Artifact:
        """Views of the neutral frame."""
        settings = {"provider": model_digest(self.views), "azimuths": azimuths}
        inputs = {"capture": self.captured().key, "mesh": self.meshed().key}
        return self.artifact("views", settings, inputs)

    def coloured(self) -> Artifact:
        """Of stage 03."""
        inputs = {"capture": self.captured().key, "mesh": self.meshed().key}
        azimuths = self.azimuths()
        if azimuths:
            inputs["views"] = self.viewed(azimuths).key
        inputs |= self._rig_input()
        return self.artifact("gaussians", asdict(self.gaussian_settings()), inputs)

    def edited(self, settings: EditSettings, editor: str) -> Artifact:
        """Of stage 05."""
        named = {"settings": settings, "editor": model_digest(editor)}
        inputs = {"head": self.coloured().key} | self._rig_input()
        if not self.rig:
            inputs["views"] = self.viewed(FRONTAL).key
        return self.artifact("edit", named, inputs)


def edit_name(settings: EditSettings) -> str:
    """An edit's name for people: its words, its method if it is not ours, alpha and the
    boundary.
    """
    method = [] if settings.method == "ours" else [slug(settings.method)]
    numbers = [f"alpha{settings.alpha:g}", f"b{settings.b_boundary:g}"]
    return "-".join([slug(settings.words), *method, *numbers])
