"""Methods side by side on one head: the same prompt, editor, frames and steps; pictures and numbers."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.capture.capture import Capture
from stkit.capture.detect import seen_points, still_landmarks
from stkit.diffusion.protocols import Editor
from stkit.driving.motion import own_motion, part, play
from stkit.editing.loop import EditSettings, edit_head
from stkit.editing.methods import METHODS, get_method
from stkit.face_models.landmarks import MEDIAPIPE_68, mouth_opening
from stkit.heads.gaussian import GaussianHead
from stkit.io import images as plots
from stkit.metrics import correlation, same_person
from stkit.render import pick_device
from stkit.runs.scores import edit_change, refitted_beta
from stkit.views import Views

COLUMNS = {
    "inside": "change on the face (w >= 0.5)",
    "outside": "change elsewhere on the figure (w < 0.15)",
    "geometry": "landmarks moved, share of the eye distance",
    "mouth": "correlation of mouth opening with the video's",
    "expression": "correlation of beta, fitted to the renders before and after",
    "identity": "same person, cosine of SFace embeddings",
}


def landmark_shift(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """How far MediaPipe's 68 landmarks moved between two pictures (H, W, 3) uint8, by eye distance, and the likeness of the embedded faces.

    NaN where it sees no face, or has no weights to embed with.
    """
    a, b = still_landmarks([before, after])
    if a is None or b is None:
        return float("nan"), float("nan")
    likeness = same_person(before, after, a, b)
    shift = float(np.linalg.norm(a - b, axis=1).mean() / np.linalg.norm(a[36] - a[45]))
    return shift, float("nan") if likeness is None else likeness


@dataclass(frozen=True)
class Watched:
    """A head playing the held-out frames: pictures (F, H, W, 3) uint8, MediaPipe's points (F, 478, 2), beta (K, 64) fitted where it `saw` (F,) a face."""

    pictures: np.ndarray
    points: np.ndarray
    beta: Tensor
    saw: Tensor


def watch(head: GaussianHead, capture: Capture, test: list[int]) -> Watched:
    """Render, detect and fit once what several numbers need."""
    pictures = play(head, capture, part(own_motion(capture), test))
    points = seen_points(pictures)
    return Watched(pictures, points, *refitted_beta(points, capture))


def expression_kept(before: Watched, after: Watched) -> float:
    """Correlation of all expression coefficients over time, before and after the edit; NaN below 5 common frames."""
    common = before.saw & after.saw
    if common.sum() < 5:
        return float("nan")
    a, b = before.beta[common[before.saw]], after.beta[common[after.saw]]
    return correlation((a - a.mean(0)).flatten(), (b - b.mean(0)).flatten())


def scores(
    original: GaussianHead, edited: GaussianHead, before: Watched, capture: Capture, test: list[int]
) -> dict[str, float]:
    """The numbers of COLUMNS on held-out frames; `before` is the original, watched. A method that edits nothing has 0 inside; one that ruins the face moves its landmarks."""
    change = edit_change(original, edited, capture, test)
    after = watch(edited, capture, test)
    shifts = [
        landmark_shift(before.pictures[k], after.pictures[k])
        for k in range(0, len(test), max(1, len(test) // 4))
    ]
    seen = mouth_opening(torch.from_numpy(after.points[:, MEDIAPIPE_68])).float()
    truth = mouth_opening(capture.landmarks[test, :, :2])
    ok = torch.isfinite(seen)
    mouth = correlation(truth[ok], seen[ok]) if ok.sum() >= 5 else float("nan")
    moved, likeness = (np.array(x)[np.isfinite(x)] for x in zip(*shifts))
    return {
        "inside": change["edit.inside"],
        "outside": change["edit.outside"],
        "geometry": float(moved.mean()) if len(moved) else float("nan"),
        "mouth": mouth,
        "expression": expression_kept(before, after),
        "identity": float(likeness.mean()) if len(likeness) else float("nan"),
    }


def compare(
    head_file: Path,
    capture: Capture,
    views: Views | None,
    editor: Editor,
    settings: EditSettings,
    methods: list[str],
    seeds: int,
    progress=lambda x, **k: x,
) -> tuple[dict[str, list[dict[str, float]]], list[list[Tensor]]]:
    """Scores of every method and seed, and the pictures of three held-out frames for each method's first seed."""
    for name in methods:
        get_method(name)
    train, test = capture.split()
    original = GaussianHead.load(head_file)
    frames = test[:: max(1, len(test) // 3)][:3]
    rows, numbers = [[original.render_frame(capture, t) for t in frames]], {}
    before = watch(original, capture, test)
    for name in methods:
        for seed in range(seeds):
            head, device = GaussianHead.load(head_file), pick_device()
            edit_head(
                head.to(device),
                capture.to(device),
                views,
                editor,
                replace(settings, method=name, seed=seed),
                train,
                progress=progress,
            )
            head = head.cpu()
            numbers.setdefault(name, []).append(scores(original, head, before, capture, test))
            if seed == 0:
                rows.append([head.render_frame(capture, t) for t in frames])
    return numbers, rows


def table(numbers: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: mean and, with several seeds, the spread (standard deviation) of every number."""
    known = [
        key
        for key in COLUMNS
        if any(np.isfinite(r[key]) for runs in numbers.values() for r in runs)
    ]
    lines = [
        "| method | " + " | ".join(COLUMNS[k] for k in known) + " |",
        "|---" * (len(known) + 1) + "|",
    ]
    for name, runs in numbers.items():
        cells = []
        for key in known:
            values = np.array([r[key] for r in runs])
            cells.append(
                f"{np.nanmean(values):.3f}"
                + (f" ± {np.nanstd(values):.3f}" if len(runs) > 1 else "")
            )
        lines.append(f"| {name}: {METHODS[name].idea} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(
    folder: Path,
    numbers,
    rows,
    capture: Capture,
    methods: list[str],
    settings: EditSettings,
    editor: Editor,
) -> Path:
    """compare.md, compare.json and compare.png in `folder`."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    test = capture.split()[1]
    frames = test[:: max(1, len(test) // 3)][:3]
    Image.fromarray(
        plots.u8(
            plots.sheet(
                [list(column) for column in zip(*rows)],
                ["head", *methods],
                [f"frame {t}" for t in frames],
            )
        )
    ).save(folder / "compare.png")
    (folder / "compare.json").write_text(json.dumps(numbers, indent=1))
    head = f"# Editing methods on {capture.source}\n\n'{settings.prompt}' by {editor.name}, {settings.steps} steps, held-out frames.\n\n"
    path = folder / "compare.md"
    path.write_text(
        head + table(numbers) + "\n\n![The head and each method's edit of it](compare.png)\n"
    )
    return path
