"""The paper's figures as sheets of one head each. Captions take their numbers from what was
computed for the sheet.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stkit.capture import Capture
from stkit.diffusion.orbit.views import tiny_orbit_views
from stkit.driving.motion import Motion, play, retarget
from stkit.editing.weights import landmark_set, point_weights, weight_image
from stkit.heads.placing import RenderableHead
from stkit.io.images import colour_map, evenly, sheet
from stkit.metrics.consistency import flow, warped
from stkit.runs.road import Road
from stkit.runs.scores import edit_change
from stkit.studies.ablations import VARIANTS, run_variant
from stkit.studies.edit_methods import scored_edit
from stkit.studies.reproduce.request import Request
from stkit.studies.reproduce.tables import METHODS

PROMPTS = ("turn the person into a clown", "give the person red hair", "bronze statue")
BOUNDARIES = (0.3, 0.5, 0.7)
ALPHAS = (1.0, 5.0, 20.0)  # 1/dm
SIDES = (-60.0, -30.0, 0.0, 30.0, 60.0)  # degrees
DRIVERS = ("synthetic:sami", "synthetic:walter")
TURNED, TURNED_FRAMES = (0.0, 40.0), 4  # degrees, and frames that are turned one by one


@dataclass(frozen=True)
class Figure:
    """A sheet (H, W, 3) uint8, what it shows in words, and its caption."""

    picture: np.ndarray
    alt: str
    caption: str


def people_and_prompts(road: Road, request: Request) -> Figure:
    """Figure 1: one head and several sentences."""
    head, capture = road.gaussian_head(), road.capture()
    heads = [head, *[road.edited_head(p, request.editor) for p in PROMPTS]]
    frames = evenly(capture.split()[1], 2)
    rows = [[h.render_frame(capture, t) for h in heads] for t in frames]
    names = ["head", *PROMPTS]
    changes = [edit_change(head, h, capture, frames)["edit.inside"] for h in heads[1:]]
    numbers = ", ".join(f"“{p}” {c:.2f}" for p, c in zip(PROMPTS, changes))
    return Figure(
        sheet(rows, names, [f"frame {t}" for t in frames]),
        f"The head and {len(PROMPTS)} edits of it in two held-out frames",
        f"Mean change of colour on the face (w ≥ 0.5): {numbers}.",
    )


def boundaries(road: Road, request: Request) -> Figure:
    """Figure 3: from which b on an edit counts as strong."""
    changes = [{"b_boundary": b} for b in BOUNDARIES]
    return _edits(road, request, changes, [f"boundary {b:g}" for b in BOUNDARIES])


def alphas(road: Road, request: Request) -> Figure:
    """Figure 5: how fast the weight falls off with the distance to the landmarks."""
    head, capture = road.gaussian_head(), road.capture()
    frame, marks = capture.frame_pose(capture.neutral), landmark_set(capture)
    maps = [
        colour_map(weight_image(head, point_weights(head, marks, a), capture.camera, frame))
        for a in ALPHAS
    ]
    titles = [f"alpha {a:g} per dm" for a in ALPHAS]
    return _edits(road, request, [{"alpha": a} for a in ALPHAS], titles, maps)


def strengths(road: Road, request: Request) -> Figure:
    """Figure 6: ours beside E1 to E4."""
    names = ["ours", "E1", "E2", "E3", "E4"]
    return _edits(road, request, [{"method": name} for name in names], names)


def _edits(
    road: Road,
    request: Request,
    changes: list[dict],
    titles: list[str],
    above: list[np.ndarray] | None = None,
) -> Figure:
    """The head and edits with changed settings in one held-out frame; `above`: a row above the
    edits.
    """
    head, capture = road.gaussian_head(), road.capture()
    test = capture.split()[1]
    t = test[len(test) // 2]
    heads, numbers = zip(*[scored_edit(road, request.prompt, request.editor, **c) for c in changes])
    blank = np.full((capture.size, capture.size, 3), 255, np.uint8)
    rows = [[blank, *above]] if above else []
    rows.append([h.render_frame(capture, t) for h in (head, *heads)])
    parts = [
        f"{title}: {n['inside']:.3f} on the face, {n['outside']:.3f} elsewhere"
        for title, n in zip(titles, numbers)
    ]
    what = "; above, the weight w, yellow for 1" if above else ""
    return Figure(
        sheet(rows, ["head", *titles]),
        f"The head and edits of it in held-out frame {t}, one for each of: {', '.join(titles)}"
        + what,
        f"“{request.prompt}”. Mean change of colour: {'; '.join(parts)}.",
    )


def methods_from_sides(road: Road, request: Request) -> Figure:
    """Figure 4: editing methods from several sides."""
    head, capture = road.gaussian_head(), road.capture()
    heads, numbers = {"head": head}, {}
    for title, method in METHODS.items():
        edited, scores = scored_edit(road, request.prompt, request.editor, method=method, seed=0)
        heads[title], numbers[title] = edited, scores
    rows = [_sides(h, capture) for h in heads.values()]
    clothes = {title: n["clothes"] for title, n in numbers.items()}
    parts = [f"{title} {change:.3f}" for title, change in clothes.items() if change is not None]
    return Figure(
        sheet(rows, [f"{a:+.0f}°" for a in SIDES], list(heads)),
        f"The head and {len(METHODS)} methods' edits of it, each from {len(SIDES)} sides",
        f"“{request.prompt}”, the neutral frame. Mean change of the clothes: {', '.join(parts)}."
        if parts
        else f"“{request.prompt}”, the neutral frame.",
    )


def methods_on_a_rig(road: Road, request: Request) -> Figure | None:
    """Figure 10, more comparisons: of a head that sixteen cameras filmed; None for a video."""
    rig = request.rig_road(road.plan.source.text)
    return methods_from_sides(rig, request) if rig else None


def without_the_mesh(road: Road, request: Request) -> Figure:
    """Figure 7: D1 and D2 from several sides."""
    return _variants(road, ["full", "D1", "D1b", "D2"])


def without_views(road: Road, request: Request) -> Figure:
    """Figure 8, its part on V3D: with and without the views."""
    return _variants(road, ["full", "no-views"])


def _variants(road: Road, names: list[str]) -> Figure:
    rows, parts = [], []
    for name in names:
        variant = run_variant(road, name)
        rows.append(_sides(variant.shown(road), variant.capture(road)))
        side = variant.numbers.get("head.psnr_novel")
        truth = f", {side:.1f} dB at ±30°" if side is not None else ""
        parts.append(f"{name} {variant.numbers['head.psnr_heldout']:.1f} dB{truth}")
    ideas = "; ".join(f"{name}: {VARIANTS[name].idea}" for name in names)
    return Figure(
        sheet(rows, [f"{a:+.0f}°" for a in SIDES], names),
        f"The neutral frame from {len(SIDES)} sides as {len(names)} variants make it",
        f"{ideas}. PSNR on held-out frames: {'; '.join(parts)}.",
    )


def _sides(head: RenderableHead, capture: Capture) -> list[Tensor]:
    cameras = capture.orbit_cameras(SIDES)
    return [head.render_frame(capture, capture.neutral, camera) for camera in cameras]


def frame_by_frame(road: Road, request: Request) -> Figure:
    """Figure 9: what happens when every frame is turned by itself, instead of one neutral frame."""
    capture, orbit = road.raw_capture(), tiny_orbit_views("cpu")
    first = capture.neutral if capture.neutral + TURNED_FRAMES < len(capture) else 0
    frames = list(range(first, first + TURNED_FRAMES))
    turned = [orbit.orbit(capture.image(t), capture.matte(t)) for t in frames]
    step = 360 // len(turned[0])
    rows = [[capture.image(t) for t in frames]]
    rows += [[views[round(a / step)] for views in turned] for a in TURNED]
    jumps = [_jump(row) for row in rows]
    parts = [f"{a:.0f}°: {jump:.3f}" for a, jump in zip(TURNED, jumps[1:])]
    return Figure(
        sheet(rows, [f"frame {t}" for t in frames], ["video", *[f"{a:.0f}°" for a in TURNED]]),
        f"{TURNED_FRAMES} neighbouring frames, and each turned by itself by the tiny orbit model",
        "A small stand-in turns each frame by itself; the paper shows such a failure and cites "
        f"SV4D. What is left between neighbours after warping, video: {jumps[0]:.3f}; turned by "
        f"{', '.join(parts)}.",
    )


def _jump(pictures: list[Tensor]) -> float:
    """Mean absolute difference of neighbours, the first warped onto the second."""
    pairs = list(zip(pictures, pictures[1:]))
    return float(np.mean([(warped(a, flow(a, b)) - b).abs().mean() for a, b in pairs]))


def drivers_and_edits(road: Road, request: Request) -> Figure:
    """Figure 11: edited heads under several drivers."""
    capture = road.capture()
    heads = {p: road.edited_head(p, request.editor) for p in PROMPTS[:2]}
    rows, titles, labels = [], [], ["driver", *heads]
    shown: dict[str, list] = {label: [] for label in labels}
    for driver in DRIVERS:
        leader = road.driver_road(driver).raw_capture()
        motion: Motion = retarget(leader, capture)
        frames = evenly(list(range(len(motion))), 3)
        titles += [f"{driver}, {t}" for t in frames]
        shown["driver"] += [leader.image(t) for t in frames]
        for prompt, edited in heads.items():
            played = play(edited, capture, motion.subset(frames))
            shown[prompt] += [torch.from_numpy(x).float() / 255 for x in played]
    rows = [shown[label] for label in labels]
    return Figure(
        sheet(rows, titles, labels),
        f"{len(DRIVERS)} drivers above, below them {len(heads)} edits of the head that follow them",
        "Each edited head as the frames of the drivers above it; “NAME, T” names driver and frame.",
    )


FIGURES: dict[str, Callable[[Road, Request], Figure | None]] = {
    "figure1": people_and_prompts,
    "figure3": boundaries,
    "figure4": methods_from_sides,
    "figure5": alphas,
    "figure6": strengths,
    "figure7": without_the_mesh,
    "figure8": without_views,
    "figure9": frame_by_frame,
    "figure10": methods_on_a_rig,
    "figure11": drivers_and_edits,
}
