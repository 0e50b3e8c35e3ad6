"""Made-up people: from a seed, and from the words that name one."""

import pytest
import torch

from stkit.cameras import front_camera, orbit_camera
from stkit.face_models.makehuman import makehuman, shape_targets
from stkit.face_models.makehuman.head import PARTS
from stkit.geometry import vertex_normals
from stkit.synthetic import chart, light
from stkit.synthetic.clothes import hidden, sew
from stkit.synthetic.colours import from_srgb, to_srgb
from stkit.synthetic.performance import perform
from stkit.synthetic.person import GARMENTS, Clothes, random_person
from stkit.synthetic.picture import STRANDS
from stkit.synthetic.shadows import shadow_map
from stkit.synthetic.subject import (
    CAST,
    DEMO_SEED,
    film,
    make_subject,
    named_subject,
    synthetic_seed,
)

EYES = [PARTS.index("eye_l"), PARTS.index("eye_r")]


@pytest.fixture(scope="module")
def subject():
    return named_subject("synthetic", 24)


def posed(**actions):
    """An expression (64,) by ARKit's names."""
    beta = torch.zeros(64)
    for name, value in actions.items():
        beta[makehuman().expression_names.index(name)] = value
    return beta


def test_subjects_repeat_by_seed_and_differ_between_seeds():
    first, again, other = make_subject(3, 6), make_subject(3, 6), make_subject(4, 6)
    assert torch.equal(film(first, 64, 2), film(again, 64, 2))
    assert not torch.equal(film(first, 64, 2), film(other, 64, 2))
    assert first.performance.beta.shape == (6, 64)
    assert torch.isfinite(first.performance.pose).all()


@pytest.mark.parametrize(
    ("text", "seed"),
    [
        ("synthetic", DEMO_SEED),
        ("synthetic:7", 7),
        ("synthetic:0", 0),
        ("synthetic:zola", CAST["zola"]),
        ("synthetic_me.mp4", None),
        ("synthetic-old", None),
        ("synthetics:3", None),
        ("film.mp4", None),
        ("", None),
    ],
)
def test_only_synthetic_and_a_seed_or_name_name_a_subject(text, seed):
    assert synthetic_seed(text) == seed


@pytest.mark.parametrize("text", ["synthetic:abc", "synthetic:", "synthetic:1.5"])
def test_a_seed_is_a_whole_number_or_a_name(text):
    with pytest.raises(ValueError, match="whole number or one of mara"):
        synthetic_seed(text)


def test_named_subjects_are_those_of_their_seed():
    subject = named_subject("synthetic", 5)
    assert subject.person.seed == DEMO_SEED
    assert subject.performance.times.tolist() == pytest.approx([0, 1.5, 3, 4.5, 6], abs=0.02)
    assert named_subject("synthetic:3", 5).person.seed == 3
    with pytest.raises(ValueError, match="names no synthetic subject"):
        named_subject("synthetic_me.mp4", 5)


def test_a_subject_without_a_frame_needs_expression_and_pose():
    with pytest.raises(ValueError, match="both beta and pose"):
        make_subject(3, 4).render(None, front_camera(32))


def test_a_picture_knows_its_parts_depth_and_matte(subject):
    picture = subject.picture(0, front_camera(128))
    covered = picture.part >= 0
    assert picture.matte.min() >= 0 and picture.matte.max() <= 1
    assert ((picture.matte[..., 0] > 0.5) == covered).float().mean() > 0.98
    assert picture.depth[~covered & (picture.matte[..., 0] == 0)].abs().max() == 0
    assert 9 < picture.depth[covered].median() < 13, "12 dm from the camera"
    assert {0, STRANDS, *EYES} <= set(picture.part.unique().tolist())
    assert (picture.image <= picture.matte + 1e-4).all(), "colours are multiplied by the matte"


def test_true_landmarks_lie_on_the_picture(subject):
    """The corners of the eyes project to where the picture changes from eye to skin."""
    camera = front_camera(256)
    at = camera.project(subject.landmarks(0))
    part = subject.picture(0, camera).part
    for k in (36, 39, 42, 45):
        x, y = at[k].long().tolist()
        near = part[y - 5 : y + 6, x - 5 : x + 6]
        assert (
            torch.isin(near, torch.tensor([0, STRANDS])).any()
            and torch.isin(near, torch.tensor(EYES)).any()
        ), k


