import copy
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from stkit.capture.detect import seen_openings
from stkit.driving.motion import own_motion, play, retarget, scripted
from stkit.face_models.landmarks import KEPT_66, eye_opening
from stkit.heads.alignment import align_frames, moved
from stkit.heads.fit_mesh import fit_mesh, laplacian_loss
from stkit.heads.gaussian import GaussianHead
from stkit.heads.gaussian_start import mouth_points
from stkit.heads.kept_shifts import KeptShifts
from stkit.heads.landmark_teacher import LandmarkTeacher, warm_up
from stkit.heads.mesh import MeshHead, MeshSettings, new_mesh_head
from stkit.heads.mesh_training import MeshTraining
from stkit.metrics.pictures import correlation, iou, iou_loss, psnr
from stkit.runs.scores import true_picture, true_view
from stkit.space import canonical_points
from stkit.training import seeded


def test_iou_loss_is_zero_for_equal_masks():
    m = (torch.rand(8, 8, 1, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    assert float(iou_loss(m, m)) < 1e-6 and float(iou_loss(m, 1 - m)) == 1


def test_laplacian_of_a_flat_regular_patch_is_small():
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")
    v = torch.stack([x, y, torch.zeros_like(x)], -1).reshape(-1, 3)
    quad = torch.tensor(
        [
            [i * 6 + j, i * 6 + j + 1, (i + 1) * 6 + j + 1, (i + 1) * 6 + j]
            for i in range(5)
            for j in range(5)
        ]
    )
    f = torch.cat([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])
    rough = v + 0.3 * torch.randn(v.shape, generator=torch.Generator().manual_seed(0))
    assert laplacian_loss(rough, f) > 1.2 * laplacian_loss(v, f)


def test_mesh_head_learns_outline_and_landmarks(mesh):
    head, capture, history = mesh
    _, test = capture.split()
    for name in ("rgb", "laplacian"):
        assert np.mean(history[name][-10:]) < 0.9 * np.mean(history[name][:10])
    with seeded(0):
        untrained = new_mesh_head(capture, replace(head.settings, cell=head.grid.cell))
    before, after = (
        np.mean([iou(h.render_frame(capture, t).mask, capture.matte(t)) for t in test])
        for h in (untrained, head)
    )
    assert after > max(0.95, before)
    t = int(torch.argmax((capture.beta - capture.beta[capture.neutral]).norm(dim=1)))
    goal = capture.canonical_landmarks(t)
    with torch.no_grad():
        moved = head.landmarks + head.deformation(
            head.landmarks, torch.ones(66), capture.beta[t], capture.pose[t]
        )
    assert (moved - goal).norm(dim=1).mean() < 0.6 * (head.landmarks - goal).norm(dim=1).mean()


def test_every_action_moves_the_head_as_it_moves_the_face_model(mesh):
    """Those too that the clip never shows: a driver, or a slider, may ask for any."""
    head, capture, _ = mesh
    face, rest = capture.face(), capture.beta[capture.neutral]
    betas = rest + 0.8 * torch.eye(52, 64)
    points = face.points(face.landmarks[KEPT_66], capture.identity, torch.cat([rest[None], betas]))
    with torch.no_grad():
        learned = head.deformation.expressions(head.landmarks, torch.cat([rest[None], betas]))
    true, moved = points[1:] - points[0], learned[1:] - learned[0]
    plain = true.norm(dim=2).amax(1) > 0.03  # decimetres
    assert plain.sum() > 25
    share = (moved * true).sum((1, 2)) / true.square().sum((1, 2))
    assert (share[plain] > 0.6).all()


def test_lids_close_where_the_face_model_closes_them(capture):
    """A blink is three frames of twenty and a hundredth of the picture; the deformation learns it
    all the same.
    """
    from stkit.geometry import generator

    settings = MeshTraining(
        warm_steps=1200, model=MeshSettings(width=48, pose_width=24, feature=16, cell=0.3)
    )
    torch.manual_seed(0)
    head, frames = new_mesh_head(capture, settings.model), capture.split()[0]
    warm_up(head, LandmarkTeacher(capture, frames, settings, generator(0, "lids")), settings)
    gap = eye_opening(capture.landmarks[..., :2])
    shut, wide = (pick(frames, key=lambda t: gap[t]) for pick in (min, max))
    upper, ones = [37, 38, 43, 44], torch.ones(66)
    with torch.no_grad():
        learned = [
            head.landmarks
            + head.deformation(head.landmarks, ones, capture.beta[t], capture.pose[t])
            for t in (shut, wide)
        ]
    tracked = [
        canonical_points(capture.landmarks3d[t], capture.pose[t], capture.scale)
        for t in (shut, wide)
    ]
    falls = [float((pair[1] - pair[0])[upper, 1].mean()) for pair in (tracked, learned)]
    assert falls[0] > 0.03 and falls[1] > 0.5 * falls[0]


def test_training_the_mesh_twice_gives_the_same_bits(capture):

    settings = MeshTraining(
        steps=4,
        warm_steps=3,
        resolution=64,
        coarse_cell=0.3,
        model=MeshSettings(width=16, pose_width=8, feature=8, cell=0.25),
    )
    a, b = (fit_mesh(capture, settings, [0, 3, 6]) for _ in range(2))
    assert all(
        torch.equal(x, y) for x, y in zip(a[0].state_dict().values(), b[0].state_dict().values())
    )
    assert a[1] == b[1]


def test_mesh_head_survives_its_file(mesh, tmp_path):
    head, capture, _ = mesh
    head.save(tmp_path / "m.safetensors")
    back = MeshHead.load(tmp_path / "m.safetensors")
    assert torch.allclose(
        back.render_frame(capture, 2).image,
        head.render_frame(capture, 2).image,
        atol=1e-5,
    )
    with pytest.raises(ValueError, match="not a gaussians"):
        GaussianHead.load(tmp_path / "m.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "m.safetensors").read_bytes()[:999])
    with pytest.raises(ValueError, match="cut.safetensors"):
        MeshHead.load(tmp_path / "cut.safetensors")


def test_an_empty_field_is_refused_with_a_remedy(mesh):
    head = mesh[0]
    full, head.full_sdf = head.full_sdf, head.full_sdf.abs() + 1
    base, head.base = head.base, head.base.abs() + 1
    with pytest.raises(ValueError, match="there is no mesh"):
        head.extract()
    head.full_sdf, head.base = full, base


def test_gaussian_head_shows_held_out_frames(gaussians, mesh):
    capture = mesh[1]
    test = capture.split()[1]
    assert np.mean([psnr(gaussians.render_frame(capture, t), capture.image(t)) for t in test]) > 20
    assert torch.equal(
        next(gaussians.deformation.parameters()), next(mesh[0].deformation.parameters())
    ), "the deformation was frozen"
    with torch.no_grad():
        g = gaussians.gaussians(capture.frame_pose(0))
    assert all(torch.isfinite(v).all() for v in g.tensors()) and (g.scales > 0).all()


def test_alignment_finds_a_shift_it_was_given(gaussians, mesh):
    capture, (a, b) = mesh[1], (1, 5)
    shift = torch.zeros_like(capture.pose)
    shift[a, 3], shift[b, 1] = 0.04, 0.03
    wrong = moved(capture, capture.pose + shift, capture.torso)
    canonical = {t: gaussians.canonical(capture.beta[t], capture.pose[t]) for t in (a, b)}
    canonical = {t: c.detach() for t, c in canonical.items()}

    def show(t):
        return lambda frame: gaussians.place(canonical[t], frame).render(capture.camera)

    def target(t):
        return tuple(x.detach() for x in show(t)(capture.frame_pose(t)))

    found = align_frames(wrong, [a, b], show, target, steps=40, stiffness=0.0)
    assert (found.pose - capture.pose)[[a, b]].norm() < 0.4 * shift.norm()
    still = [t for t in range(len(capture)) if t not in (a, b)]
    assert torch.equal(found.pose[still], wrong.pose[still]), "other frames stay"
    assert torch.allclose(
        moved(wrong, capture.pose, capture.torso).landmarks3d, capture.landmarks3d, atol=1e-5
    )


def test_points_that_follow_the_head_turn_with_it(gaussians, mesh):
    capture = mesh[1]
    frame = capture.frame_pose(0)
    turned = replace(frame, pose=frame.pose + torch.tensor([0, 0.2, 0, 0, 0, 0]))
    with torch.no_grad():
        c = gaussians.canonical(frame.beta, frame.pose)
        a, b = (gaussians.place(c, f).means for f in (frame, turned))
    follow = gaussians.follow_logits.sigmoid()
    step = (b - a).norm(dim=1)
    assert step[follow > 0.97].mean() > 5 * step[follow < 0.03].mean()


def test_gaussian_head_survives_its_file(gaussians, mesh, tmp_path):
    gaussians.save(tmp_path / "g.safetensors")
    back = GaussianHead.load(tmp_path / "g.safetensors")
    assert torch.equal(back.render_frame(mesh[1], 1), gaussians.render_frame(mesh[1], 1))


def test_mouth_points_lie_at_the_lips(mesh):
    head = mesh[0]
    points = mouth_points(head.landmarks, 300, torch.Generator().manual_seed(0))
    lips = head.landmarks[48:66].detach()
    assert points.shape == (300, 3) and (points[:, :2] - lips[:, :2].mean(0)).abs().max() < 0.5


def test_driving_by_itself_changes_nothing(mesh):
    capture = mesh[1]
    own, again = own_motion(capture), retarget(capture, capture)
    assert torch.allclose(own.beta, again.beta, atol=1e-5) and torch.allclose(
        own.pose, again.pose, atol=1e-4
    )
    calm = retarget(capture, capture, expression=0.0)
    assert (calm.beta - capture.beta[capture.neutral]).abs().max() < 1e-6


def test_the_rendered_mouth_follows(gaussians, mesh):
    capture = mesh[1]
    frames = play(gaussians, capture, scripted(capture, 24, seed=3))
    assert (
        frames.shape == (24, 128, 128, 3) and frames.dtype == np.uint8 and frames.std(0).max() > 20
    )
    from stkit.face_models.landmarks import mouth_opening

    motion = own_motion(capture).subset(list(range(24)))
    seen = seen_openings(play(gaussians, capture, motion))[:, 0]
    wanted = mouth_opening(capture.landmarks[..., :2])
    ok = torch.isfinite(seen)
    assert ok.sum() > 18 and correlation(seen[ok], wanted[ok]) > 0.5


def test_truth_from_another_side_and_from_the_front(mesh):
    capture = mesh[1]
    front, camera = true_view(capture, 20, 0.0)
    assert torch.allclose(camera.viewmat[:3, :3], capture.camera.viewmat[:3, :3])
    assert psnr(front, capture.image(20)) > 22, "from the front the truth is the frame"
    side, camera = true_view(capture, 20, 30.0)
    assert side.std() > 0.05
    assert (true_picture(capture, 20, camera) - side).abs().max() < 1 / 255, (
        "the tracked camera leads back to the true one"
    )


def test_nets_answer_no_further_than_the_training_went(gaussians, tmp_path):
    head, free = copy.deepcopy(gaussians), copy.deepcopy(gaussians)
    free.beta_low.fill_(-torch.inf)
    free.beta_high.fill_(torch.inf)
    low, high = torch.zeros(64), torch.full((64,), 0.3)
    head.keep_within(torch.stack([low, high]))
    beta, pose = torch.full((64,), 0.2), torch.zeros(6)
    inside = head.canonical(beta, pose)
    assert torch.equal(inside.colors, free.canonical(beta, pose).colors)
    far, edge = torch.full((64,), 2.0), head.beta_high.clone()
    assert torch.equal(head.canonical(far, pose).colors, head.canonical(edge, pose).colors)
    assert (head.canonical(far, pose).means - head.canonical(edge, pose).means).abs().max() > 0.01
    head.save(tmp_path / "head.safetensors")
    again = GaussianHead.load(tmp_path / "head.safetensors")
    assert torch.equal(again.beta_high, head.beta_high)
    state = {k: x for k, x in head.state_dict().items() if not k.startswith("beta_")}
    former = GaussianHead.restored(state, {"gaussians": asdict(head.settings)})
    assert torch.isinf(former.beta_high).all()


def test_a_frozen_deformation_answers_once_and_anew_after_a_refresh(gaussians, capture):
    head, frame = copy.deepcopy(gaussians), capture.frame_pose(3)
    kept = KeptShifts(head)
    first = kept.of(head, 3, frame)
    torch.testing.assert_close(first, head.shift(frame.beta, frame.pose))
    with torch.no_grad():
        head.xyz += 0.01
    assert kept.of(head, 3, frame) is first
    kept.refresh(head)
    moved = kept.of(head, 3, frame)
    torch.testing.assert_close(moved, head.shift(frame.beta, frame.pose))
    assert not torch.equal(moved, first)
    other = KeptShifts(head)
    other.load_state_dict(kept.state_dict())  # as a checkpoint brings it back
    torch.testing.assert_close(other.of(head, 3, frame), moved)
