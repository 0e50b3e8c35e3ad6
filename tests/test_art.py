"""Style-A: colour transport, light in steps, patterns, regions, the gallery, reading a picture, the
styled head, and its words on the command line.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stkit.art.art_style import PATTERNS, REGIONS, SMOOTH_TONES, ArtStyle
from stkit.art.editor import ArtEditor
from stkit.art.flat import flat_layers
from stkit.art.gallery import gallery, named_style, picture_of
from stkit.art.gbuffer import GBuffer
from stkit.art.ink import blurred, ink
from stkit.art.patterns import pattern
from stkit.art.proportions import displacement, shape_weights
from stkit.art.random_styles import random_style
from stkit.art.reader import Reading, face_crop, find_style, read_picture, read_style
from stkit.art.reader_training import Examples, train
from stkit.art.regions import picture_regions
from stkit.art.shading import region_colours, restyle, stepped_tone
from stkit.art.styled_head import Drawing, StylableHead
from stkit.art.transport import (
    colour_statistics,
    covariance_of,
    transport_matrix,
    transported,
)
from stkit.cli import main
from stkit.driving.motion import own_motion
from stkit.errors import RequestError
from stkit.face_models import builtin
from stkit.io.video import VideoError, read_photo
from stkit.runs.plan import Plan
from stkit.runs.shipped import MARA, ShippedRun
from stkit.runs.source import Source
from stkit.studies.style_a import distance, retrieved

pytestmark = pytest.mark.usefixtures("one_torch_thread")
COMIC = gallery()["comic"]


def covariance(seed: int) -> torch.Tensor:
    root = torch.randn(3, 3, generator=torch.Generator().manual_seed(seed)) * 0.2
    return root @ root.T + 0.01 * torch.eye(3)


@pytest.fixture(scope="module")
def mara():
    run = ShippedRun(MARA)
    return StylableHead(run.gaussian_head(), run.capture())


@pytest.fixture(scope="module")
def layers(mara):
    capture = mara.capture
    return mara.layers(capture.camera.resized(128), capture.frame_pose(capture.neutral))


# ---- colours
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_transport_gives_the_targets_covariance_by_a_symmetric_map(seed):
    source, target = covariance(seed), covariance(seed + 1)
    matrix = transport_matrix(source, target)
    assert torch.allclose(matrix @ source @ matrix.T, target, atol=1e-3)
    assert torch.allclose(matrix, matrix.T, atol=1e-3)
    assert torch.linalg.eigvalsh(matrix).min() > 0, "the gradient of a convex function"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_no_rotation_after_it_moves_colours_less(seed):
    source, target = covariance(seed), covariance(seed + 1)
    root = torch.linalg.cholesky(target)
    other = (
        root
        @ torch.linalg.qr(covariance(seed + 2))[0]
        @ torch.linalg.inv(torch.linalg.cholesky(source))
    )

    def cost(matrix):
        change = matrix - torch.eye(3)
        return float(torch.trace(change @ source @ change.T))

    assert cost(transport_matrix(source, target)) <= cost(other) + 1e-4


def test_transported_colours_have_the_targets_mean_and_covariance():
    draw = torch.Generator().manual_seed(0)
    x = 0.5 + torch.randn(4000, 3, generator=draw) @ torch.linalg.cholesky(covariance(3)).T
    whole = torch.ones(len(x))
    source, target = colour_statistics(x, whole), COMIC.colours["skin"]
    found = colour_statistics(transported(x, source, target), whole)
    assert np.allclose(found.mean, target.mean, atol=1e-4)
    # regions of one flat colour are given a little deviation, so covariances agree up to that
    assert torch.allclose(covariance_of(found), covariance_of(target), atol=5e-3)


def test_a_region_of_a_few_pixels_has_no_colours():
    assert colour_statistics(torch.rand(5, 3), torch.ones(5)) is None


# ---- light, patterns, lines
def test_tones_come_in_as_many_steps_as_are_asked_for():
    tone = torch.linspace(0, 1, 2000)
    for tones in range(2, SMOOTH_TONES):
        levels, counts = stepped_tone(tone, tones).unique(return_counts=True)
        flat = levels[counts > 100]
        assert torch.allclose(flat, torch.arange(tones) / (tones - 1), atol=1e-6)
        assert (stepped_tone(tone, tones).diff() >= 0).all()
    assert torch.equal(stepped_tone(tone, SMOOTH_TONES), tone)


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_stay_on_the_surface_and_do_not_change_the_mean_tone(name):
    draw = torch.Generator().manual_seed(1)
    place = torch.rand(20_000, 3, generator=draw) - 0.5
    values = pattern(name, place, 0.1, 0.01)
    assert torch.equal(values, pattern(name, place.clone(), 0.1, 0.01))
    assert values.min() >= 0 and values.max() <= 1
    assert abs(float(values.mean()) - 0.5) < 0.12
    fine = pattern(name, place, 0.01, 0.01)
    assert torch.allclose(fine, torch.full_like(fine, 0.5)), "finer than two pixels: its mean"


def box(size: int = 64) -> GBuffer:
    """A square in front of nothing, of one colour."""
    alpha = torch.zeros(size, size, 1)
    alpha[16:48, 16:48] = 1
    colour = alpha * 0.6 + (1 - alpha)
    regions = torch.zeros(size, size, len(REGIONS))
    regions[..., 0] = alpha[..., 0]
    normal = torch.tensor([0.0, 0.0, 1.0]) * alpha
    return GBuffer(colour.expand(-1, -1, 3), alpha, normal, 0 * normal, regions, 0.02)


def test_ink_is_at_the_outline_and_nowhere_else():
    lines = ink(box(), width=0.06, detail=1.0)
    assert lines[16, 30] > 0.9 and lines[30, 47] > 0.9
    assert lines[32, 32] == 0 and lines[4, 4] == 0
    assert float(ink(box(), 0.12, 1.0).sum()) > 1.5 * float(lines.sum()), "wider lines"


def test_no_degree_and_no_transfer_change_nothing(layers):
    own = region_colours(layers)
    same = restyle(layers, COMIC, own, 0.0, 0.0)
    assert (same - layers.colour).abs().mean() < 0.01


def test_a_picture_without_a_surface_has_flat_light(layers):
    landmarks = torch.rand(66, 2) * 128
    flat = flat_layers(layers.colour, layers.alpha, landmarks, 0.02)
    assert torch.equal(flat.normal, torch.tensor([0.0, 0.0, 1.0]).expand_as(flat.normal))
    assert flat.place[..., 2].abs().max() == 0


# ---- styles
def test_styles_survive_json_and_say_what_is_wrong():
    assert ArtStyle.from_json(COMIC.to_json()) == COMIC
    for wrong, says in (
        ({"tones": 1}, "tones"),
        ({"pattern": "zigzag"}, "zigzag"),
        ({"proportions": {"wings": 1.0}}, "wings"),
        ({"colours": {"tail": COMIC.to_json()["colours"]["skin"]}}, "tail"),
        ({"colours": {"skin": {"mean": [1, 2]}}}, "a mean of 3"),
        ({"colour": "red"}, "colour"),
    ):
        with pytest.raises(RequestError, match=says):
            ArtStyle.from_json(wrong)


def test_random_styles_repeat_by_seed_and_differ():
    assert random_style(5) == random_style(5)
    assert len({str(random_style(k)) for k in range(30)}) == 30


def test_the_gallery_ships_with_pictures_and_is_found_by_number_and_name():
    names = list(gallery())
    assert len(names) >= 12
    for k, name in enumerate(names):
        assert named_style(str(k)) is named_style(name)
        assert read_picture(picture_of(name)).shape[2] == 3
    assert named_style("cubism") is None
    with pytest.raises(RequestError, match="art style 99: there are 0 cartoon"):
        named_style("99")


def test_proportions_move_what_they_name():
    moved = displacement({"eyes": 1.0}).norm(dim=1)[builtin().landmarks]
    lids = torch.zeros(68, dtype=torch.bool)
    lids[36:48] = True
    assert moved[lids].mean() > 5 * moved[~lids].mean()
    assert displacement({}).abs().max() == 0
    assert set(shape_weights({"chin": -0.5})) == {
        "chin-width-decr",
        "chin-height-decr",
        "chin-bones-decr",
    }


# ---- reading
def test_most_patterns_of_the_gallery_are_read_from_its_pictures():
    read = {name: read_style(read_picture(picture_of(name)), name) for name in gallery()}
    right = [read[name].pattern == style.pattern for name, style in gallery().items()]
    assert sum(right) >= 8, "the numbers were not among what the reader learned from"
    skin = read["pop"].colours["skin"].mean
    assert skin[0] > skin[1] + 0.1, "pink"


def test_a_face_is_cropped_upright_whatever_its_size():
    picture = blurred(torch.rand(60, 60, 3), 2.0)
    landmarks = torch.zeros(66, 2)
    landmarks[36], landmarks[45], landmarks[8] = (
        torch.tensor(p) for p in ((20.0, 30.0), (40.0, 30.0), (30.0, 50.0))
    )
    large = torch.nn.functional.interpolate(picture.permute(2, 0, 1)[None], scale_factor=2)[0]
    a, b = face_crop(picture, landmarks), face_crop(large.permute(1, 2, 0), 2 * landmarks)
    assert (a - b).abs().mean() < 0.05


def test_pictures_that_are_none_are_refused_by_name(tmp_path):
    with pytest.raises(VideoError, match=r"none\.png: no such picture"):
        find_style(str(tmp_path / "none.png"))
    text = tmp_path / "text.png"
    text.write_text("hello")
    with pytest.raises(RequestError, match=r"text\.png: not a picture"):
        find_style(str(text))
    empty = tmp_path / "sky.png"
    Image.new("RGB", (64, 64), "skyblue").save(empty)
    with pytest.raises(RequestError, match=r"sky\.png: no face was found"):
        find_style(str(empty))


def test_the_reader_learns_what_it_is_shown():
    draw = torch.Generator().manual_seed(0)
    ink = torch.rand(64, generator=draw).round()
    numbers = torch.zeros(64, 8)
    numbers[:, 0] = ink
    faces = (200 * (1 - ink))[:, None, None, None].expand(64, 3, 160, 160).byte()
    whole = torch.zeros(64, dtype=torch.long)
    data = Examples(faces, whole, whole, numbers, torch.zeros(64, 6))
    net = train(data, steps=12, progress=lambda x, **_: x)
    with torch.no_grad():
        found = Reading.split(net(faces[:8].float() / 255)).numbers[:, 0]
    assert found[ink[:8] > 0.5].mean() > found[ink[:8] < 0.5].mean() + 0.3


def test_drawings_are_recognised_by_tones_and_lines(layers):
    own = region_colours(layers)
    truths = [restyle(layers, gallery()[name], own, 1.0, 1.0) for name in ("comic", "pastel")]
    again = [torch.roll(t, 1, 0) for t in truths]
    assert retrieved(again, truths) == 1.0
    assert retrieved(again[::-1], truths) == 0.0
    assert distance(truths[0], truths[0]) == 0 < distance(*truths)


# ---- the head
def test_regions_of_a_head_are_where_they_belong(mara):
    shares = mara.regions
    assert shares.min() >= 0 and shares.sum(1).max() < 1.001
    heights = (shares * mara.places[:, 1:2]).sum(0) / shares.sum(0)
    height = dict(zip(REGIONS, heights.tolist()))
    assert height["hair"] > height["brows"] > height["eyes"] > height["lips"] > height["clothes"]


def test_lips_reach_the_corners_of_the_mouth(mara, layers):
    capture = mara.capture
    points = capture.camera.resized(128).project(capture.landmarks3d[capture.neutral])
    lips = picture_regions(layers.colour, points)[..., REGIONS.index("lips")]
    columns = torch.nonzero(lips.amax(0) > 0.5)[:, 0]
    width = float(points[62, 0] - points[58, 0])
    assert columns.max() - columns.min() > 0.75 * width


def test_both_sliders_lead_further_away(mara):
    capture = mara.capture
    camera, neutral = capture.camera.resized(128), capture.frame_pose(capture.neutral)

    def apart(drawings):
        pictures = [mara.draw(camera, neutral, d) for d in drawings]
        return [float((p - pictures[0]).abs().mean()) for p in pictures]

    steps = (0.0, 0.33, 0.67, 1.0)
    for change in (
        [Drawing(COMIC, x, 0.5) for x in steps],
        [Drawing(COMIC, 0.5, x) for x in steps],
    ):
        assert (np.diff(apart(change)) > 0).all()


def test_play_draws_every_frame_of_any_size(mara):
    capture = mara.capture
    frames = mara.play(
        own_motion(capture).subset([0, 5]), Drawing(COMIC), capture.camera.resized(96)
    )
    assert frames.shape == (2, 96, 96, 3)
    assert np.abs(frames[0].astype(int) - frames[1]).mean() > 0.5


def test_the_art_editor_draws_a_frame(mara, layers):
    editor = ArtEditor(COMIC)
    points = mara.capture.camera.resized(128).project(
        mara.capture.landmarks3d[mara.capture.neutral]
    )
    draw = torch.Generator()
    out = editor.edit(layers.colour, "draw", 0.9, layers.colour, draw, points)
    assert (out - layers.colour).abs().mean() > 0.03
    with pytest.raises(RequestError, match="66 landmarks"):
        editor.edit(layers.colour, "draw", 0.9, layers.colour, draw)


# ---- one picture, and words
def test_a_picture_is_a_source_that_stands_still(tmp_path):
    file = tmp_path / "me.jpg"
    sideways = Image.new("RGB", (40, 30), "red")
    exif = sideways.getexif()
    exif[274] = 6  # to be turned by a quarter
    sideways.save(file, exif=exif)
    frames, times = read_photo(file)
    assert frames.shape[1:] == (40, 30, 3) and len(frames) == len(times)
    assert (frames == frames[0]).all()
    source = Source.parse(str(file))
    assert source.kind == "photo"
    plan = Plan(source, "quick")
    assert plan.gaussian_settings().view_share > 0.5
    assert plan.gaussian_settings().lr_lattice == 0
    text = tmp_path / "text.png"
    text.write_text("hello")
    with pytest.raises(VideoError, match=r"text\.png: not a picture"):
        read_photo(text)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--art_style_id", "99"], "there are 0 cartoon"),
        (["--art_style_id", "nothing.png"], "nothing.png: no such picture"),
        (["--art_style_id", "comic", "--art_style_degree", "2"], "from 0 to 1"),
        (["--art_style_id", "comic", "--color_transfer", "-1"], "from 0 to 1"),
        (["--size", "9"], "from 64 to 2048"),
    ],
)
def test_wrong_words_about_a_style_are_refused(capsys, options, says):
    assert main(["talk", "--img_path", "mara", "--text", "hello", *options]) == 2
    assert says in capsys.readouterr().err
