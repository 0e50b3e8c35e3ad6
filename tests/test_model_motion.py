"""What a deformation starts from: the fitted face model's own expressions."""

from dataclasses import replace

import torch

from stkit import face_models
from stkit.face_models.landmarks import KEPT_66
from stkit.heads.mesh import MeshHead, MeshSettings, new_mesh_head
from stkit.heads.model_motion import RING, builtin_motion, surface_rings

SMALL = MeshSettings(width=16, pose_width=12, feature=8, cell=0.3)


def test_a_ring_holds_a_vertex_and_its_neighbours_on_the_surface():
    faces = torch.tensor([[0, 1, 2], [1, 3, 2]])  # two triangles, and a vertex of none
    rings = surface_rings(faces, 5)
    assert rings.shape == (5, RING) and torch.equal(rings[:, 0], torch.arange(5))
    assert [set(ring.tolist()) for ring in rings] == [
        {0, 1, 2},
        {0, 1, 2, 3},
        {0, 1, 2, 3},
        {1, 2, 3},
        {4},
    ]


def test_points_on_the_face_move_as_the_face_model_moves_them(capture):
    motion, model = builtin_motion(capture), face_models.builtin()
    rest = capture.beta[capture.neutral]
    beta = rest.clone()
    beta[model.expression_names.index("jawOpen")] += 0.6
    ids = model.landmarks[KEPT_66]
    before, after = (model.points(ids, capture.identity, b[None])[0] for b in (rest, beta))
    moved = motion(before, torch.stack([rest, beta]))
    assert moved[0].abs().max() < 1e-6, "the neutral frame stays"
    error = (moved[1] - (after - before)).norm(dim=1)
    assert error.mean() < 0.1 * (after - before).norm(dim=1).max()


def test_lips_that_touch_part(capture):
    motion, model = builtin_motion(capture), face_models.builtin()
    rest = capture.beta[capture.neutral]
    upper, lower = (model.landmarks[k : k + 1] for k in (62, 66))
    points = model.points(torch.cat([upper, lower]), capture.identity, rest[None])[0]
    beta = rest.clone()
    beta[model.expression_names.index("jawOpen")] += 0.6
    shift = motion(points, beta[None])[0]
    assert float(shift[0, 1] - shift[1, 1]) > 0.1, "the lower lip goes down, the upper one stays"


def test_heads_keep_their_motion_on_disk_and_do_without_it(capture, tmp_path):
    face = torch.ones(66)
    beta = capture.beta[capture.neutral] + 0.3
    for settings in (SMALL, replace(SMALL, model_motion=False)):
        head = new_mesh_head(capture, settings)
        assert (head.deformation.model_motion is not None) == settings.model_motion
        head.save(tmp_path / "head.safetensors")
        again = MeshHead.load(tmp_path / "head.safetensors")
        with torch.no_grad():
            a, b = (
                h.deformation(head.landmarks, face, beta, capture.pose[0]) for h in (head, again)
            )
        assert torch.equal(a, b)
        assert (a.norm(dim=1).max() > 0.05) == settings.model_motion, "nothing was learned yet"


def test_one_point_or_many_expressions_at_once_move_alike(capture):
    head = new_mesh_head(capture, SMALL)
    betas = capture.beta[:3]
    with torch.no_grad():
        together = head.deformation.expressions(head.landmarks, betas)
        for beta, moved in zip(betas, together):
            alone = head.deformation(head.landmarks, torch.ones(66), beta, capture.pose[0])
            torch.testing.assert_close(alone, moved, atol=1e-5, rtol=0)
