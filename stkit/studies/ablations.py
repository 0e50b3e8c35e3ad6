"""Variants of the reconstruction, each trained and scored on a run: the paper's (Tables 3 to 5),
and `tiny-orbit`, `D1b` and the baselines, which are the kit's.

Each variant says what it leaves out. Variants of one subject share its tracked capture and, where
they have one, its mesh head, through the store; so does everything else that has the same key.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from stkit.cameras import orbit_camera
from stkit.capture import Capture, Track
from stkit.diffusion.views import get_views
from stkit.heads.baselines.fitting import fit_baseline, load_baseline, save_baseline
from stkit.heads.baselines.radiance_field import RadianceField, fit_radiance_field
from stkit.heads.fit_gaussians import GaussianTraining, fit_gaussians
from stkit.heads.gaussian import GaussianHead
from stkit.heads.mesh import MeshHead, new_mesh_head
from stkit.heads.placing import PosableHead, RenderableHead
from stkit.io.images import sheet, u8
from stkit.io.tensors import load_tensors, read_json
from stkit.runs.road import Road
from stkit.runs.scores import (
    absent_because,
    held_out_scores,
    novel_view_score,
    tracked_scores,
)
from stkit.runs.stages import GAUSSIAN_HEAD, TRACK
from stkit.runs.store import Artifact, Recipe, Work, results
from stkit.training import seeded
from stkit.views import FRONTAL, ORBIT

FIELD = "radiance-field"  # the one baseline that tracking cannot be aligned to
BASELINE_HEAD = "baseline_head.safetensors"
SIDES = (0.0, -30.0, 30.0, 60.0)  # degrees, of the pictures


@dataclass(frozen=True)
class Variant:
    """One line of the table.

    azimuths of the views (None: no views); the surface that the Gaussians start on: the mesh
    stage's ('mesh'), the fitted face model's ('model') or a unit sphere's ('sphere'); whether the
    mesh stage's MLP_deform is kept; and who makes the views ("": the run's provider). baseline: a
    name of `heads.baselines.fitting.BASELINES`, or FIELD, trained instead; it has no mesh and no
    views.
    """

    idea: str
    azimuths: tuple[float, ...] | None = FRONTAL
    surface: str = "mesh"
    keep_deformation: bool = True
    provider: str = ""
    baseline: str = ""


VARIANTS = {
    "full": Variant("6 frontal views, mesh stage, its MLP_deform kept frozen"),
    "views18": Variant("all views of the orbit instead of 6", azimuths=ORBIT),
    "tiny-orbit": Variant(
        "all views by the tiny diffusion orbit instead of the mesh prior",
        azimuths=ORBIT,
        provider="tiny-orbit",
    ),
    "no-views": Variant("video frames only", azimuths=None),
    "D1": Variant(
        "no mesh stage: Gaussians on a unit sphere, MLP_deform from scratch",
        surface="sphere",
        keep_deformation=False,
    ),
    "D1b": Variant(
        "no mesh stage: Gaussians on the fitted face model, MLP_deform from scratch",
        surface="model",
        keep_deformation=False,
    ),
    "D2": Variant("mesh stage, but MLP_deform from scratch", keep_deformation=False),
    "deformed-points": Variant("PointAvatar's idea, rebuilt small", baseline="deformed-points"),
    "surface-gaussians": Variant("FlashAvatar's idea, rebuilt small", baseline="surface-gaussians"),
    FIELD: Variant("INSTA's idea, rebuilt small", baseline=FIELD),
}
CODE = ("stkit.studies.ablations",)


@dataclass(frozen=True)
class Ablated:
    """One variant on one subject: its numbers, its folder with the head and its picture from four
    sides, and what it was computed on.
    """

    numbers: dict[str, float]
    folder: Path
    info: dict

    @property
    def picture(self) -> Path:
        """One held-out frame from four sides."""
        return self.folder / "sides.png"

    def capture(self, road: Road) -> Capture:
        """The run's capture with the tracking that the variant's training refined."""
        return road.raw_capture().with_track(Track.load(self.folder / TRACK))

    def head(self, road: Road) -> GaussianHead:
        """The variant's head; a baseline's is another kind, see `posable`."""
        return GaussianHead.load(self.folder / GAUSSIAN_HEAD)

    def shown(self, road: Road) -> RenderableHead:
        """The head of any variant, to be shown."""
        baseline, capture = self.folder / BASELINE_HEAD, road.raw_capture()
        if not baseline.exists():
            return self.head(road)
        if load_tensors(baseline, "baseline")[1]["baseline"] == FIELD:
            return RadianceField.load(baseline, capture)
        return load_baseline(baseline, capture)


def run_variant(road: Road, name: str) -> Ablated:
    """A variant on a run's subject, found in the store or computed."""
    variant, settings = VARIANTS[name], variant_settings(road, VARIANTS[name])
    inputs = {"capture": road.plan.captured().key}
    if not variant.baseline:
        inputs["mesh"] = road.plan.meshed().key
    named = {"variant": variant, "settings": settings, "views": road.plan.views}
    artifact = Artifact(
        Recipe("ablation", named, inputs, CODE),
        road.plan.device_of("gaussians"),
    )
    folder = road.made(
        artifact, f"ablations/{name}", lambda work: _compute(work, road, variant, settings)
    )
    info = read_json(folder / "run.json")
    numbers = results(folder)["numbers"] | {"minutes": info["seconds"] / 60}
    return Ablated(numbers, folder, info)


