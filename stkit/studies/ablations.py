"""The paper's ablations of the reconstruction (Tables 3 to 5) on synthetic subjects, where true side views exist.

Each variant says what it leaves out. All share one tracked capture and, where they have one, one mesh head per subject.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.capture.capture import Capture
from stkit.diffusion.views import get_views
from stkit.heads.fit_gaussians import fit_gaussians
from stkit.heads.mesh import MeshHead, new_mesh_head
from stkit.runs.road import Road, fit_widths
from stkit.runs.scores import held_out_scores, novel_view_scores, true_view
from stkit.views import FRONTAL, ORBIT


@dataclass(frozen=True)
class Variant:
    """One line of the table: `azimuths` of the views (None: no views), whether the mesh stage ran, where MLP_deform comes from,
    and who makes the views ("": the road's provider)."""

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


def run_variant(road: Road, variant: Variant) -> tuple[dict[str, float], list[Tensor]]:
    """Scores of one variant on the road's subject, and its pictures of one held-out frame at 0, -30, 30 and 60 degrees."""
    import time

    start = time.monotonic()
    mesh, tracked = road.mesh()
    settings = replace(
        road.settings.gaussians, seed=road.seed, train_deformation=not variant.keep_deformation
    )
    if not variant.mesh_stage:
        mesh = unlearned(tracked, mesh)
    elif not variant.keep_deformation:
        mesh = unlearned(tracked, mesh, keep=True)
    views = (
        get_views(variant.provider or road.view_model)(tracked, mesh, variant.azimuths)
        if variant.azimuths
        else None
    )
    train, test = tracked.split()
    settings = replace(settings, model=fit_widths(settings.model, mesh))
    head, capture, _ = fit_gaussians(
        tracked.to(road.device),
        mesh.to(road.device),
        views,
        settings,
        train,
        progress=road.progress,
    )
    head, capture = head.cpu(), capture.to("cpu")
    scores = {
        **held_out_scores(head, capture, tracked, train, test),
        **novel_view_scores(head, capture, test),
    }
    scores["head.psnr_side"] = novel_view_scores(head, capture, test, (-60.0, 60.0))[
        "head.psnr_novel"
    ]
    scores["minutes"] = (time.monotonic() - start) / 60
    t = test[len(test) // 2]
    pictures = [head.render_frame(capture, t)]
    pictures += [
        head.render_frame(capture, t, true_view(capture.source, len(capture), capture, t, a)[1])
        for a in (-30.0, 30.0, 60.0)
    ]
    return {k: v for k, v in scores.items() if k in COLUMNS}, pictures


def unlearned(capture: Capture, mesh: MeshHead, keep: bool = False) -> MeshHead:
    """A mesh head as it was before stage 02; with `keep` only its deformation is new and the learned surface stays."""
    torch.manual_seed(0)
    fresh = new_mesh_head(capture, mesh.settings)
    if keep:
        learned = {k: v for k, v in mesh.state_dict().items() if not k.startswith("deformation.")}
        out = MeshHead(
            mesh.settings, *(learned[k] for k in ("landmarks", "low", "high", "surface"))
        )
        out.load_state_dict({**fresh.state_dict(), **learned})
        fresh = out
    fresh.refresh()
    return fresh


def ablate(
    sources: list[str], names: list[str], profile: str | None, say: Callable[[str], None] = print
) -> tuple[dict[str, dict[str, dict[str, float]]], dict[str, list[Tensor]]]:
    """Scores by variant and source; what is already in a run's folder for the same settings is read, not computed again.

    Raises ValueError for an unknown variant, or a source without true views.
    """
    for name in names:
        if name not in VARIANTS:
            raise ValueError(f"variant {name!r} is unknown; there are: {', '.join(VARIANTS)}")
    for source in sources:
        if not source.startswith("synthetic"):
            raise ValueError(
                f"{source}: ablations need true side views, which only 'synthetic' and 'synthetic:SEED' have"
            )
    numbers, pictures = {name: {} for name in names}, {}
    for source in sources:
        road = Road("ablate-" + source.replace(":", "-"), source, profile, quiet=True)
        road.preprocess()
        road.mesh()
        for name in names:
            file = road.folder / "ablate" / f"{road.settings.name}-{name}.json"
            if not file.exists():
                scores, shots = run_variant(road, VARIANTS[name])
                file.parent.mkdir(exist_ok=True)
                _save_picture(file.with_suffix(".png"), shots)
                file.write_text(json.dumps(scores, indent=1))
            numbers[name][source] = json.loads(file.read_text())
            pictures.setdefault(source, []).append(file.with_suffix(".png"))
            say(
                f"{source} {name}: "
                + ", ".join(f"{t} {numbers[name][source][k]:.3g}" for k, t in COLUMNS.items())
            )
    return numbers, pictures


def table(numbers: dict[str, dict[str, dict[str, float]]]) -> str:
    """Markdown: mean and standard deviation over the subjects."""
    lines = [
        "| variant | " + " | ".join(COLUMNS.values()) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for name, runs in numbers.items():
        cells = []
        for key in COLUMNS:
            values = np.array([r[key] for r in runs.values()])
            cells.append(
                f"{values.mean():.3g}" + (f" ± {values.std():.2g}" if len(values) > 1 else "")
            )
        lines.append(f"| {name}: {VARIANTS[name].idea} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(path: Path, numbers: dict[str, dict[str, dict[str, float]]], profile: str | None) -> None:
    """The table with the command that makes it, each subject's rows, and the versions it was computed with."""
    from stkit.runs.machine import code_version

    sources = list(next(iter(numbers.values())))
    settings = Road("ablate", sources[0], profile, quiet=True).settings
    lines = [
        "# Ablations of the reconstruction",
        "",
        f"Mean and standard deviation over {len(sources)} synthetic subjects ({', '.join(sources)}), profile `{settings.name}`, seed 0, code {code_version()}. Views: "
        "mesh-prior (stand-in for V3D). PSNR in dB over white, 256 pixels; ±30° and ±60° are true views of held-out frames.",
        "",
        table(numbers),
        "",
        "| subject | variant | " + " | ".join(COLUMNS.values()) + " |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for source in sources:
        for name, runs in numbers.items():
            lines.append(
                f"| {source} | {name} | "
                + " | ".join(f"{runs[source][k]:.3g}" for k in COLUMNS)
                + " |"
            )
    Path(path).write_text("\n".join(lines) + "\n")


def _save_picture(path: Path, shots: list[Tensor]) -> None:
    from PIL import Image

    Image.fromarray((torch.cat(shots, 1) * 255).round().byte().numpy()).save(path)
