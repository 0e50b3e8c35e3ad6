"""The paper's ablations of the reconstruction (Tables 3 to 5) on synthetic subjects, where true
side views exist.

Each variant says what it leaves out. Variants of one subject share its tracked capture and, where
they have one, its mesh head, through the store; so does everything else that has the same key.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from stkit.capture import Capture
from stkit.diffusion.views import get_views
from stkit.errors import RequestError
from stkit.heads.fit_gaussians import GaussianTraining, fit_gaussians
from stkit.heads.gaussian import GaussianHead
from stkit.heads.mesh import MeshHead, new_mesh_head
from stkit.io.images import sheet, u8
from stkit.io.tensors import read_json, write_text
from stkit.runs.folders import slug
from stkit.runs.road import Road
from stkit.runs.scores import held_out_scores, novel_view_score, true_view
from stkit.runs.store import Artifact, Recipe, Work, results
from stkit.synthetic.subject import synthetic_seed
from stkit.training import seeded
from stkit.views import FRONTAL, ORBIT

SIDES = (0.0, -30.0, 30.0, 60.0)  # degrees, of the pictures


@dataclass(frozen=True)
class Variant:
    """One line of the table.

    azimuths of the views (None: no views), whether the mesh stage ran, whether its MLP_deform is
    kept, and who makes the views ("": the run's provider).
    """

    idea: str
    azimuths: tuple[float, ...] | None = FRONTAL
    mesh_stage: bool = True
    keep_deformation: bool = True
    provider: str = ""


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
        "no mesh stage: points on the fitted face model, MLP_deform from scratch",
        mesh_stage=False,
        keep_deformation=False,
    ),
    "D2": Variant("mesh stage, but MLP_deform from scratch", keep_deformation=False),
}
COLUMNS = {
    "head.psnr_heldout": "PSNR held-out",
    "head.ssim_heldout": "SSIM held-out",
    "head.psnr_novel": "PSNR ±30°",
    "head.psnr_side": "PSNR ±60°",
    "minutes": "minutes",
}
CODE = ("stkit.studies.ablations",)


@dataclass(frozen=True)
class Ablated:
    """One variant on one subject: its numbers, its picture from four sides, and the commit that
    made it.
    """

    numbers: dict[str, float]
    picture: Path
    code: str


def run_variant(road: Road, name: str) -> Ablated:
    """A variant on a run's subject, found in the store or computed."""
    variant, settings = VARIANTS[name], variant_settings(road, VARIANTS[name])
    artifact = Artifact(
        Recipe(
            "ablation",
            {"variant": variant, "settings": settings, "views": road.plan.views},
            {"capture": road.plan.captured().key, "mesh": road.plan.meshed().key},
            CODE,
        ),
        road.plan.device_of("gaussians"),
    )
    folder = road.made(
        artifact, f"ablations/{name}", lambda work: _compute(work, road, variant, settings)
    )
    info = read_json(folder / "run.json")
    numbers = results(folder)["numbers"] | {"minutes": info["seconds"] / 60}
    return Ablated(numbers, folder / "sides.png", info["code"])


def variant_settings(road: Road, variant: Variant) -> GaussianTraining:
    """The Gaussian stage's settings of a variant."""
    return replace(road.plan.gaussian_settings(), train_deformation=not variant.keep_deformation)


def _compute(work: Work, road: Road, variant: Variant, settings: GaussianTraining) -> None:
    """Train the variant, score it, and picture one held-out frame from four sides."""
    mesh, tracked = road.mesh_head(), road.raw_capture()
    if not variant.keep_deformation:
        mesh = unlearned(tracked, mesh, keep_surface=variant.mesh_stage)
    provider = get_views(variant.provider or road.plan.views)
    views = provider(tracked, mesh, variant.azimuths) if variant.azimuths else None
    train, test = tracked.split()
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
    head, capture = head.cpu(), capture.to("cpu")
    scores = held_out_scores(head, capture, tracked, train, test)
    scores["head.psnr_novel"] = novel_view_score(head, capture, test)
    scores["head.psnr_side"] = novel_view_score(head, capture, test, (-60.0, 60.0))
    for name, value in scores.items():
        work.record(name, value, "weights are not here, see `stkit doctor`")
    _picture(work.folder / "sides.png", head, capture, test[len(test) // 2])


def _picture(path: Path, head: GaussianHead, capture: Capture, t: int) -> None:
    cameras = [capture.camera if a == 0 else true_view(capture, t, a)[1] for a in SIDES]
    row = [head.render_frame(capture, t, camera) for camera in cameras]
    Image.fromarray(u8(sheet([row], height=capture.size))).save(path)


def unlearned(capture: Capture, mesh: MeshHead, keep_surface: bool) -> MeshHead:
    """A mesh head as it was before the mesh stage; with `keep_surface` only its deformation is
    new. The deformation begins with nothing, as the paper's does.
    """
    with seeded(0):
        fresh = new_mesh_head(capture, replace(mesh.settings, model_motion=False))
    if keep_surface:
        state = mesh.state_dict()
        learned = {k: v for k, v in state.items() if not k.startswith("deformation.")}
        parts = (learned[name] for name in ("landmarks", "low", "high", "surface"))
        kept = MeshHead(mesh.settings, *parts)
        kept.load_state_dict({**fresh.state_dict(), **learned})
        fresh = kept
    fresh.refresh()
    return fresh


def check_request(sources: list[str], names: list[str]) -> None:
    """Raise ValueError for an unknown variant, or a source without true views."""
    for name in names:
        if name not in VARIANTS:
            raise RequestError(f"variant {name!r} is unknown; there are: {', '.join(VARIANTS)}")
    for source in sources:
        if synthetic_seed(source) is None:
            raise RequestError(
                f"{source}: ablations need true side views, which only 'synthetic' and "
                "'synthetic:SEED' have"
            )


Table = dict[str, dict[str, Ablated]]


def ablate(
    sources: list[str],
    names: list[str],
    profile: str | None,
    say: Callable[[str], None] = print,
) -> Table:
    """Every variant on every source; ValueError before anything is computed where a name is
    wrong.
    """
    check_request(sources, names)
    found: Table = {name: {} for name in names}
    for source in sources:
        road = Road(f"ablate-{slug(source)}", source, profile, 0, quiet=True)
        for name in names:
            found[name][source] = run_variant(road, name)
            numbers = found[name][source].numbers
            text = ", ".join(f"{title} {numbers[key]:.3g}" for key, title in COLUMNS.items())
            say(f"{source} {name}: {text}")
    return found


def table(found: Table) -> str:
    """Markdown: mean and standard deviation over the subjects."""
    titles = ["variant", *COLUMNS.values()]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, runs in found.items():
        cells = []
        for key in COLUMNS:
            values = np.array([run.numbers[key] for run in runs.values()])
            deviation = f" ± {values.std():.2g}" if len(values) > 1 else ""
            cells.append(f"{values.mean():.3g}{deviation}")
        lines.append(f"| {name}: {VARIANTS[name].idea} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(path: Path, found: Table) -> None:
    """The table with what it was computed on, and each subject's rows with the commit that made
    them.
    """
    sources = list(next(iter(found.values())))
    road = Road(f"ablate-{slug(sources[0])}", quiet=True)
    titles = ["subject", "variant", *COLUMNS.values(), "code"]
    lines = [
        "# Ablations of the reconstruction",
        "",
        f"Mean and standard deviation over {len(sources)} synthetic subjects "
        f"({', '.join(sources)}), profile `{road.settings.name}`, seed 0. Views: mesh-prior "
        "(stand-in for V3D) unless said. PSNR in dB over white; ±30° and ±60° are true views of "
        "held-out frames.",
        "",
        table(found),
        "",
        "| " + " | ".join(titles) + " |",
        "|---" * len(titles) + "|",
    ]
    for source in sources:
        for name, runs in found.items():
            run = runs[source]
            cells = [f"{run.numbers[key]:.3g}" for key in COLUMNS]
            lines.append("| " + " | ".join([source, name, *cells, run.code]) + " |")
    write_text(Path(path), "\n".join(lines) + "\n")
