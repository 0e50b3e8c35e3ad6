"""A person's shape in closed form, and the detector's error that it heeds."""

import numpy as np
import pytest
import torch
from conftest import seeded

from stkit import face_models
from stkit.cameras import front_camera, orbit_camera
from stkit.capture.fitting import fit_clip
from stkit.capture.landmark_terms import (
    FitSettings,
    HeadMotion,
    Targets,
    eye_distance,
    posed_points,
)
from stkit.capture.shape import rigid_motions, shape_prior, solve_shape
from stkit.face_models.detector import DetectorError
from stkit.face_models.landmarks import KEPT_66, MEDIAPIPE_68
from stkit.geometry import so3_exp, umeyama
from stkit.studies.detector_error import Looks, Misses, by_actions, principal, reach

FRAMES = 5


@pytest.fixture(scope="module")
def scene():
    """A person whom the detector misses, turning before the camera: model, truth, targets."""
    model, camera, g = face_models.builtin(), front_camera(256), seeded(3)
    identity = torch.zeros(len(model.identity))
    identity[:80] = torch.randn(80, generator=g)
    person = torch.randn(len(model.detector.modes), generator=g)
    ids = torch.cat([model.landmarks, model.dense])
    pose = torch.zeros(FRAMES, 6)
    pose[:, 1] = torch.linspace(-0.5, 0.5, FRAMES)
    motion = HeadMotion(
        identity,
        torch.tensor(1.0),
        torch.zeros(FRAMES, model.betas),
        pose,
        model.detector.habit(person),
    )
    offsets = model.detector.usual(motion.beta) + motion.habit
    world = posed_points(model, ids, identity, motion.scale, motion.beta, pose, offsets)
    weight = 0.2 + torch.rand(FRAMES, len(ids), generator=g)
    return model, camera, motion, Targets(ids, camera.project(world), weight)


def test_pixels_move_with_points_as_autograd_says():
    camera = orbit_camera(front_camera(128), 30, 10)
    points = torch.randn(4, 3, generator=seeded(0))
    true = torch.autograd.functional.jacobian(lambda x: camera.project(x).sum(0), points)
    torch.testing.assert_close(camera.jacobian(points), true.permute(1, 0, 2))


