"""Views by an SVD-type pipeline with small random weights of the true classes."""

import shutil

import pytest
import torch
from small_pipelines import save_video_diffusion

from stkit.diffusion.v3d import V3DViews, head_agreement
from stkit.diffusion.v3d_cameras import FRAMES, box_of, figure_mask, recentre, v3d_cameras
from stkit.diffusion.v3d_pipeline import V3DPipeline
from stkit.diffusion.views import PROVIDERS, get_views
from stkit.metrics.pictures import psnr
from stkit.render import render_mesh
from stkit.space import skin_weight


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_video_diffusion(tmp_path_factory.mktemp("svd") / "tiny")


@pytest.mark.filterwarnings("ignore")
def test_the_pipeline_gives_eighteen_pictures_and_noise_goes_on_the_latent(
    folder, mesh, monkeypatch
):
    capture = mesh[1]
    views = V3DViews(str(folder), steps=2, noise=0.0, size=32)
    image, matte = capture.image(capture.neutral), capture.matte(capture.neutral)
    time_ids = []
    original = V3DPipeline._get_add_time_ids

    def watch(self, *a):
        time_ids.append(original(self, *a))
        return time_ids[-1]

    monkeypatch.setattr(V3DPipeline, "_get_add_time_ids", watch)
    plain, same = views.orbit(image, matte), views.orbit(image, matte)
    views.noise = 0.5
    noisy = views.orbit(image, matte)
    assert plain.shape == (FRAMES, 32, 32, 3) and torch.equal(plain, same)
    assert not torch.equal(plain, noisy)
    assert time_ids[0][0].tolist() == [1.0, 300.0, 0.0], "fps 1, bucket 300, the latent's noise"
    assert time_ids[2][0].tolist() == [1.0, 300.0, 0.5]


@pytest.mark.filterwarnings("ignore")
def test_views_that_disagree_with_the_head_are_dropped_and_named(folder, mesh):
    head, capture, _ = mesh
    provider = V3DViews(str(folder), steps=1, size=32)
    with pytest.raises(ValueError, match="no view of .* agrees"):
        provider(capture, head)
    assert len(provider.scores) == 6
    with pytest.raises(ValueError, match="steps of 20 degrees"):
        provider(capture, head, (30.0,))


@pytest.mark.filterwarnings("ignore")
def test_true_pictures_pass_and_carry_their_cameras(folder, mesh):
    """With the mesh seen by V3D's cameras in the place of the network's answer, all views agree."""
    head, capture, _ = mesh
    provider = V3DViews(str(folder))
    t = capture.neutral
    with torch.no_grad():
        mesh = head.posed(capture.frame_pose(t))
        grey = torch.full_like(mesh.world, 0.4)
        shots = []
        for camera in v3d_cameras(capture, tuple(20.0 * k for k in range(FRAMES))):
            shot = render_mesh(mesh.world, mesh.faces, grey, camera, background=1.0).image
            shots.append(shot.clamp(0, 1))
    provider.orbit = lambda image, matte: torch.stack(shots)
    views = provider(capture, head)
    assert views.azimuths == (20.0, 40.0, 60.0, -60.0, -40.0, -20.0)
    assert min(s["iou"] for s in provider.scores) > 0.96
    assert float(views.trust.min()) > 0.9 and views.source.startswith("V3D")
    assert psnr(views.images[0], shots[1]) > 28


def test_recentred_figure_fills_seven_tenths_and_cameras_see_it_so(mesh):
    head, capture, _ = mesh
    t = capture.neutral
    square = recentre(capture.image(t), capture.matte(t), 96)
    x, y, longest = box_of(figure_mask(square))
    assert abs(longest / 96 - 0.7) < 0.03 and abs(x - 48) < 2 and abs(y - 48) < 2
    front = v3d_cameras(capture, (0.0,))[0]
    with torch.no_grad():
        mesh = head.posed(capture.frame_pose(t))
    on_head, small = skin_weight(mesh.neutral), front.resized(96)
    agreement = head_agreement(mesh.world, mesh.faces, on_head, small, figure_mask(square))
    assert agreement > 0.8, "the same head in the same place; V3D's perspective is wider"
    left = v3d_cameras(capture, (20.0,))[0]
    assert left.centre()[0] > front.centre()[0], "positive azimuths look from the subject's left"


def test_bad_input_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.*no such folder.*mesh-prior"):
        V3DViews(str(tmp_path / "nowhere"))
    half = tmp_path / "half"
    shutil.copytree(folder, half)
    shutil.rmtree(half / "unet")
    with pytest.raises(FileNotFoundError, match="incomplete"):
        V3DViews(str(half))
    with pytest.raises(ValueError, match="empty"):
        box_of(torch.zeros(4, 4, 1))


@pytest.mark.filterwarnings("ignore")
def test_the_device_asked_for_is_taken_although_there_is_a_gpu(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for provider in (get_views(str(folder), device="cpu"), get_views("tiny-orbit", device="cpu")):
        assert provider.device == "cpu" and provider.pipe.unet.dtype == torch.float32


@pytest.mark.filterwarnings("ignore")
def test_providers_of_the_table_say_what_they_stand_in_for(folder):
    assert all("instead of V3D" in get_views(name, device="cpu").stand_in for name in PROVIDERS)
    assert get_views(str(folder), device="cpu").stand_in == ""
