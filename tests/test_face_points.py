"""Gaussians on the face model's eyes, lids, lips and in its mouth."""

from dataclasses import replace

import pytest
import torch
from conftest import seeded

from stkit import face_models
from stkit.geometry import nearest
from stkit.heads.face_points import (
    OUTSIDE,
    REGIONS,
    beyond_lashes,
    face_points,
    moving_surface,
    region_vertices,
    replaced,
)
from stkit.heads.fit_gaussians import REACH, GaussianTraining, fit_gaussians
from stkit.heads.gaussian import GaussianSettings
from stkit.heads.gaussian_start import from_mesh
from stkit.heads.model_motion import builtin_motion, moving_vertices

SMALL = GaussianSettings(width=32, pose_width=24, feature=16, mouth_points=50, face_points=500)


@pytest.fixture(scope="module")
def motion(capture):
    return builtin_motion(capture)


def of_region(name: str, count: int) -> slice:
    """Where the points of a region stand among `count` face points."""
    sizes = {n: round(r.share * count) for n, r in REGIONS.items()}
    names = list(sizes)
    first = sum(sizes[n] for n in names[: names.index(name)])
    return slice(first, first + sizes[name])


def test_points_lie_on_the_model_and_follow_a_vertex_beside_them(motion):
    face = face_points(motion, 1000, seeded())
    again = face_points(motion, 1000, seeded())
    assert len(face.points) == 1000 and torch.equal(face.points, again.points)
    assert sum(r.share for r in REGIONS.values()) == pytest.approx(1)
    away = (face.points - motion.verts[face.carriers]).norm(dim=1)
    assert away.max() < 0.12, "a triangle's corner is near"
    assert torch.allclose(face.normals.norm(dim=1), torch.ones(1000))
    for name, region in REGIONS.items():
        unknown = face.colours[of_region(name, 1000)].isnan()
        assert unknown.all() if region.colour is None else not unknown.any()


def test_lower_teeth_and_tongue_go_down_with_the_jaw_and_upper_teeth_stay(motion):
    model = face_models.builtin()
    face = face_points(motion, 2000, seeded())
    beta = motion.rest.clone()
    beta[model.expression_names.index("jawOpen")] += 0.5
    shift = motion(face.points, beta[None], face.carriers)[0][:, 1]
    ids, _ = moving_vertices()
    lower = model.part("teeth_lower", "tongue")[ids][face.carriers]
    upper = model.part("teeth_upper")[ids][face.carriers]
    assert lower.any() and upper.any()
    assert shift[lower].mean() < -0.05 and shift[upper].abs().max() < 0.02


def test_upper_lids_come_down_over_the_pupils(motion):
    model = face_models.builtin()
    _, number = moving_vertices()
    face = face_points(motion, 2000, seeded())
    beta = motion.rest.clone()
    for side in ("Left", "Right"):
        beta[model.expression_names.index(f"eyeBlink{side}")] = 1.0
    lids = of_region("lids", 2000)
    at = face.points[lids] + motion(face.points[lids], beta[None], face.carriers[lids])[0]
    for pupil in motion.verts[number[model.pupils]].mean(1):
        near = (at - pupil)[:, :2].norm(dim=1) < 0.05
        assert near.any() and (at[near, 2] > pupil[2] - 0.02).any(), "skin covers the pupil"


def test_the_meshs_own_vertices_give_way_there(mesh):
    head, motion = mesh[0], mesh[0].deformation.model_motion
    small = from_mesh(head, SMALL, torch.zeros_like, seeded())
    count = small.settings.face_points
    kept = small.xyz[:-count].detach()
    assert not replaced(kept, motion).any() and count == 500
    verts, _, normals = moving_surface(motion)
    outside = torch.stack([region_vertices(n, verts, normals) for n in OUTSIDE]).any(0)
    assert replaced(verts[outside], motion).all()
    assert torch.equal(small.carriers[:-count], nearest(kept, motion.verts).indices[:, 0])


def test_without_a_face_model_points_lie_around_the_lips(mesh):
    head = mesh[0]
    kept, head.deformation.model_motion = head.deformation.model_motion, None
    try:
        alone = from_mesh(head, SMALL, torch.zeros_like, seeded())
    finally:
        head.deformation.model_motion = kept
    assert alone.settings.face_points == 0
    assert len(alone.xyz) == len(head.extract()[0]) + SMALL.mouth_points


def test_training_holds_them_to_their_place(mesh):
    head, capture, _ = mesh
    settings = GaussianTraining(steps=6, lr_xyz=0.05, track_steps=0, model=SMALL)
    fitted, _, _ = fit_gaussians(capture, head, None, settings, capture.split()[0])
    start = from_mesh(head, SMALL, torch.zeros_like, seeded())
    count = fitted.settings.face_points
    assert replace(fitted.settings, face_points=0) == replace(SMALL, face_points=0)
    away = fitted.xyz[-count:] - head.deformation.model_motion.verts[fitted.carriers[-count:]]
    moved = away.norm(dim=1)
    assert moved.max() < 0.12 + 2 * REACH, "near the vertex that each one follows"
    assert (fitted.xyz[:-count] - start.xyz[:-count]).abs().max() > 2 * REACH


def test_a_lids_colour_is_looked_for_beyond_the_lashes(motion):
    verts, _, normals = moving_surface(motion)
    lids = verts[region_vertices("lids", verts, normals)]
    number, model = moving_vertices()[1], face_models.builtin()
    rims = verts[number[model.landmarks[36:48]]]
    asked = beyond_lashes(lids, verts)
    assert (asked - lids)[:, [0, 2]].abs().max() == 0, "up or down only"
    assert torch.cdist(asked, rims).amin(1).mean() > 1.1 * torch.cdist(lids, rims).amin(1).mean()