def test_the_solution_is_that_of_stacked_least_squares(scene):
    model, camera, motion, targets = scene
    settings = FitSettings(w_shape=1e-4)
    found = solve_shape(model, targets, camera, motion, settings)
    ids, usual = targets.ids, model.detector.usual(motion.beta)
    zero = torch.zeros(len(model.identity))
    world = posed_points(model, ids, zero, motion.scale, motion.beta, motion.pose, usual)
    directions = torch.cat(
        [model.identity[:, ids], model.detector.modes, rigid_motions(model.mean[ids])]
    )
    turned = torch.einsum("fij,knj->kfni", so3_exp(motion.pose[:, :3]), directions)
    moves = torch.einsum("fnpi,kfni->kfnp", camera.jacobian(world), turned)
    root = (targets.weight / FRAMES / len(KEPT_66)).sqrt() / eye_distance(targets.pixels)
    rows = (moves * root[..., None]).flatten(1).T.double()
    right = ((targets.pixels - camera.project(world)) * root[..., None]).reshape(-1).double()
    held = torch.eye(len(directions), dtype=torch.float64) * 1e-2
    held[-7:] = 0
    best = torch.linalg.lstsq(
        torch.cat([rows, held]), torch.cat([right, right.new_zeros(len(held))])
    )
    expected = best.solution.float()
    directions_of_shape = len(model.identity)
    torch.testing.assert_close(found.identity, expected[:directions_of_shape], atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(found.person, expected[directions_of_shape:-7], atol=2e-3, rtol=2e-3)


def test_who_the_detector_misses_is_found_better_than_as_the_mean_face(scene):
    model, camera, motion, targets = scene
    found = solve_shape(model, targets, camera, motion, FitSettings())
    skin = model.part("skin")

    def off(identity):
        a, b = model.verts(identity)[skin], model.verts(motion.identity)[skin]
        R, T, scale = umeyama(a, b)
        return float((scale * a @ R.T + T - b).norm(dim=1).mean())

    assert off(found.identity) < 0.7 * off(torch.zeros_like(motion.identity))
    assert not found.identity[80:].any(), "no landmark lies on the hair shell"


def test_a_model_whose_detector_is_not_known_has_no_offsets():
    model = face_models.builtin().only(torch.arange(20))
    error = model.detector
    assert error.usual(torch.zeros(2, model.betas)).shape == (2, 0, 3)
    assert error.habit(torch.zeros(0)).shape == (0, 3)
    assert shape_prior(model, FitSettings()) == FitSettings.w_identity
    assert shape_prior(face_models.builtin(), FitSettings()) == FitSettings.w_shape


def test_a_fit_gives_back_the_habit_on_the_person_it_found(scene):
    model, camera, _, targets = scene
    points = np.zeros((FRAMES, 478, 2), np.float32)
    points[:, model.dense_mediapipe.numpy()] = targets.pixels[:, 68:].numpy()
    points[:, MEDIAPIPE_68] = targets.pixels[:, :68].numpy()
    fit = fit_clip(points, camera, model, FitSettings(steps=60))
    torch.testing.assert_close(fit.habit, model.detector.habit(fit.person))
    assert fit.nme.max() < 0.02


def test_planted_habits_of_a_detector_are_found():
    g, points = seeded(1), torch.randn(30, 3, generator=seeded(2))
    basis = torch.linalg.qr(rigid_motions(points).flatten(1).T).Q
    habits = torch.randn(3, 90, generator=g)
    habits = torch.linalg.qr((habits - habits @ basis @ basis.T).T).Q.T
    usual = habits[2] * 5
    people = torch.randn(400, 2, generator=g) * torch.tensor([2.0, 0.5])
    missed = (usual + people @ habits[:2]).unflatten(1, (-1, 3))
    mean, modes = principal(missed + rigid_motions(points)[4], points, 2)
    torch.testing.assert_close(mean.flatten(), usual, atol=0.2, rtol=0)
    sizes = modes.flatten(1).norm(dim=1)
    torch.testing.assert_close(sizes, torch.tensor([2.0, 0.5]), atol=0.1, rtol=0.1)
    assert (modes.flatten(1) @ habits[:2].T).abs().diagonal().div(sizes).min() > 0.95


def test_an_offset_across_the_face_is_read_from_turned_pictures():
    camera, g = front_camera(256), seeded(4)
    points = 0.4 * torch.randn(40, 3, generator=g)
    pose = torch.zeros(6, 6)
    pose[:, 1] = torch.linspace(-0.5, 0.5, 6)
    true = torch.zeros(40, 3)
    true[7, 0] = 0.05
    turns = so3_exp(pose[:, :3])
    world, moved = (torch.einsum("fij,nj->fni", turns, x) for x in (points, points + true))
    found = Misses.of(Looks(world, pose, pose, camera.project(moved)), camera).offsets()
    assert found[7, 0] == pytest.approx(0.05, rel=0.2)
    assert found[:7].norm(dim=1).max() < 0.01


def test_what_an_action_adds_is_told_from_what_a_person_adds():
    """A planted action moves point 3 upwards, and each of six people all points."""
    camera, g = front_camera(256), seeded(5)
    points = 0.4 * torch.randn(12, 3, generator=g)
    true = torch.zeros(2, 12, 3)
    true[1, 3, 1] = 0.04
    misses, betas = [], []
    for _ in range(6):
        beta = 5 * torch.rand(8, 2, generator=g)
        own = 0.02 * torch.randn(12, 3, generator=g)
        jacobian = camera.jacobian(points).expand(8, -1, -1, -1)
        moved = torch.einsum("fa,anc->fnc", beta, true) + own
        misses.append(Misses(torch.einsum("fnpc,fnc->fnp", jacobian, moved), jacobian))
        betas.append(beta)
    found = by_actions(misses, betas, torch.ones(2, 12, dtype=torch.bool))
    assert found[1, 3, 1] > 0.01 and found[1, 3, 1] > 20 * found[0].abs().max()
    nowhere = by_actions(misses, betas, torch.zeros(2, 12, dtype=torch.bool))
    assert not nowhere.any()


def test_an_action_of_one_side_moves_that_side_alone_and_a_blink_no_rim():
    points = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0], [-0.5, 0.0, 0.0], [0.5, 0.2, 0.0]])
    names = ("eyeBlinkLeft", "mouthSmileRight", "jawLeft", "jawOpen")
    where = reach(names, points, points[3:])
    expected = [[True, True, False, False], [False, True, True, False], [True] * 4, [True] * 4]
    assert where.tolist() == expected


def test_offsets_add_actions_and_modes_to_the_mean():
    error = DetectorError(torch.ones(2, 3), torch.ones(1, 2, 3), torch.eye(3)[None, :2])
    usual = error.usual(torch.tensor([[0.0, 7.0], [0.5, 7.0]]))
    torch.testing.assert_close(usual, torch.tensor([1.0, 1.5])[:, None, None].expand(2, 2, 3))
    torch.testing.assert_close(error.habit(torch.tensor([2.0])), 2 * torch.eye(3)[:2])