def test_lids_close_over_the_eyes_and_the_mouth_opens(subject):
    camera, pose = front_camera(128), subject.performance.pose[0]

    def shown(beta, *parts):
        seen = subject.picture(None, camera, beta, pose).part
        return int(torch.isin(seen, torch.tensor(parts)).sum())

    closed = posed(eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    assert shown(closed, *EYES) < 0.15 * shown(posed(), *EYES)
    inside = [PARTS.index(p) for p in ("mouth", "tongue", "teeth_upper", "teeth_lower")]
    assert shown(posed(jawOpen=0.6), *inside) > shown(posed(), *inside) + 20
    assert shown(posed(jawOpen=0.3, mouthClose=0.3), *inside) < 10, "lips seal"


def test_a_named_change_of_shape_moves_that_part_alone(subject):
    wide = subject.person.reshaped(**{"nose-scale-horiz-incr": 1.0})
    moved = (wide.verts() - subject.person.verts()).norm(dim=1)
    nose, ear = makehuman().landmarks[33], moved[makehuman().mean[:, 0].abs() > 0.7]
    assert moved.max() > 0.03 and moved[nose] > 0 and ear.max() == 0
    assert wide.skin == subject.person.skin


@pytest.mark.parametrize("garment", GARMENTS)
def test_cloth_lies_over_the_skin_that_it_hides(garment):
    head, person = makehuman(), random_person(5)
    rest = person.verts()
    clothes = Clothes(garment, "plain", (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    piece, under = sew(clothes, 5, rest), hidden(clothes)
    if garment == "bare":
        assert piece is None and not under.any()
        return
    assert torch.allclose(
        piece.weights.to_dense().sum(1), torch.ones(len(piece.offsets)), atol=1e-4
    )
    verts = piece.verts(rest)
    assert torch.isfinite(verts).all() and int(piece.faces.max()) == len(verts) - 1
    assert under.any() and not under[(head.faces == head.landmarks[8]).any(1)].any()


def test_textures_are_found_where_they_were_painted():
    place = chart.place(makehuman().mean[makehuman().landmarks[30]])
    spot = chart.spot(place, 0.05, 0.05)
    values = chart.look_up(spot[None], makehuman().mean[makehuman().landmarks[[30, 8]]])
    assert values[0, 0] > 0.98 and values[1, 0] < 1e-3


def test_inside_of_an_outline_is_positive_and_distances_are_true():
    square = torch.tensor([[-0.3, -0.2], [0.3, -0.2], [0.3, 0.2], [-0.3, 0.2]])
    distance = chart.signed_distance(square, reach=0.5)
    t = chart.texels()
    near = (t.across.abs() < 0.28) & (t.up.abs() < 0.05)
    expected = torch.minimum(0.3 - t.across.abs(), 0.2 - t.up.abs())
    assert torch.allclose(distance[near], expected[near], atol=1e-4)
    assert distance[(t.up > 0.25) & (t.across.abs() < 0.2)].max() < 0


def test_light_is_even_under_an_even_sky_and_key_lights_cast_shadows():
    head = makehuman()
    normals = vertex_normals(head.mean, head.faces)
    for name in light.ENVIRONMENTS:
        found = light.irradiance(name, normals, torch.zeros(3))
        assert (found >= 0).all() and found.max() < 4
        assert float(light.key_direction(name).norm()) == pytest.approx(1, abs=1e-5)
    above = shadow_map(
        torch.tensor([0.0, 1.0, 0.0]), head.mean, head.faces, torch.tensor([0.0, -0.3, -0.3])
    )
    lit = above.lit(head.mean + 0.03 * normals)
    assert lit[head.mean[:, 1] > 1.1].mean() > 0.9, "the crown is lit from above"
    assert lit[head.dense[head.dense_mediapipe == 152]] < 0.75, "the chin is in the head's shade"


def test_colours_come_back_from_linear_light_where_it_is_dim():
    shown = torch.linspace(0, 0.2, 9)
    assert torch.allclose(to_srgb(from_srgb(shown)), shown, atol=0.03)


def test_a_performance_stays_within_arkits_range_and_speaks_and_blinks():
    done = perform(3, 150)
    names = makehuman().expression_names
    assert done.beta.min() >= 0 and done.beta.max() <= 1
    assert done.beta[:, names.index("eyeBlinkLeft")].max() > 0.9
    assert done.beta[:, names.index("jawOpen")].std() > 0.03


def test_people_differ_in_what_people_differ_in():
    people = [random_person(seed) for seed in range(60)]
    assert (
        len({p.hair.style for p in people}) >= 8 and len({p.clothes.garment for p in people}) == 5
    )
    melanin = torch.tensor([p.skin.melanin for p in people])
    assert melanin.min() < 0.15 and melanin.max() > 0.6
    assert set(people[0].shape) <= set(shape_targets().names)
    assert all(p.hair.beard == "none" for p in people if p.traits.male < 0.5)


def test_a_person_is_the_same_from_every_side(subject):
    """What two cameras show of the same head: about as much of it, in about the same colour."""
    front = subject.picture(0, front_camera(96))
    side = subject.picture(0, orbit_camera(front_camera(96), 60.0))
    for seen in (front, side):
        assert 0.25 < float(seen.matte.mean()) < 0.85
    skin = [s.image[s.part == 0].mean(0) for s in (front, side)]
    assert (skin[0] - skin[1]).abs().max() < 0.25
