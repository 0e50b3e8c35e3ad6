"""Packets: what the browser will draw, computed in Python, against the head; their page."""

import copy
import gzip
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit.cameras import front_camera
from stkit.render.gaussians import Gaussians
from stkit.viewers import Compare, MeshViewer, SplatViewer, save_avatar
from stkit.viewers.browser_twin import browser_gaussians
from stkit.viewers.packet import Packet
from stkit.viewers.packing import pack_gaussians, pack_head
from stkit.viewers.page import page, quality
from stkit.viewers.sliders import SLIDERS

pytest_plugins = ["viewer_fixtures"]
pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_browser_gaussians_show_what_the_head_shows(packet, gaussians, edited, tracked):
    head_only = Packet(packet.header | {"looks": ["head"]}, packet.arrays)
    scores = quality(head_only, gaussians, tracked, None, 12)
    assert min(scores) > 36, scores
    assert min(quality(packet, edited, tracked, None, 12)) > 33


def test_expression_sliders_are_directions_of_the_head(packet, gaussians, tracked):
    """At position 1 a slider gives the head's own answer to that expression."""
    m, name = tracked.neutral, "jaw"
    beta = tracked.beta[m].clone()
    k = tracked.face().expression_names.index("jawOpen")
    beta[k] += SLIDERS[name].actions["jawOpen"]
    frames = np.linspace(0, len(tracked) - 1, 12).round().astype(int).tolist()
    k = min(range(12), key=lambda i: abs(frames[i] - m))
    with torch.no_grad():
        pose = tracked.frame_pose(frames[k])
        truth = gaussians.render(tracked.camera, replace(pose, beta=beta))[0]
        before = gaussians.render(tracked.camera, pose)[0]
        moved = browser_gaussians(packet, k, 0, {name: 1.0}).render(tracked.camera)[0]
        unmoved = browser_gaussians(packet, k, 0).render(tracked.camera)[0]
    assert (truth - before).abs().max() > 0.1
    assert (moved - truth).abs().mean() < 0.5 * (unmoved - truth).abs().mean()


def test_the_limit_is_kept_and_the_rounding_is_told(gaussians, tracked):
    small = pack_head(gaussians, tracked, frames=12, limit=110_000)
    large = pack_head(gaussians, tracked, frames=12)
    assert len(gzip.compress(small.bytes(), 6)) <= 110_000
    assert small.header["rounding"] > large.header["rounding"]
    with pytest.raises(ValueError, match="fewer frames"):
        pack_head(gaussians, tracked, frames=12, limit=1000)


def test_another_runs_head_is_refused(gaussians, tracked):
    other = copy.deepcopy(gaussians)
    other.xyz = torch.nn.Parameter(other.xyz[:-3].detach())
    with pytest.raises(ValueError, match="not of one run"):
        pack_head(gaussians, tracked, other)


@given(st.integers(1, 60), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_still_gaussians_survive_packing(n, seed):
    g = torch.Generator().manual_seed(seed)
    scene = Gaussians(
        means=torch.randn(n, 3, generator=g),
        quats=torch.nn.functional.normalize(torch.randn(n, 4, generator=g), dim=-1),
        scales=0.02 + torch.rand(n, 3, generator=g),
        opacities=torch.rand(n, generator=g),
        colors=torch.rand(n, 3, generator=g),
    )
    back = browser_gaussians(pack_gaussians(scene, front_camera(64)), 0)
    assert torch.allclose(back.means, scene.means, atol=1e-3)
    assert torch.allclose(back.scales, scene.scales, rtol=2e-3, atol=1e-5)
    assert torch.allclose(back.colors, scene.colors, atol=0.003)
    assert torch.allclose(back.opacities, scene.opacities, atol=0.003)
    assert ((back.quats * scene.quats).sum(1).abs() > 0.999).all()


def test_the_page_names_no_network(packet):
    text = page(packet, "<b>title", "</script>", "e")
    assert "default-src 'none'" in text and "&lt;b&gt;title" in text
    script = text[text.index('<script type="module">') :]
    assert script.count("</script>") == 1 and "http" not in script.replace("http-equiv", "")


def test_avatar_is_one_small_file(gaussians, edited, tracked, tmp_path):
    path = tmp_path / "avatar.html"
    avatar = save_avatar(gaussians, tracked, path, edited, prompt="blue", frames=8)
    assert avatar.path.stat().st_size == avatar.bytes <= 3_000_000
    assert len(avatar.psnr) == 8 and min(avatar.psnr) > 33
    assert [p.name for p in tmp_path.iterdir()] == ["avatar.html"]


def test_viewers_say_what_is_missing(gaussians, tracked):
    with pytest.raises(ValueError, match="capture"):
        SplatViewer(gaussians)
    with pytest.raises(ValueError, match="camera"):
        SplatViewer(gaussians.gaussians(tracked.frame_pose(0)))
    with pytest.raises(ValueError, match="alt"):
        Compare(np.zeros((4, 4, 3)), np.ones((4, 4, 3)))
    with pytest.raises(ValueError, match="holds 32"):
        pack_head(gaussians, tracked, components=40)
    with pytest.raises(ValueError, match="do not fit"):
        Compare([np.zeros((4, 4, 3))], [np.ones((4, 4, 3))], frames=[1, 2], alt="x")
    with pytest.raises(ValueError, match="slider 'wink'"):
        pack_head(gaussians, tracked, sliders=("wink",))
    triangle = torch.rand(3, 3), torch.tensor([[0, 1, 2]])
    with pytest.raises(ValueError, match="square"):
        MeshViewer(*triangle, replace(tracked.camera, width=10))
    assert isinstance(MeshViewer(*triangle, tracked.camera), MeshViewer)
