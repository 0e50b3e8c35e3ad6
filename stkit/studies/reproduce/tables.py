"""Which of the kit's runs stand for which column of the paper's tables, and what is measured."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from stkit.diffusion.editors import get_editor
from stkit.diffusion.protocols import JointEditor
from stkit.editing.loop import edit_head
from stkit.editing.methods import get_method
from stkit.runs.road import Road
from stkit.runs.store import Artifact, Recipe, Work, results
from stkit.studies.ablations import run_variant
from stkit.studies.edit_methods import scored_edit
from stkit.studies.edit_scores import edit_scores, perform
from stkit.studies.reproduce.identity import matched_identity
from stkit.studies.reproduce.records import Numbers, Rows
from stkit.studies.reproduce.request import Request
from stkit.studies.reproduce.same_minutes import reconstructed_in_time


@dataclass(frozen=True)
class Table:
    """columns: the paper's or our word for a column, and the variant or method of the kit that
    stands for it; metrics: names in the record, and their titles; rows: computes a head's numbers;
    note: what the paper's protocol has that ours has not; rig: whether sixteen cameras filmed the
    head.
    """

    name: str
    columns: dict[str, str]
    metrics: dict[str, str]
    rows: Callable[[Road, Request, dict[str, str]], Rows]
    note: str = ""
    rig: bool = False


def reconstructed(road: Road, request: Request, columns: dict[str, str]) -> Rows:
    """Every variant of the reconstruction, trained once."""
    return {column: [{**run_variant(road, name).numbers}] for column, name in columns.items()}


def edited(road: Road, request: Request, columns: dict[str, str]) -> Rows:
    """Every editing method with every seed; one that the editor cannot serve is left out."""
    joint = isinstance(get_editor(request.editor), JointEditor)
    columns = {c: name for c, name in columns.items() if joint or not get_method(name).together}
    return {
        column: [
            scored_edit(road, request.prompt, request.editor, method=name, seed=seed)[1]
            for seed in range(request.seeds)
        ]
        for column, name in columns.items()
    }


def expressions_of_edited(road: Road, request: Request, columns: dict[str, str]) -> Rows:
    """The paper's claim about D2: edit the heads of two variants alike, compare what they express
    before and after.
    """
    return {
        column: [_edited_variant(road, request, name, seed) for seed in range(request.seeds)]
        for column, name in columns.items()
    }


def _edited_variant(road: Road, request: Request, name: str, seed: int) -> Numbers:
    """The numbers of an edit of a variant's head, from the store where they are there."""
    variant = run_variant(road, name)
    settings = replace(road.plan.edit_settings(request.prompt), seed=seed)
    named = {"settings": settings, "editor": request.editor}
    modules = ("stkit.editing.loop", "stkit.diffusion.editors", "stkit.studies.edit_scores")
    recipe = Recipe("variant-edit", named, {"variant": variant.info["key"]}, modules)

    def make(work: Work) -> None:
        head, capture = variant.head(road), variant.capture(road)
        train, test = capture.split()
        editor = get_editor(request.editor)
        done = edit_head(head, capture, road.views(), editor, settings, train, work.checkpoint)
        before = perform(head, capture, test)
        scores = edit_scores(head, done.head, capture, before, request.prompt)
        for metric, value in scores.items():
            work.record(metric, value, "not measured")

    place = f"variant-edits/{name}-{seed}"
    return results(road.made(Artifact(recipe), place, make))["numbers"]


def identity_at_equal_change(road: Road, request: Request, columns: dict[str, str]) -> Rows:
    """Ours and E1 stopped where both have changed the face equally (see `identity`)."""
    return {
        column: [matched_identity(road, request, name, seed) for seed in range(request.seeds)]
        for column, name in columns.items()
    }


