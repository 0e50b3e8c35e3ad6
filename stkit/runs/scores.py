"""The numbers of a run: each is computed on frames that training did not see, unless its name says
otherwise.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import Camera, orbit_camera
from stkit.capture import Capture
from stkit.capture.detect import seen_openings
from stkit.capture.fitting import fit_clip
from stkit.capture.landmark_terms import FitSettings
from stkit.driving.hair import follow_head
from stkit.driving.motion import Motion, play
from stkit.editing.weights import landmark_set, point_weights, weight_image
from stkit.face_models.landmarks import KEPT_66, openings
from stkit.heads.alignment import align_frames, show_frozen
from stkit.heads.gaussian import GaussianHead
from stkit.heads.mesh import MeshHead
from stkit.heads.placing import PosableHead, RenderableHead
from stkit.metrics.learned import perceptual
from stkit.metrics.pictures import correlation, haarpsi, iou, ms_ssim, psnr, ssim
from stkit.runs.identity_scores import identity_scores
from stkit.space import HEAD_CENTRE, to_world
from stkit.synthetic.subject import named_subject, synthetic_seed

TRAINING_FRAMES = 20  # of the training frames, scored for comparison
LPIPS_FRAMES = 10  # of the frames: LPIPS and MS-SSIM are slow
HAIR_FRAMES = 6  # of the held-out frames, aligned without a look at their hair
HAIR_STEPS = 40  # of that alignment
NOVEL_FRAMES = 4  # held-out frames seen from turned cameras
EDIT_FRAMES = 8  # held-out frames in which an edit's change is measured
FIGURE = 0.8  # alpha from which a pixel belongs to the figure
INSIDE, OUTSIDE = (
    0.5,
    0.15,
)  # w from which a pixel is of the face, and below which it is far from it
FEWEST = 5  # frames with a face, below which a correlation says nothing


def every(items: list[int], count: int) -> list[int]:
    """About `count` of the items, evenly."""
    return items[:: max(1, len(items) // count)]


def mean(values: list[float]) -> float:
    """The mean of numbers, as a float."""
    return float(np.mean(values))


def mean_of_known(values: list[float | None]) -> float | None:
    """The mean of the numbers that are there; None where none is."""
    known = [x for x in values if x is not None]
    return mean(known) if known else None


def mesh_scores(
    head: MeshHead, capture: Capture, train: list[int], test: list[int]
) -> dict[str, float]:
    """Silhouette IoU on held-out and on training frames, and PSNR of the mesh's picture over
    white.
    """
    shown = {t: head.render_frame(capture, t) for t in [*test, *every(train, TRAINING_FRAMES)]}
    overlap = {t: iou(image.mask, capture.matte(t)) for t, image in shown.items()}
    return {
        "mesh.iou_heldout": mean([overlap[t] for t in test]),
        "mesh.iou_train": mean([overlap[t] for t in every(train, TRAINING_FRAMES)]),
        "mesh.psnr_heldout": mean([psnr(shown[t].image, capture.image(t)) for t in test]),
    }


def held_out_scores(
    head: PosableHead, capture: Capture, raw: Capture, train: list[int], test: list[int]
) -> dict[str, float | None]:
    """Scores of pictures over white with the matte applied: '_heldout' on held-out frames, '_train'
    on frames that were trained on, as the paper scores.

    `capture` has the tracking that the Gaussian stage refined, hair and clothes included; `raw` has
    landmark tracking alone, scored as '_raw'. '_hair_predicted': see `hair_predicted_score`. A
    score whose weights are not on this machine is None.
    """
    sets = {"heldout": test, "train": every(train, TRAINING_FRAMES)}
    scores: dict[str, float | None] = {}
    for name, frames in sets.items():
        pairs = [(head.render_frame(capture, t), capture.image(t)) for t in frames]
        scores |= {f"head.{k}_{name}": value for k, value in picture_scores(pairs).items()}
    return {
        **scores,
        "head.psnr_heldout_hair_predicted": hair_predicted_score(head, capture, raw, test),
        "head.psnr_heldout_raw": mean(
            [psnr(head.render_frame(raw, t), raw.image(t)) for t in test]
        ),
        **identity_scores(head, capture, test),
    }


def tracked_scores(
    head: RenderableHead, raw: Capture, train: list[int], test: list[int]
) -> dict[str, float | None]:
    """Scores of a head that tracking cannot be aligned to: with landmark tracking alone, '_train'
    on frames that were trained on and '_heldout_raw' on held-out frames.
    """
    scores: dict[str, float | None] = {}
    for name, frames in {"heldout_raw": test, "train": every(train, TRAINING_FRAMES)}.items():
        pairs = [(head.render_frame(raw, t), raw.image(t)) for t in frames]
        scores |= {f"head.{k}_{name}": value for k, value in picture_scores(pairs).items()}
    return scores | identity_scores(head, raw, test)


def absent_because(name: str) -> str:
    """Why a score of that name is not there, in words."""
    reasons = {
        "lpips": "LPIPS's VGG weights are not here, see `stkit doctor`",
        "ms_ssim": "the pictures are too small for five scales",
        "identity": "dlib is not installed: pip install 'stkit[identity]'",
        "novel": "a real clip has no true side views",
        "side": "a real clip has no true side views",
    }
    return next((text for word, text in reasons.items() if word in name), "not measured")


def picture_scores(pairs: list[tuple[Tensor, Tensor]]) -> dict[str, float | None]:
    """Means over pairs of a picture and its truth (H, W, 3) in [0, 1]; None where a score cannot be
    had. LPIPS looks at some of the pairs.
    """
    some = pairs[:: max(1, len(pairs) // LPIPS_FRAMES)]
    return {
        "psnr": mean([psnr(a, b) for a, b in pairs]),
        "ssim": mean([float(ssim(a, b)) for a, b in pairs]),
        "ms_ssim": mean_of_known([ms_ssim(a, b) for a, b in some]),
        "haarpsi": mean([haarpsi(a, b) for a, b in some]),
        "lpips": mean_of_known([perceptual(a, b) for a, b in some]),
    }


def hair_predicted_score(
    head: PosableHead, capture: Capture, raw: Capture, test: list[int]
) -> float:
    """PSNR (dB) on some held-out frames whose hair and clothes were not tracked: they move as the
    head's pose predicts, from the training frames of `capture`. Head and chest, of `raw`, are
    aligned to the picture.
    """
    frames = every(test, HAIR_FRAMES)
    aligned = align_frames(
        replace(raw, lattice=follow_head(capture, raw.pose, raw.torso)),
        frames,
        show=lambda t: show_frozen(head, raw, t),
        target=lambda t: (raw.image(t), raw.matte(t)),
        steps=HAIR_STEPS,
    )
    return mean([psnr(head.render_frame(aligned, t), raw.image(t)) for t in frames])


def has_truth(capture: Capture) -> bool:
    """Whether true views from other sides exist: of the synthetic subject only."""
    return synthetic_seed(capture.source) is not None


def novel_view_score(
    head: RenderableHead,
    capture: Capture,
    test: list[int],
    azimuths: tuple[float, ...] = (-30.0, 30.0),
) -> float | None:
    """PSNR (dB) against true views of held-out frames from turned cameras (degrees); None where
    there is no truth.
    """
    if not has_truth(capture):
        return None
    values = []
    for t in every(test, NOVEL_FRAMES):
        for azimuth in azimuths:
            truth, camera = true_view(capture, t, azimuth)
            values.append(psnr(head.render_frame(capture, t, camera), truth))
    return mean(values)


def true_view(capture: Capture, t: int, azimuth: float) -> tuple[Tensor, Camera]:
    """The synthetic subject's true picture (H, W, 3) in frame t from a camera turned by `azimuth`
    degrees.

    And that camera in the tracked world.
    """
    subject = named_subject(capture.source, len(capture))
    centre = to_world(HEAD_CENTRE, subject.performance.frame_pose(t))[0]
    camera = orbit_camera(capture.camera, azimuth, target=centre)
    factor = true_to_tracked(subject.landmarks(t)[KEPT_66], capture, t)
    return subject.render(t, camera)[0], rescaled(camera, factor, capture)


def true_picture(capture: Capture, t: int, camera: Camera) -> Tensor:
    """The synthetic subject's true picture (H, W, 3) in frame t from a camera of the tracked
    world.
    """
    subject = named_subject(capture.source, len(capture))
    factor = 1 / true_to_tracked(subject.landmarks(t)[KEPT_66], capture, t)
    return subject.render(t, rescaled(camera, factor, capture))[0]


def true_to_tracked(landmarks: Tensor, capture: Capture, t: int) -> Tensor:
    """The factor between the true and the tracked world, from frame t's true landmarks (66, 3).

    One camera cannot tell size from distance: scaling the world about the camera's centre leaves
    every pixel where it is. Nothing else is taken from the truth.
    """
    centre = capture.camera.centre()
    true, tracked = landmarks - centre, capture.landmarks3d[t] - centre
    return (true * tracked).sum() / true.square().sum()


def rescaled(camera: Camera, factor: Tensor, capture: Capture) -> Camera:
    """A camera that sees the world, scaled by `factor` about the filming camera's centre, as
    `camera` sees it now.
    """
    viewmat = camera.viewmat.clone()
    turned = viewmat[:3, :3] @ capture.camera.centre()
    viewmat[:3, 3] = factor * (turned + viewmat[:3, 3]) - turned
    return Camera(viewmat, camera.K, camera.width, camera.height)


@torch.no_grad()
def edit_change(
    original: GaussianHead, edited: GaussianHead, capture: Capture, frames: list[int]
) -> dict[str, float]:
    """Mean absolute change of colour by the edit: where the face is, and on the rest of the
    figure.
    """
    w = point_weights(original, landmark_set(capture))
    inside, outside = [], []
    for t in every(frames, EDIT_FRAMES):
        frame = capture.frame_pose(t)
        before, alpha = original.render(capture.camera, frame)
        after, _ = edited.render(capture.camera, frame)
        change = (after - before).abs().mean(-1, keepdim=True)
        shown = alpha > FIGURE
        weight = weight_image(original, w, capture.camera, frame) / alpha.clamp_min(1e-3)
        inside.append(float(change[shown & (weight >= INSIDE)].mean()))
        outside.append(float(change[shown & (weight < OUTSIDE)].mean()))
    return {"edit.inside": mean(inside), "edit.outside": mean(outside)}


@dataclass(frozen=True)
class Follows:
    """Does the result do what the driver does?

    mouth, lids: correlation of their openings over time, None where fewer than five frames show a
    face. driver, result (F, 2): both openings, frame by frame.
    """

    mouth: float | None
    lids: float | None
    driver: Tensor
    result: Tensor


def follows(head: GaussianHead, subject: Capture, motion: Motion, driver: Capture) -> Follows:
    """Compare the driver's lips and lids with what MediaPipe sees in the head that follows it."""
    wanted = openings(driver.landmarks[..., :2])[: len(motion)]
    found = seen_openings(play(head, subject, motion))
    clear = torch.isfinite(found).all(1)
    if clear.sum() < FEWEST:
        return Follows(None, None, wanted, found)
    mouth, lids = (correlation(wanted[clear, k], found[clear, k]) for k in range(2))
    return Follows(mouth, lids, wanted, found)


def refitted_beta(points: np.ndarray, capture: Capture, steps: int = 150) -> tuple[Tensor, Tensor]:
    """Expressions (K, 64) of the built-in head fitted to detected points (F, 478, 2) by the
    capture's camera.

    And which frames (F,) bool have points.
    """
    found = np.isfinite(points).all((1, 2))
    if found.sum() < 3:
        return torch.zeros(0, 64), torch.from_numpy(found)
    model, settings = face_models.builtin(), FitSettings(steps=steps)
    fit = fit_clip(points[found], capture.camera, model, settings)
    return fit.beta, torch.from_numpy(found)