def variant_settings(road: Road, variant: Variant) -> GaussianTraining:
    """The Gaussian stage's settings of a variant."""
    return replace(road.plan.gaussian_settings(), train_deformation=not variant.keep_deformation)


def _compute(work: Work, road: Road, variant: Variant, settings: GaussianTraining) -> None:
    """Train the variant, score it, and picture one held-out frame from four sides."""
    raw = road.raw_capture()
    train, test = raw.split()
    head: RenderableHead
    if variant.baseline == FIELD:
        head, capture = _field(work, road, settings, train), raw
        scores = tracked_scores(head, raw, train, test)
    else:
        trained = _baseline if variant.baseline else _variant
        head, capture = trained(work, road, variant, settings, train)
        scores = held_out_scores(head, capture, raw, train, test)
    capture.track.save(work.folder / TRACK)
    scores["head.psnr_novel"] = novel_view_score(head, capture, test)
    scores["head.psnr_side"] = novel_view_score(head, capture, test, (-60.0, 60.0))
    for name, value in scores.items():
        work.record(name, value, absent_because(name))
    _picture(work.folder / "sides.png", head, capture, test[len(test) // 2])


def _field(work: Work, road: Road, settings: GaussianTraining, train: list[int]) -> RadianceField:
    """INSTA's idea, on the same frames for as many steps."""
    capture = road.raw_capture()
    head, _ = fit_radiance_field(capture, settings, train, work.checkpoint, road.progress)
    head.save(work.folder / BASELINE_HEAD)
    return head


def _variant(
    work: Work, road: Road, variant: Variant, settings: GaussianTraining, train: list[int]
) -> tuple[PosableHead, Capture]:
    """The method with something left out or changed; what is the run's own head is not trained
    again.
    """
    if _is_the_runs_own(road, variant, settings):
        own = road.gaussian_head()
        own.save(work.folder / GAUSSIAN_HEAD)
        return own, road.capture()
    mesh, tracked = road.mesh_head(), road.raw_capture()
    if not variant.keep_deformation:
        mesh = unlearned(tracked, mesh, variant.surface)
    provider = get_views(variant.provider or road.plan.views)
    views = provider(tracked, mesh, variant.azimuths) if variant.azimuths else None
    device = road.plan.device_of("gaussians")
    head, capture, _ = fit_gaussians(
        tracked.to(device),
        mesh.to(device),
        views,
        settings,
        train,
        work.checkpoint,
        progress=road.progress,
    )
    head = head.cpu()
    head.save(work.folder / GAUSSIAN_HEAD)
    return head, capture.to("cpu")


def _is_the_runs_own(road: Road, variant: Variant, settings: GaussianTraining) -> bool:
    """Whether stage 03 of the run is this variant: the same settings, views and mesh."""
    plan = road.plan
    same_views = not variant.provider and variant.azimuths == plan.azimuths()
    return (
        same_views
        and variant.surface == "mesh"
        and settings == plan.gaussian_settings()
        and not plan.rig
    )


def _baseline(
    work: Work, road: Road, variant: Variant, settings: GaussianTraining, train: list[int]
) -> tuple[PosableHead, Capture]:
    """Another paper's idea, on the same frames for as many steps."""
    name = variant.baseline
    head, capture, _ = fit_baseline(
        name, road.raw_capture(), settings, train, work.checkpoint, road.progress
    )
    save_baseline(work.folder / BASELINE_HEAD, name, head)
    return head, capture


def _picture(path: Path, head: RenderableHead, capture: Capture, t: int) -> None:
    centre = capture.head_centre(t)
    cameras = [orbit_camera(capture.camera, a, target=centre) for a in SIDES]
    row = [head.render_frame(capture, t, camera) for camera in cameras]
    Image.fromarray(u8(sheet([row], height=capture.size))).save(path)


def unlearned(capture: Capture, mesh: MeshHead, surface: str) -> MeshHead:
    """A mesh head as it was before the mesh stage, on the fitted face model or a unit sphere;
    'mesh' keeps the learned surface, and only its deformation is new. The deformation begins with
    nothing, as the paper's does.
    """
    settings = replace(mesh.settings, model_motion=False)
    if surface == "sphere":
        settings = replace(settings, init="sphere")
    with seeded(0):
        fresh = new_mesh_head(capture, settings)
    if surface == "mesh":
        state = mesh.state_dict()
        learned = {k: v for k, v in state.items() if not k.startswith("deformation.")}
        parts = (learned[name] for name in ("landmarks", "low", "high", "surface"))
        kept = MeshHead(mesh.settings, *parts)
        kept.load_state_dict({**fresh.state_dict(), **learned})
        fresh = kept
    fresh.refresh()
    return fresh
