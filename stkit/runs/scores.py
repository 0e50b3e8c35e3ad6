"""The numbers of a run: each is computed on frames that training did not see, unless its name says otherwise."""

from dataclasses import dataclass, replace
from pathlib import Path
import numpy as np
import torch
from torch import Tensor
from stkit import face_models
from stkit.cameras import Camera, orbit_camera
from stkit.capture.capture import Capture
from stkit.face_models.landmarks import openings
from stkit.face_models.transfer import carry_expressions
from stkit.heads.gaussian import GaussianHead
from stkit.geometry import so3_exp, so3_log

import numpy as np
import torch
from torch import Tensor

from stkit.capture.detect import seen_openings
from stkit.driving.motion import Motion, play
from stkit.cameras import Camera, orbit_camera
from stkit.capture.capture import Capture
from stkit.space import HEAD_CENTRE, to_world
from stkit.capture.preprocess import synthetic_subject
from stkit.synthetic.subject import rest_pose
from stkit.editing.weights import landmark_set, point_weights, weight_image
from stkit.face_models.landmarks import KEPT_66, openings
from stkit.heads.gaussian import GaussianHead
from stkit.metrics import correlation, iou, perceptual, psnr, ssim


def mesh_scores(head, capture: Capture, train: list[int], test: list[int]) -> dict[str, float]:
    """Silhouette IoU on held-out and on training frames, and PSNR of the mesh's picture (256 px, white)."""
    score = lambda frames: float(np.mean([iou(head.render_frame(capture, t).mask, capture.matte(t)) for t in frames]))
    colour = [psnr(head.render_frame(capture, t).image, capture.image(t)) for t in test]
    return {
        "mesh.iou_heldout": score(test),
        "mesh.iou_train": score(train[:: max(1, len(train) // 20)]),
        "mesh.psnr_heldout": float(np.mean(colour)),
    }


def held_out_scores(head: GaussianHead, capture: Capture, raw: Capture, train: list[int], test: list[int]) -> dict:
    """PSNR and SSIM over white with the matte applied, on held-out and training frames; LPIPS where its weights are.

    `capture` has the tracking refined by the mesh; `raw` has the landmark tracking alone, scored as '_raw'.
    """
    pairs = [(head.render_frame(capture, t), capture.image(t)) for t in test]
    some = train[:: max(1, len(train) // 20)]
    lpips = [perceptual(a, b) for a, b in pairs[:: max(1, len(pairs) // 10)]]
    return {
        "head.psnr_heldout": float(np.mean([psnr(a, b) for a, b in pairs])),
        "head.ssim_heldout": float(np.mean([float(ssim(a, b)) for a, b in pairs])),
        "head.lpips_heldout": "n/a: the VGG weights are not here, see `stkit doctor`" if None in lpips else float(np.mean(lpips)),
        "head.psnr_heldout_raw": float(np.mean([psnr(head.render_frame(raw, t), raw.image(t)) for t in test])),
        "head.psnr_train": float(np.mean([psnr(head.render_frame(capture, t), capture.image(t)) for t in some])),
    }


def true_view(source: str, frames: int, capture: Capture, t: int, azimuth: float) -> tuple[Tensor, Camera]:
    """The synthetic subject's true picture from a camera turned by `azimuth` degrees, and that camera in the tracked world."""
    subject = synthetic_subject(source, frames)
    p = subject.performance
    centre = to_world(HEAD_CENTRE, p.frame_pose(t))[0]
    camera = orbit_camera(capture.camera, azimuth, target=centre)
    return subject.render(t, camera)[0], _rescaled(camera, _true_to_tracked(subject, capture, t), capture)


def true_picture(capture: Capture, t: int, camera: Camera) -> Tensor:
    """The synthetic subject's true picture (H, W, 3) in frame t from a camera of the tracked world."""
    subject = synthetic_subject(capture.source, len(capture))
    return subject.render(t, _rescaled(camera, 1 / _true_to_tracked(subject, capture, t), capture))[0]


def _true_to_tracked(subject, capture: Capture, t: int) -> Tensor:
    """The factor between the true and the tracked world, from frame t's true landmarks.

    One camera cannot tell size from distance: scaling the world about the camera's centre leaves every pixel where it is. Nothing else is taken from the truth.
    """
    C = capture.camera.centre()
    true, tracked = subject.landmarks(t)[KEPT_66] - C, capture.landmarks3d[t] - C
    return (true * tracked).sum() / true.square().sum()


def _rescaled(camera: Camera, factor: Tensor, capture: Capture) -> Camera:
    """The camera that sees the world, made larger by `factor` about the filming camera's centre, as `camera` sees it now."""
    viewmat = camera.viewmat.clone()
    turned = viewmat[:3, :3] @ capture.camera.centre()
    viewmat[:3, 3] = factor * (turned + viewmat[:3, 3]) - turned
    return Camera(viewmat, camera.K, camera.width, camera.height)


def novel_view_scores(head: GaussianHead, capture: Capture, test: list[int], azimuths: tuple[float, ...] = (-30.0, 30.0)) -> dict:
    """PSNR against true views of held-out frames from turned cameras; only where truth exists (the synthetic subject)."""
    if not capture.source.startswith("synthetic"):
        return {"head.psnr_novel": "n/a: no truth for a real clip"}
    values = []
    for t in test[:: max(1, len(test) // 4)]:
        for azimuth in azimuths:
            truth, camera = true_view(capture.source, len(capture), capture, t, azimuth)
            values.append(psnr(head.render_frame(capture, t, camera), truth))
    return {"head.psnr_novel": float(np.mean(values))}


def edit_change(original: GaussianHead, edited: GaussianHead, capture: Capture, frames: list[int]) -> dict[str, float]:
    """Mean absolute change by the edit on held-out frames: where the face is (w >= 0.5) and on the rest of the figure (w < 0.15)."""
    w = point_weights(original, landmark_set(capture))
    inside, outside = [], []
    for t in frames[:: max(1, len(frames) // 8)]:
        arguments = capture.frame_pose(t)
        with torch.no_grad():
            before, alpha = original.render(capture.camera, arguments)
            after, _ = edited.render(capture.camera, arguments)
        change = (after - before).abs().mean(-1, keepdim=True)
        shown = alpha > 0.8
        share = weight_image(original, w, capture.camera, arguments) / alpha.clamp_min(1e-3)
        inside.append(float(change[shown & (share >= 0.5)].mean()))
        outside.append(float(change[shown & (share < 0.15)].mean()))
    return {"edit.inside": float(np.mean(inside)), "edit.outside": float(np.mean(outside))}


def followed(head: GaussianHead, subject: Capture, motion: Motion, driver: Capture) -> tuple[list[float], Tensor, Tensor]:
    """Does the result do what the driver does? Correlations of the openings of lips and lids, NaN where fewer than 5 frames show a face.

    And both sequences (F, 2): the driver's, and what MediaPipe sees in the unedited result.
    """
    wanted = openings(driver.landmarks[..., :2])[: len(motion)]
    got = seen_openings(play(head, subject, motion))
    seen = torch.isfinite(got).all(1)
    if seen.sum() < 5:
        return [float("nan")] * 2, wanted, got
    return [correlation(wanted[seen, k], got[seen, k]) for k in range(2)], wanted, got


def refitted_beta(points: np.ndarray, capture: Capture, steps: int = 150) -> tuple[Tensor, Tensor]:
    """Expressions (K, 64) of the built-in head fitted to `seen_points` (F, 478, 2) by the capture's camera, and which frames (F,) bool have points."""
    from stkit.capture.fitting import FitSettings, fit_clip

    seen = np.isfinite(points).all((1, 2))
    if seen.sum() < 3:
        return torch.zeros(0, 64), torch.from_numpy(seen)
    fit = fit_clip(points[seen], capture.camera, face_models.get("builtin"), FitSettings(steps=steps))
    return fit.beta, torch.from_numpy(seen)
