"""runs/<name>/index.html: every stage's pictures, numbers and clips on one page that opens from disk, and metrics.json."""

import html
import json
from pathlib import Path

from stkit.io.tensors import read_json
from stkit.runs.store import STAGES, run_folder

TITLES = {
    "preprocess": "1 · From video to tracked frames", "mesh": "2 · A mesh that moves", "gaussians": "3 · Gaussians, coloured",
    "weights": "4 · Where may the edit be strong?", "edit": "5 · The edit", "animate": "6 · Animation",
}
STYLE = """
body{font:16px/1.55 system-ui,sans-serif;max-width:1080px;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
h1{margin-bottom:.2em}h2{margin-top:2.4em;border-bottom:1px solid #ddd;padding-bottom:.2em}figure{margin:1.4em 0}
iframe{width:100%;height:850px;border:1px solid #e4e4e4;border-radius:6px}figure img,figure video{max-width:100%;border:1px solid #e4e4e4;border-radius:6px}figcaption{color:#555;font-size:.93em;margin-top:.3em}
table{border-collapse:collapse;font-size:.93em}td,th{border-bottom:1px solid #e4e4e4;padding:.25em .8em;text-align:left}
td.n{font-variant-numeric:tabular-nums;text-align:right}.note{background:#fff7e0;border-left:4px solid #e6a700;padding:.6em 1em}
"""


def collect(name: str) -> dict:
    """metrics.json's content: every stage's numbers, seconds and peak memory, and what they were computed on."""
    folder = run_folder(name)
    out: dict[str, object] = {}
    context = {}
    for stage in STAGES:
        run = read_json(folder / stage / "run.json")
        if not run:
            continue
        out |= read_json(folder / stage / "results.json")
        out[f"seconds.{stage}"] = run["seconds"]
        out[f"peak_gb.{stage}"] = run["peak_gb"]
        context[stage] = {k: run.get(k) for k in ("machine", "torch", "stkit", "code", "finished", "parameters")}
    first = context.get("preprocess", {}).get("parameters", {})
    out["computed_on"] = {
        "source": first.get("source"), "size": first.get("size"), "profile": _profile(first),
        "held_out": "the last 20 % of the frames, which no training saw; over white, matte applied; tracking (refined on the mesh) used all frames",
        "views": "mesh-prior (stand-in for V3D)" if out.get("views", "mesh-prior") == "mesh-prior" else out["views"], "stages": context,
    }
    return out


def _profile(parameters: dict) -> str:
    """The profile whose preprocess settings these are, or 'changed'."""
    from stkit.runs.profiles import PROFILES

    same = [
        p.name
        for p in PROFILES.values()
        if (p.preprocess.size, p.preprocess.max_frames) == (parameters.get("size"), parameters.get("max_frames"))
    ]
    return same[0] if same else "changed"


def write_page(name: str) -> Path:
    """Write metrics.json and index.html of a run; returns the page's path."""
    folder = run_folder(name)
    if not folder.exists():
        raise ValueError(f"no run {name!r} in {folder.parent}; `stkit run VIDEO --name {name}` makes one")
    numbers = collect(name)
    (folder / "metrics.json").write_text(json.dumps(numbers, indent=1))
    parts = []
    edit = read_json(folder / "edit" / "results.json")
    after = folder / "edit" / "before_after.png"
    if after.exists():
        parts.append(
            _figure(
                "edit",
                {
                    "file": "before_after.png",
                    "alt": "Video frames, the head, and the edited head",
                    "caption": f"Prompt: {edit.get('prompt', '')}",
                },
            )
        )
    if (folder / "animate" / "driven.mp4").exists():
        parts.append(
            _figure(
                "animate",
                {
                    "file": "driven.mp4",
                    "poster": "driven_poster.png",
                    "alt": "Driver, head and edited head side by side",
                    "caption": "Driver, head, edited head.",
                },
            )
        )
    if (folder / "animate" / "avatar.html").exists():
        parts.append(
            "<h2>Turn it, play it, move its mouth</h2><iframe src='animate/avatar.html' title='The animatable head with sliders' loading='lazy'></iframe>"
            "<p>One file without a network: <a href='animate/avatar.html'>avatar.html</a>. Its pictures agree with the head itself to "
            f"{numbers['avatar.psnr']:.0f} dB on average (worst frame {numbers['avatar.psnr_worst']:.0f} dB).</p>"
        )
    parts.append(_numbers(numbers))
    for stage in STAGES:
        pictures = read_json(folder / stage / "figures.json") or []
        if (folder / stage / "run.json").exists():
            run = read_json(folder / stage / "run.json")
            parts.append(
                f"<h2 id='{stage}'>{TITLES[stage]}</h2><p>{run['seconds']:.0f} s, {run['peak_gb']:.1f} GB at most, on {html.escape(run['machine'])}.</p>"
            )
            parts += [_figure(stage, p) for p in pictures]
    source = numbers["computed_on"]["source"]
    said = stand_ins(numbers, str(edit.get("editor", "")))
    note = f"<p class='note'>Stand-ins in this run: {', '.join(said)}. They show the method, not the paper's quality.</p>" if said else ""
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>stkit: {html.escape(name)}</title><style>{STYLE}</style></head><body><h1>{html.escape(name)}</h1>
<p>A talking head from <b>{html.escape(str(source))}</b>, rebuilt, edited with a sentence and animated by stkit, a reading of
<i>StyleTalker: Stylized Talking Head Avatar from Monocular Video</i>.</p>{note}{"".join(parts)}</body></html>"""
    path = folder / "index.html"
    path.write_text(page)
    return path


def stand_ins(numbers: dict, editor: str) -> list[str]:
    """What takes the place of the paper's models in a run, in words."""
    said = ["the built-in face model instead of Basel 2009"] if numbers.get("face_model", "builtin") == "builtin" else []
    views = numbers["computed_on"]["views"]
    said += [f"{kind} views instead of V3D" for kind in ("mesh-prior", "tiny orbit") if kind in views]
    kinds = {
        "paint": "the rule-based paint editor instead of InstructPix2Pix",
        "tiny ": "the kit's tiny InstructPix2Pix instead of the published one",
    }
    return said + [text for kind, text in kinds.items() if editor.startswith(kind)]