PICTURES = {
    "head.psnr_train": "PSNR (dB), frames trained on (the paper's protocol)",
    "head.ssim_train": "SSIM, frames trained on",
    "head.lpips_train": "LPIPS, frames trained on",
    "head.psnr_heldout": "PSNR (dB), held-out frames",
    "head.ssim_heldout": "SSIM, held-out frames",
    "head.ms_ssim_heldout": "MS-SSIM, held-out frames",
    "head.haarpsi_heldout": "HaarPSI, held-out frames",
    "head.psnr_heldout_raw": "PSNR (dB), held-out frames, landmark tracking alone",
    "head.identity": "identity: distance to the video, held-out frames",
    "head.identity_video": "the same within the video",
    "head.psnr_novel": "PSNR (dB), true views at ±30°",
    "head.psnr_side": "PSNR (dB), true views at ±60°",
    "minutes": "minutes of training and scoring",
}
EDITS = {
    "inside": "change on the face (w ≥ 0.5)",
    "outside": "change elsewhere on the figure (w < 0.15)",
    "identity": "identity: distance from the unedited head",
    "identity_video": "identity: distance from the video",
    "expression": "expression kept: correlation of refitted beta",
    "mouth": "mouth kept: correlation of its opening with the video's",
    "hair": "change of the hair",
    "clothes": "change of the clothes",
    "background": "change of the background",
    "flicker": "flicker of frames after warping",
    "view_flicker": "flicker of views after warping",
    "clip_s": "CLIP-S (ViT-L/14)",
    "clip_ds": "CLIP-DS (ViT-L/14)",
}
SIDES = {name: PICTURES[name] for name in ("head.psnr_novel", "head.psnr_side")}
MATCHED = {
    "inside": "change on the face, as matched",
    "steps": "steps until then",
    "identity": EDITS["identity"],
    "identity_video": EDITS["identity_video"],
}
OWN_HEAD = (
    "The edited head is the run's own. In `quick` and `laptop` it has learned from 17 turned "
    "views, the paper's from six."
)
VOTES = "Votes cannot be computed. The true sides of made-up people stand here instead."
RECONSTRUCTIONS = {
    "PointAvatar's idea": "deformed-points",
    "FlashAvatar's idea": "surface-gaussians",
    "INSTA's idea": "radiance-field",
    "ours": "full",
    "ours, 18 views": "views18",
}
BASELINES_NOTE = (
    "The baselines are rebuilt small from their papers' text (`stkit/heads/baselines/`, where each "
    "deviation is listed), with the same capture and as many steps. Their numbers say nothing "
    "about the published methods. INSTA's field has no tracking that is aligned to it, so compare "
    "it by the row with landmark tracking alone. Gaussian-Head-Avatar's idea is not there yet."
)
IN_TIME = {c: name for c, name in RECONSTRUCTIONS.items() if name != "views18"}
IN_TIME_NOTE = (
    "Table 3 with as many steps for each method as fit into the minutes that ours took, instead of "
    "the same steps. Minutes are of one machine, with whatever else it had to do."
)
METHODS = {
    "IN2N (GS)": "igs2gs",
    "GaussianEditor": "gaussian-editor",
    "GaussianEditor, whole head": "gaussian-editor-head",
    "GaussCtrl": "gaussctrl",
    "ours": "ours",
}

RIG_NOTE = (
    "Sixteen true cameras around made-up people, in NeRSemble's layout, teach the mesh, the "
    "Gaussians and the edit; numbers are of held-out frames of the camera in front. A video has "
    "one camera, so it has no row here."
)

TABLES = {
    table.name: table
    for table in (
        Table("table1", METHODS, EDITS, edited, OWN_HEAD),
        Table("table2", METHODS, EDITS, edited, RIG_NOTE, rig=True),
        Table("table3", RECONSTRUCTIONS, PICTURES, reconstructed, BASELINES_NOTE),
        Table(
            "table3-minutes",
            IN_TIME,
            PICTURES | {"steps": "steps of training"},
            reconstructed_in_time,
            IN_TIME_NOTE,
        ),
        Table("table4", {"6 views": "full", "18 views": "views18"}, SIDES, reconstructed, VOTES),
        Table(
            "table5",
            {
                "w/o V3D": "no-views",
                "D1": "D1",
                "D1b": "D1b",
                "D2": "D2",
                "ours": "full",
            },
            PICTURES,
            reconstructed,
        ),
        Table("table6", {"MakeHuman": "full"}, PICTURES, reconstructed),
        Table("figure6", {m: m for m in ("ours", "E1", "E2", "E3", "E4")}, EDITS, edited, OWN_HEAD),
        Table("expression", {"ours": "full", "D2": "D2"}, EDITS, expressions_of_edited),
        Table(
            "identity", {"ours": "ours", "E1": "E1"}, MATCHED, identity_at_equal_change, OWN_HEAD
        ),
    )
}
