import pytest
import torch

from stkit import metrics


def image(seed, h=40, w=56):
    return torch.rand(h, w, 3, generator=torch.Generator().manual_seed(seed))


def test_psnr_of_a_known_error():
    assert abs(metrics.psnr(torch.zeros(4, 4, 3), torch.full((4, 4, 3), 0.1)) - 20) < 1e-4


def test_ssim_equals_the_convolution_it_stands_for():
    x, y = image(0), (image(0) * 0.7 + image(1) * 0.3)
    d = torch.arange(11.0) - 5
    g = torch.exp(-(d**2) / 4.5)
    kernel = torch.outer(g, g)[None, None] / g.sum() ** 2
    blur = lambda v: torch.nn.functional.conv2d(v.permute(2, 0, 1)[:, None], kernel, padding=5)[:, 0]
    mx, my = blur(x), blur(y)
    xx, yy, xy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    truth = ((2 * mx * my + 1e-4) * (2 * xy + 9e-4) / ((mx**2 + my**2 + 1e-4) * (xx + yy + 9e-4))).mean()
    assert abs(float(metrics.ssim(x, y) - truth)) < 1e-5
    assert abs(float(metrics.ssim(x, x)) - 1) < 1e-6


@pytest.mark.parametrize("h, w", [(40, 56), (7, 9), (65, 64)])
def test_compiled_ssim_and_its_gradient_equal_the_torch_form(h, w):
    x, y = image(0, h, w), (image(0, h, w) * 0.7 + image(1, h, w) * 0.3)
    a, b = x.clone().requires_grad_(), x.double().requires_grad_()
    fast, plain = metrics.ssim(a, y), metrics.ssim(b, y.double())
    (3 * fast).backward(), (3 * plain).backward()
    assert abs(fast.item() - plain.item()) < 1e-6
    assert (a.grad - b.grad).norm() < 1e-4 * b.grad.norm()


def test_iou_correlation_nme():
    a, b = torch.zeros(4, 4), torch.zeros(4, 4)
    a[:2], b[1:3] = 1, 1
    assert abs(metrics.iou(a, b) - 1 / 3) < 1e-6
    t = torch.linspace(0, 6, 50)
    assert metrics.correlation(t.sin(), 2 * t.sin() + 1) > 0.999
    assert abs(float(metrics.nme(torch.zeros(5, 2), torch.ones(5, 2), torch.tensor(2.0))) - 2**0.5 / 2) < 1e-6


def test_scores_without_weights_are_absent_not_invented(monkeypatch, tmp_path):
    monkeypatch.setenv("STKIT_ASSETS", str(tmp_path))
    metrics._lpips.cache_clear()
    assert metrics.perceptual(image(0), image(1)) is None
    assert metrics.clip_scores(image(0), image(1), "a face", "a clown") is None
