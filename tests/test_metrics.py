"""Image, landmark and face metrics against their definitions, and absent where weights are."""

import numpy as np
import pytest
import torch
from small_pipelines import write_tiny_clip

from stkit import assets
from stkit.metrics import identity, learned, pictures


def image(seed, h=40, w=56):
    return torch.rand(h, w, 3, generator=torch.Generator().manual_seed(seed))


def test_psnr_of_a_known_error():
    assert abs(pictures.psnr(torch.zeros(4, 4, 3), torch.full((4, 4, 3), 0.1)) - 20) < 1e-4


def test_ssim_equals_the_convolution_it_stands_for():
    x, y = image(0), (image(0) * 0.7 + image(1) * 0.3)
    d = torch.arange(11.0) - 5
    g = torch.exp(-(d**2) / 4.5)
    kernel = torch.outer(g, g)[None, None] / g.sum() ** 2

    def blur(v):
        return torch.nn.functional.conv2d(v.permute(2, 0, 1)[:, None], kernel, padding=5)[:, 0]

    mx, my = blur(x), blur(y)
    xx, yy, xy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    above = (2 * mx * my + 1e-4) * (2 * xy + 9e-4)
    truth = (above / ((mx**2 + my**2 + 1e-4) * (xx + yy + 9e-4))).mean()
    assert abs(float(pictures.ssim(x, y) - truth)) < 1e-5
    assert abs(float(pictures.ssim(x, x)) - 1) < 1e-6


@pytest.mark.parametrize(("h", "w"), [(40, 56), (7, 9), (65, 64)])
def test_compiled_ssim_and_its_gradient_equal_the_torch_form(h, w):
    x, y = image(0, h, w), (image(0, h, w) * 0.7 + image(1, h, w) * 0.3)
    a, b = x.clone().requires_grad_(), x.double().requires_grad_()
    fast, plain = pictures.ssim(a, y), pictures.ssim(b, y.double())
    (3 * fast).backward(), (3 * plain).backward()
    assert abs(fast.item() - plain.item()) < 1e-6
    assert (a.grad - b.grad).norm() < 1e-4 * b.grad.norm()


def test_iou_correlation_nme():
    a, b = torch.zeros(4, 4), torch.zeros(4, 4)
    a[:2], b[1:3] = 1, 1
    assert abs(pictures.iou(a, b) - 1 / 3) < 1e-6
    t = torch.linspace(0, 6, 50)
    assert pictures.correlation(t.sin(), 2 * t.sin() + 1) > 0.999
    error = pictures.nme(torch.zeros(5, 2), torch.ones(5, 2), torch.tensor(2.0))
    assert abs(float(error) - 2**0.5 / 2) < 1e-6


def test_scores_without_weights_are_absent_not_invented(monkeypatch, tmp_path):
    monkeypatch.setenv("STKIT_ASSETS", str(tmp_path))
    learned._lpips.cache_clear()
    assert learned.perceptual(image(0), image(1)) is None
    assert learned.clip_scores(image(0), image(1), "a face", "a clown") is None
    identity._sface.cache_clear()
    face = (image(0) * 255).byte().numpy()
    assert identity.same_person(face, face, np.zeros((68, 2)), np.zeros((68, 2))) is None


@pytest.mark.filterwarnings("ignore")
def test_a_face_is_most_like_itself_wherever_it_stands(monkeypatch, tmp_path):
    """With a small network in the published one's format.

    Aligned by the landmarks, a shifted face embeds as before, a mirrored one does not.
    """
    import torch.onnx._internal.onnx_proto_utils as proto

    monkeypatch.setenv("STKIT_ASSETS", str(tmp_path))
    # the onnx package would only look for custom functions
    monkeypatch.setattr(proto, "_add_onnxscript_fn", lambda model, *a: model)
    torch.manual_seed(0)
    small = torch.nn.Sequential(
        torch.nn.AvgPool2d(14), torch.nn.Flatten(), torch.nn.Linear(192, 128)
    )
    path = assets.expected_path("sface")
    torch.onnx.export(small, torch.rand(1, 3, 112, 112), str(path), dynamo=False)
    identity._sface.cache_clear()
    colours = np.random.default_rng(0).integers(0, 255, (16, 16, 3))
    face = np.kron(colours, np.ones((16, 16, 1))).astype(np.uint8)
    points = np.random.default_rng(1).uniform(60, 190, (68, 2))
    points[36:42], points[42:48], points[30] = (95, 100), (150, 100), (122, 135)
    points[48], points[54] = (100, 165), (145, 165)
    with pytest.raises(ValueError, match="sface|expected"):
        identity.same_person(face, face, points, points)  # not the published file
    monkeypatch.setattr(identity, "check_asset", lambda name: "ok")
    assert identity.same_person(face, face, points, points) == pytest.approx(1, abs=1e-5)
    moved = identity.same_person(face, np.roll(face, (7, -9), (0, 1)), points, points + (-9, 7))
    assert moved > 0.995 > identity.same_person(face, face[:, ::-1], points, points)
    identity._sface.cache_clear()


def test_clip_compares_pictures_and_captions(monkeypatch, tmp_path):
    monkeypatch.setenv("STKIT_ASSETS", str(tmp_path))
    write_tiny_clip(assets.expected_path("clip_vit_l14"))
    same = learned.clip_scores(image(0), image(0), "a", "face")
    assert same.clip_image == pytest.approx(1, abs=1e-5) and abs(same.clip_ds) < 1e-5
    agreement = learned.clip_agreement(image(0), ["a", "face"])
    assert agreement is not None
    assert len(agreement) == 2
    assert agreement[0] != agreement[1]
    other = learned.clip_scores(image(0), image(1), "a", "face")
    back = learned.clip_scores(image(1), image(0), "face", "a")
    assert other.clip_image < 0.9999 and abs(other.clip_s) <= 1
    assert other.clip_ds == pytest.approx(back.clip_ds, abs=1e-4) and other.clip_ds != 0