def _figure(stage: str, entry: dict) -> str:
    source, alt = f"{stage}/{entry['file']}", html.escape(entry["alt"], quote=True)
    poster = f" poster='{stage}/{entry['poster']}'" if "poster" in entry else ""
    media = (
        f"<video src='{source}'{poster} controls loop muted playsinline preload='metadata' aria-label='{alt}'></video>"
        if source.endswith(".mp4") else f"<img src='{source}' alt='{alt}' loading='lazy'>"
    )
    return f"<figure>{media}<figcaption>{html.escape(entry['caption'])}</figcaption></figure>"


MEANING = {
    "track.nme": "landmark reprojection error, share of the eye distance (all frames)", "track.nme_model": "the same without this person's constant landmark offsets", "mesh.iou_heldout": "mesh outline against the matte, held-out frames",
    "head.psnr_heldout": "PSNR on held-out frames (dB)", "head.ssim_heldout": "SSIM on held-out frames", "head.psnr_novel": "PSNR on true views at +-30 degrees (dB)",
    "head.psnr_heldout_raw": "PSNR on held-out frames with landmark tracking alone (dB)", "head.lpips_heldout": "LPIPS (VGG) on held-out frames",
    "edit.inside": "mean change by the edit where w >= 0.5", "edit.outside": "mean change by the edit where w < 0.15 (hair, clothes)",
    "animate.mouth_corr": "mouth opening: correlation of driver and result", "animate.lids_corr": "the same of the lids",
    "avatar.psnr": "avatar.html against the Python renderer, mean over its frames (dB)",
}


def _numbers(numbers: dict) -> str:
    rows = []
    for key, meaning in MEANING.items():
        if key in numbers:
            v = numbers[key]
            rows.append(
                f"<tr><td><code>{key}</code></td><td>{meaning}</td><td class='n'>{v if isinstance(v, str) else f'{v:.3f}'}</td></tr>"
            )
    total = sum(v for k, v in numbers.items() if k.startswith("seconds."))
    rows.append(f"<tr><td><code>seconds.*</code></td><td>all stages</td><td class='n'>{total:.0f}</td></tr>")
    return (
        "<h2>Numbers</h2><table>"
        + "".join(rows)
        + "</table><p>All of them, with what they were computed on: <a href='metrics.json'>metrics.json</a>.</p>"
    )


def results_table(names: list[str]) -> str:
    """Markdown table of the main numbers of several runs; every cell is read from runs/<name>/metrics.json."""
    columns = [("track.nme", "NME", "{:.2%}"), ("mesh.iou_heldout", "mesh IoU", "{:.3f}"), ("head.psnr_heldout", "PSNR", "{:.1f}"), ("head.ssim_heldout", "SSIM", "{:.3f}"),
               ("head.psnr_heldout_raw", "PSNR, landmark tracking only", "{:.1f}"), ("head.psnr_novel", "PSNR novel +-30", "{:.1f}"), ("edit.inside", "edit inside", "{:.3f}"),
               ("edit.outside", "edit outside", "{:.3f}"), ("animate.mouth_corr", "mouth corr.", "{:.2f}"), ("animate.lids_corr", "lids corr.", "{:.2f}")]
    lines = [
        "| run | profile | " + " | ".join(t for _, t, _ in columns) + " | minutes | peak GB | code |",
        "|---" * (len(columns) + 5) + "|",
    ]
    for name in names:
        numbers = read_json(run_folder(name) / "metrics.json")
        if not numbers:
            raise ValueError(f"run {name!r} has no metrics.json in {run_folder(name)}; run it first")
        cells = [f.format(numbers[k]) if isinstance(numbers.get(k), float) else "n/a" for k, _, f in columns]
        seconds = sum(v for k, v in numbers.items() if k.startswith("seconds."))
        peak = max(v for k, v in numbers.items() if k.startswith("peak_gb."))
        profile = numbers["computed_on"].get("profile") or "-"
        code = ", ".join(sorted({s.get("code") or "?" for s in numbers["computed_on"]["stages"].values()}))
        lines.append(f"| {name} | {profile} | " + " | ".join(cells) + f" | {seconds / 60:.1f} | {peak:.1f} | {code} |")
    return "\n".join(lines)
