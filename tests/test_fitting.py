"""The fit of the face model to landmarks: where it starts, how fast it learns, and when it has
failed.
"""

import numpy as np
import pytest
import torch

from stkit import face_models
from stkit.cameras import DISTANCE, front_camera
from stkit.capture.descent import falling_rate
from stkit.capture.fitting import check_fit, fit_clip
from stkit.capture.landmark_terms import FitSettings
from stkit.capture.pnp import initial_poses
from stkit.face_models.makehuman.head import PUPILS
from stkit.geometry import so3_exp
from stkit.io.video import VideoError


def mean_landmarks():
    head = face_models.get("makehuman")
    return head.mean[head.landmarks]


def test_the_rigid_start_finds_how_a_head_is_turned():
    points, camera = mean_landmarks(), front_camera(256)
    turns = torch.tensor([[0.0, 0.4, 0.0], [0.1, -0.3, 0.05], [0.0, 0.0, 0.0]])
    pixels = torch.stack([camera.project(points @ so3_exp(turn).T) for turn in turns])
    pose, scale = initial_poses(pixels.numpy(), points.numpy(), camera)
    assert torch.allclose(pose[:, :3], turns, atol=1e-3)
    assert scale == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("degenerate", [0.0, 64.0, np.nan])
def test_a_frame_that_no_pose_explains_starts_upright_before_the_camera(degenerate):
    points, camera = mean_landmarks(), front_camera(128)
    good = camera.project(points).numpy()
    pose, scale = initial_poses(
        np.stack([good, np.full((68, 2), degenerate, np.float32), good]), points.numpy(), camera
    )
    assert torch.equal(pose[1], torch.zeros(6))
    assert torch.isfinite(pose).all() and scale == pytest.approx(1, abs=0.01)


def test_where_no_frame_has_a_pose_the_head_keeps_its_size():
    nowhere = np.zeros((3, 68, 2), np.float32)
    pose, scale = initial_poses(nowhere, mean_landmarks().numpy(), front_camera(128))
    assert torch.equal(pose, torch.zeros(3, 6)) and scale == DISTANCE / DISTANCE


def test_learning_rates_fall_along_half_a_cosine_above_a_floor():
    rates = [falling_rate(k, 100) for k in (0, 50, 100)]
    assert rates == pytest.approx([1.02, 0.52, 0.02])


def test_a_fit_that_misses_the_landmarks_is_refused_with_its_number():
    check_fit(torch.full((9,), 0.04), "good.mp4")
    check_fit(torch.tensor([0.03, 0.5, 0.03]), "one_bad_frame.mp4")
    with pytest.raises(VideoError, match=r"tilted\.mp4.* 9\.1 %"):
        check_fit(torch.tensor([0.091] * 5), "tilted.mp4")
    with pytest.raises(VideoError, match="lost.mp4"):
        check_fit(torch.full((3,), torch.nan), "lost.mp4")


def test_landmarks_in_a_wrong_order_are_no_fit(capture):
    """As where a detector takes something else for a face: no head explains the points."""
    head = face_models.get("makehuman")
    points = np.zeros((8, 478, 2), np.float32)
    points[:, head.dense_mediapipe.numpy()] = capture.dense[:8].numpy()
    settings = FitSettings(steps=60)
    upright = fit_clip(points, capture.camera, head, settings)
    check_fit(upright.nme, "upright.mp4")
    mixed = points[:, np.random.default_rng(0).permutation(478)]
    with pytest.raises(VideoError, match="mixed.mp4"):
        check_fit(fit_clip(mixed, capture.camera, head, settings).nme, "mixed.mp4")


def test_pupils_say_where_the_eyes_look():
    """Lids alone leave a glance open; a fit without pupils keeps the eyes straight."""
    head, camera = face_models.get("makehuman"), front_camera(256)
    glances = ("eyeLookInLeft", "eyeLookOutRight")
    beta = torch.zeros(8, head.betas)
    beta[4:, [head.expression_names.index(name) for name in glances]] = 0.6
    points = np.zeros((8, 478, 2), np.float32)
    identity = torch.zeros(len(head.identity))
    true = head.points(head.dense, identity, beta)
    seen = camera.project(true + head.detector.usual(beta)[:, len(head.landmarks) :]).numpy()
    points[:, head.dense_mediapipe.numpy()] = seen
    for iris, ring in zip((468, 473), PUPILS):
        around = head.points(torch.tensor(ring), identity, beta)
        points[:, iris] = camera.project(around).mean(1).numpy()
    found = {}
    for w_gaze in (0.0, FitSettings.w_gaze):
        fit = fit_clip(points, camera, head, FitSettings(steps=150, w_gaze=w_gaze))
        side = fit.beta[:, [head.expression_names.index(name) for name in glances]].mean(1)
        found[w_gaze] = float(side[4:].mean() - side[:4].mean())
    assert found[FitSettings.w_gaze] > max(0.4, found[0.0]), found
