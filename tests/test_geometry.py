"""Rotations, quaternions, cameras, nearest neighbours and seeds."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit.cameras import DISTANCE, front_camera, orbit_camera
from stkit.geometry import (
    axis_angle_to_quat,
    euler_yxz,
    generator,
    nearest,
    quat_from_z,
    quat_multiply,
    quat_to_rotation,
    so3_exp,
    so3_log,
    umeyama,
    yaw_pitch_roll,
)

angle = st.floats(-1.4, 1.4)


@given(st.tuples(angle, angle, angle))
@settings(max_examples=40, deadline=None)
def test_exp_and_log_are_inverse(v):
    omega = torch.tensor(v, dtype=torch.float64)
    R = so3_exp(omega)
    assert torch.allclose(R @ R.T, torch.eye(3, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(so3_log(R), omega, atol=1e-6)


def test_exp_has_gradients_at_zero():
    omega = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(so3_exp, (omega + 0.3,))
    so3_exp(omega).sum().backward()
    assert torch.isfinite(omega.grad).all()


@given(st.tuples(angle, st.floats(-1.0, 1.0), angle))
@settings(max_examples=30, deadline=None)
def test_euler_angles_return(v):
    yaw, pitch, roll = (torch.tensor(x, dtype=torch.float64) for x in v)
    back = yaw_pitch_roll(so3_exp(euler_yxz(yaw, pitch, roll)))
    assert torch.allclose(torch.stack(back), torch.stack([yaw, pitch, roll]), atol=1e-5)


def test_positive_yaw_turns_the_nose_to_the_subjects_left():
    nose = so3_exp(euler_yxz(*torch.tensor([0.5, 0.0, 0.0]))) @ torch.tensor([0.0, 0, 1])
    assert nose[0] > 0


def test_quaternions_agree_with_matrices():
    a, b = torch.randn(2, 5, 3, generator=generator(0, "q"), dtype=torch.float64)
    qa, qb = axis_angle_to_quat(a), axis_angle_to_quat(b)
    assert torch.allclose(quat_to_rotation(qa), so3_exp(a), atol=1e-6)
    assert torch.allclose(
        quat_to_rotation(quat_multiply(qa, qb)), so3_exp(a) @ so3_exp(b), atol=1e-6
    )


def test_nearest_is_the_same_by_tree_and_by_table():
    p, t = torch.randn(50, 3, generator=generator(1)), torch.randn(400, 3, generator=generator(2))
    d, i = nearest(p, t, 3)
    e, j = torch.cdist(p, t).topk(3, largest=False)
    assert torch.allclose(d, e, atol=1e-3) and (i == j).float().mean() > 0.98


def test_front_camera_sees_the_world_upright():
    camera = front_camera(200)
    u, v = camera.project(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])).T
    assert (u[0], v[0]) == (100, 100) and u[1] > 100 and v[2] < 100


def test_orbit_keeps_the_target_and_the_distance():
    target = torch.tensor([0.2, 0.1, -0.3])
    base = front_camera(100)
    for azimuth in (-60.0, 20.0, 180.0):
        camera = orbit_camera(base, azimuth, target=target)
        assert torch.allclose(camera.project(target), base.project(target), atol=1e-3)
        assert torch.allclose(
            (camera.centre() - target).norm(), (base.centre() - target).norm(), atol=1e-4
        )
    assert orbit_camera(base, 90.0).centre()[0] > 0.9 * DISTANCE


def test_generators_differ_by_path_and_repeat_by_seed():
    first, again, other = (torch.rand(3, generator=generator(0, path)) for path in ("a", "a", "b"))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_quat_from_z_turns_the_z_axis_into_the_normals_line():
    g = torch.Generator().manual_seed(0)
    n = torch.nn.functional.normalize(torch.randn(50, 3, generator=g), dim=1)
    n = torch.cat([n, torch.tensor([[0.0, 0, 1], [0, 0, -1], [1, 0, 0]])])
    turned = quat_to_rotation(quat_from_z(n))[:, :, 2]
    assert torch.allclose((turned * n).sum(1).abs(), torch.ones(len(n)), atol=1e-5)
    assert torch.allclose(quat_from_z(n[:52]), quat_from_z(-n[:52]), atol=1e-6)


def test_umeyama_finds_a_similarity_in_spite_of_points_without_weight():
    g = generator(0)
    points = torch.randn(30, 3, generator=g, dtype=torch.float64)
    R = so3_exp(torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64))
    T = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    goal = 0.7 * points @ R.T + T
    weights = torch.ones(30, 1, dtype=torch.float64)
    for wanted, found in zip((R, T, 0.7), umeyama(points, goal)):
        assert torch.allclose(found, torch.as_tensor(wanted, dtype=torch.float64))
    goal[:5] += 3.0
    weights[:5] = 0.0
    for wanted, found in zip((R, T, 0.7), umeyama(points, goal, weights=weights)):
        assert torch.allclose(found, torch.as_tensor(wanted, dtype=torch.float64))
    rigid = umeyama(points, (points - 1.0) @ R.T, with_scale=False)
    assert float(rigid[2]) == 1 and torch.allclose(rigid[0], R)
    mirror = umeyama(points, points * torch.tensor([-1.0, 1, 1]))[0]
    assert torch.allclose(torch.linalg.det(mirror), torch.ones((), dtype=torch.float64))
