"""runs/NAME/index.html: every stage's pictures, numbers and clips on one page that opens from disk;
metrics.json.
"""

from pathlib import Path

import jinja2

from stkit.errors import RequestError
from stkit.face_models import SHIPPED
from stkit.io.tensors import read_json, write_json, write_text
from stkit.runs.folders import remembered, run_folder
from stkit.runs.store import results

TITLES = {
    "preprocess": "1 · From video to tracked frames",
    "mesh": "2 · A mesh that moves",
    "gaussians": "3 · Gaussians, coloured",
    "weights": "4 · Where may the edit be strong?",
    "edit": "5 · The edit",
    "animate": "6 · Animation",
    "art": "7 · An art style",
}
MEANING = {
    "track.nme": "landmark reprojection error, share of the eye distance (all frames)",
    "track.nme_model": "the same without what the detector adds on this person",
    "mesh.iou_heldout": "mesh outline against the matte, held-out frames",
    "head.psnr_heldout": "PSNR on held-out frames (dB)",
    "head.ssim_heldout": "SSIM on held-out frames",
    "head.psnr_novel": "PSNR on true views at +-30 degrees (dB)",
    "head.psnr_heldout_hair_predicted": "PSNR on held-out frames, hair and clothes predicted (dB)",
    "head.psnr_heldout_raw": "PSNR on held-out frames with landmark tracking alone (dB)",
    "head.ms_ssim_heldout": "MS-SSIM on held-out frames",
    "head.haarpsi_heldout": "HaarPSI on held-out frames",
    "head.identity": "distance of dlib's embeddings, head to video, held-out frames",
    "head.identity_video": "the same between those frames of the video",
    "head.lpips_heldout": "LPIPS (VGG) on held-out frames",
    "edit.inside": "mean change by the edit where w >= 0.5",
    "edit.outside": "mean change by the edit where w < 0.15 (hair, clothes)",
    "animate.mouth_corr": "mouth opening: correlation of driver and result",
    "animate.lids_corr": "the same of the lids",
    "avatar.psnr": "avatar.html against the Python renderer, mean over its frames (dB)",
}
HELD_OUT_FRAMES = {
    "end": "the last 20 % of the frames",
    "turn": "the 20 % of the frames that are turned furthest",
    "expression": "the 20 % of the frames with the strongest expressions",
}
HELD_OUT = (
    ", which no training used; over white, matte applied; tracking used all frames, and held-out "
    "frames were aligned to the finished head"
)
CONTEXT = ("machine", "torch", "stkit", "code", "finished", "settings", "key")


def stage_folders(folder: Path, stage: str) -> list[Path]:
    """Where a stage's results are: its artifact and its report, as far as they are there."""
    places = [folder / stage, folder / "pictures" / stage]
    return [place for place in places if (place / "run.json").exists()]


def collect(name: str) -> dict:
    """metrics.json's content: all numbers by name, what is absent and why, facts, and what they
    were computed on.
    """
    folder, run = run_folder(name), remembered(name)
    numbers: dict[str, float] = {}
    absent: dict[str, str] = {}
    facts: dict[str, str] = {}
    stages: dict[str, dict] = {}
    for stage in TITLES:
        for place in stage_folders(folder, stage):
            found, info = results(place), stage_info(place)
            numbers |= found["numbers"]
            absent |= found["absent"]
            facts |= found["facts"]
            seconds = f"seconds.{stage}"
            numbers[seconds] = round(numbers.get(seconds, 0.0) + info["seconds"], 2)
            peak = f"peak_gb.{stage}"
            numbers[peak] = max(numbers.get(peak, 0.0), info["peak_gb"])
            stages.setdefault(stage, {key: info.get(key) for key in CONTEXT})
    context = {key: run.get(key) for key in ("source", "profile", "seed", "views", "face_model")}
    chosen = str(run.get("held_out") or "end")
    held_out = HELD_OUT_FRAMES.get(chosen, f"those {chosen.replace(':', ' second ')}") + HELD_OUT
    context |= {"held_out": held_out, "stages": stages}
    return {"numbers": numbers, "absent": absent, "facts": facts, "computed_on": context}


