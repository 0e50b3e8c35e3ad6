"""The main numbers of several runs as one table. A new column is one line in COLUMNS."""

from pathlib import Path

from stkit.errors import RequestError
from stkit.io.tensors import read_json
from stkit.runs.folders import run_folder

# number in metrics.json, title, format
COLUMNS = (
    ("track.nme", "NME", "{:.2%}"),
    ("track.nme_model", "NME, no offsets", "{:.2%}"),
    ("mesh.iou_heldout", "mesh IoU", "{:.3f}"),
    ("head.psnr_heldout", "PSNR", "{:.1f}"),
    ("head.ssim_heldout", "SSIM", "{:.3f}"),
    ("head.ms_ssim_heldout", "MS-SSIM", "{:.3f}"),
    ("head.haarpsi_heldout", "HaarPSI", "{:.3f}"),
    ("head.identity", "identity", "{:.2f}"),
    ("head.identity_video", "identity in the video", "{:.2f}"),
    ("head.psnr_heldout_hair_predicted", "PSNR, hair predicted", "{:.1f}"),
    ("head.psnr_heldout_raw", "PSNR, landmark tracking only", "{:.1f}"),
    ("head.psnr_novel", "PSNR novel +-30", "{:.1f}"),
    ("edit.inside", "edit inside", "{:.3f}"),
    ("edit.outside", "edit outside", "{:.3f}"),
    ("animate.mouth_corr", "mouth corr.", "{:.2f}"),
    ("animate.lids_corr", "lids corr.", "{:.2f}"),
)


def results_table(names: list[str]) -> str:
    """Markdown: one row a run, read from runs/NAME/metrics.json. ValueError where a run has
    none.
    """
    titles = ["run", "profile", *[title for _, title, _ in COLUMNS], "minutes", "peak GB", "code"]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name in names:
        lines.append("| " + " | ".join(_row(name, _metrics(name))) + " |")
    return "\n".join(lines)


def record(names: list[str]) -> dict[str, dict]:
    """Of each run all numbers, what is absent and why, and what it was made from and by which code:
    what is kept beside a table. Errors as of `results_table`.
    """
    out = {}
    for name in names:
        metrics = _metrics(name)
        context = dict(metrics["computed_on"])
        stages = context.pop("stages")
        context["source"] = Path(str(context["source"])).name
        known = ("machine", "torch", "code", "finished")
        context["stages"] = {s: {key: info.get(key) for key in known} for s, info in stages.items()}
        out[name] = {**metrics, "computed_on": context}
    return out


def _metrics(name: str) -> dict:
    metrics = read_json(run_folder(name) / "metrics.json")
    if not metrics:
        raise RequestError(f"run {name!r} has no metrics.json in {run_folder(name)}; run it first")
    return metrics


def _row(name: str, metrics: dict) -> list[str]:
    numbers, context = metrics["numbers"], metrics["computed_on"]
    cells = [form.format(numbers[key]) if key in numbers else "n/a" for key, _, form in COLUMNS]
    seconds = sum(v for key, v in numbers.items() if key.startswith("seconds."))
    peak = max([v for key, v in numbers.items() if key.startswith("peak_gb.")], default=0.0)
    code = sorted({stage.get("code") or "?" for stage in context["stages"].values()})
    profile = context.get("profile") or "-"
    return [name, profile, *cells, f"{seconds / 60:.1f}", f"{peak:.1f}", ", ".join(code)]
