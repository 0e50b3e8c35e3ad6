"""Stage 04's report: the weight map w of Eq. 8 on the head, and what alpha does to it."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from stkit.capture import Capture
from stkit.editing.weights import LANDMARK_SETS, landmark_set, point_weights, weight, weight_image
from stkit.heads.gaussian import GaussianHead
from stkit.io.images import colour_map, figure, sheet, u8
from stkit.io.label import SYNTHETIC
from stkit.runs.store import Work

ALPHAS = (1.0, 2.5, 5.0, 10.0, 20.0)  # 1/dm
REACH = 1.2  # decimetres, of the curves


def weights(work: Work, head: GaussianHead, capture: Capture, alpha: float, landmarks: str) -> None:
    """W and 1 - w on the head, sweeps of alpha and landmark set, the curve w(d)."""
    w = point_weights(head, landmark_set(capture, landmarks), alpha)
    work.record("weights.mean", float(w.mean()))
    work.record("weights.above_half", float((w > 0.5).float().mean()))
    image = head.render_frame(capture, capture.neutral)
    row = [image, weight_picture(head, capture, w), weight_picture(head, capture, 1 - w)]
    work.figure(
        "weight_map",
        sheet([row], ["head", f"w, alpha = {alpha:g}", "1 - w"], height=280),
        "The head, its weight map bright on the face and dark on hair and clothes, and the "
        "opposite map",
        f"Eq. 8's w (strong edits) and 1 - w (weak edits), {landmarks} landmarks; dark blue 0, "
        "yellow 1 (viridis).",
        label=SYNTHETIC,
    )
    rows = [
        [
            weight_picture(head, capture, point_weights(head, landmark_set(capture, name), a))
            for a in ALPHAS
        ]
        for name in LANDMARK_SETS
    ]
    work.figure(
        "alpha_sweep",
        sheet(rows, [f"alpha {a:g}" for a in ALPHAS], list(LANDMARK_SETS)),
        "Weight maps for five values of alpha, with 66 landmarks above and the dense set below",
        "Small alpha edits everything, large alpha only dots around the landmarks. The dense set "
        "covers all skin.",
    )
    work.figure(
        "weight_curves",
        figure(lambda fig: _draw_curves(fig, w)),
        "Curves of w against distance for five alphas, and a histogram of w over the Gaussians",
        "w is 0.5 at 2.2 cm for the paper's alpha = 5.",
    )


@torch.no_grad()
def weight_picture(head: GaussianHead, capture: Capture, w: Tensor) -> np.ndarray:
    """w (N,) on the head at the neutral frame (H, W, 3) uint8, in viridis over white."""
    frame = capture.frame_pose(capture.neutral)
    alpha = head.render(capture.camera, frame)[1]
    coloured = torch.from_numpy(colour_map(weight_image(head, w, capture.camera, frame))) / 255
    return u8(coloured * alpha + 1 - alpha)


def _draw_curves(fig: Figure, w: Tensor) -> None:
    curves, histogram = fig.subplots(1, 2)
    d = torch.linspace(0, REACH, 200)
    for value in ALPHAS:
        curves.plot(d * 10, weight(d, value), label=f"alpha {value:g}")
    curves.set(
        xlabel="distance to the nearest landmark (cm)",
        ylabel="w",
        title="w = 2 sigmoid(-alpha d)",
    )
    curves.legend(fontsize=8, frameon=False)
    histogram.hist(w.numpy(), bins=40)
    histogram.set(xlabel="w", title="how many Gaussians have which w")