def stage_info(place: Path) -> dict:
    """What an artifact's run.json says. Raises RequestError where it is damaged, or of another
    version of the kit.
    """
    info = read_json(place / "run.json")
    for name in ("seconds", "peak_gb"):
        if not isinstance(info.get(name), (int, float)):
            raise RequestError(
                f"{place / 'run.json'}: {name!r} is no number; delete {place} and run the stage "
                "again"
            )
    return info


def stand_ins(metrics: dict) -> list[str]:
    """What takes the place of the paper's models in a run, in words."""
    facts = metrics["facts"]
    head = facts.get("face_model", "makehuman")
    face_model = f"the {head} face model instead of Basel's" if head in SHIPPED else ""
    named = ("one_picture", "views_stand_in", "stand_in")
    found = [face_model, *(facts.get(name, "") for name in named)]
    return [text for text in found if text]


def write_page(name: str) -> Path:
    """Write metrics.json and index.html of a run; returns the page's path. ValueError where there
    is no such run.
    """
    folder = run_folder(name)
    if not (folder / "run.json").exists():
        raise RequestError(
            f"no run {name!r} in {folder.parent}; `stkit run VIDEO --name {name}` makes one"
        )
    metrics = collect(name)
    write_json(folder / "metrics.json", metrics)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("stkit.runs"), autoescape=True, trim_blocks=True
    )
    text = environment.get_template("page.html").render(
        name=name,
        source=metrics["computed_on"]["source"],
        stand_ins=stand_ins(metrics),
        prompt=metrics["facts"].get("prompt", ""),
        before_after=(folder / "pictures" / "edit" / "before_after.png").exists(),
        driven=(folder / "animate" / "driven.mp4").exists(),
        avatar=(folder / "animate" / "avatar.html").exists(),
        numbers=metrics["numbers"],
        rows=_rows(metrics),
        sections=[s for stage, title in TITLES.items() if (s := _section(folder, stage, title))],
    )
    path = folder / "index.html"
    write_text(path, text)
    return path


def _rows(metrics: dict) -> list[tuple[str, str, str]]:
    """Name, meaning and value of each number of the page's table."""
    rows = []
    for key, meaning in MEANING.items():
        if key in metrics["numbers"]:
            rows.append((key, meaning, f"{metrics['numbers'][key]:.3f}"))
        elif key in metrics["absent"]:
            rows.append((key, meaning, f"n/a: {metrics['absent'][key]}"))
    total = sum(v for k, v in metrics["numbers"].items() if k.startswith("seconds."))
    return [*rows, ("seconds.*", "all stages", f"{total:.0f}")]


def _section(folder: Path, stage: str, title: str) -> dict | None:
    """One stage on the page: title, how long it took where, and its pictures with their place below
    the run.
    """
    places = stage_folders(folder, stage)
    if not places:
        return None
    info = stage_info(places[0])
    figures = []
    for place in places:
        where = place.relative_to(folder)
        for entry in read_figures(place):
            figures.append(entry | {"folder": str(where), "video": entry["file"].endswith(".mp4")})
    return {"stage": stage, "title": title, "info": info, "figures": figures}


def read_figures(folder: Path) -> list[dict[str, str]]:
    """An artifact's pictures with alt text and captions. Raises RequestError where they are listed
    in another way.
    """
    file = folder / "figures.json"
    figures = read_json(file).get("figures", [])
    if not isinstance(figures, list) or not all(_is_figure(entry) for entry in figures):
        raise RequestError(f"{file}: is no list of pictures; delete {folder} and make it anew")
    return figures


def _is_figure(entry: object) -> bool:
    """Whether an entry has the texts of a picture, and its file lies in the same folder."""
    if not isinstance(entry, dict) or not all(isinstance(x, str) for x in entry.values()):
        return False
    name = str(entry.get("file", ""))
    return {"file", "alt", "caption"} <= set(entry) and name == Path(name).name != ""
