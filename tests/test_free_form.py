"""Hair and clothes that move on their own: the lattice, how it is found and how it is predicted."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from stkit.capture import Capture
from stkit.driving.hair import against_chest, follow_head
from stkit.driving.motion import own_motion, play, retarget
from stkit.geometry import generator
from stkit.heads.alignment import align_frames, show_frozen, still
from stkit.heads.free_form import COUNT, HIGH, LOW, NODES, displacement, stretch
from stkit.metrics.pictures import psnr
from stkit.viewers.browser_twin import browser_gaussians
from stkit.viewers.packing import pack_head


def lattice_of(field) -> torch.Tensor:
    """A lattice (K, 3) whose nodes have the values of a function of their places (K, 3)."""
    axes = [torch.linspace(LOW[k], HIGH[k], NODES[k]) for k in range(3)]
    return field(torch.cartesian_prod(*axes))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_the_lattice_is_trilinear(seed):
    g = generator(seed, "lattice")
    lattice = torch.randn(COUNT, 3, generator=g)
    low, high = torch.tensor(LOW), torch.tensor(HIGH)
    points = low + (high - low) * torch.rand(20, 3, generator=g)
    axes = [torch.linspace(LOW[k], HIGH[k], NODES[k]).numpy() for k in range(3)]
    known = RegularGridInterpolator(axes, lattice.view(*NODES, 3).numpy(), bounds_error=False)
    expected = torch.from_numpy(known(points.clamp(low, high).numpy())).float()
    found = displacement(points, torch.zeros(20), lattice)
    assert torch.allclose(found, expected, atol=1e-4)


def test_beyond_the_lattice_points_move_as_at_its_edge():
    points = 5 * torch.randn(50, 3, generator=generator(0, "outside"))
    shift = torch.tensor([0.1, -0.2, 0.3])
    found = displacement(points, torch.zeros(50), shift.expand(COUNT, 3))
    assert torch.allclose(found, shift.expand(50, 3), atol=1e-5)


def test_the_face_stays():
    lattice = torch.ones(COUNT, 3)
    share = torch.tensor([0.0, 0.25, 1.0])
    moved = displacement(torch.zeros(3, 3), share, lattice)
    assert torch.allclose(moved[:, 0], 1 - share)


def test_a_bent_lattice_costs_more_than_a_moved_one():
    moved = lattice_of(lambda x: 0.1 * torch.ones_like(x))
    bent = lattice_of(lambda x: 0.1 * torch.sign(torch.sin(9 * x)))
    assert float(stretch(bent)) > 2 * float(stretch(moved)) > 0


def hanging(capture: Capture) -> torch.Tensor:
    """A lattice (K, 3) that pulls what lies low and behind to the subject's left."""
    push = torch.tensor([0.15, 0.0, 0.0])
    return lattice_of(lambda x: (-x[:, 1:2]).clamp(0, 1) * push).to(capture.device)


def test_alignment_finds_a_lattice_and_only_on_request(gaussians, mesh):
    capture, t = mesh[1], 5
    true = replace(capture.frame_pose(t), lattice=hanging(capture))
    show = show_frozen(gaussians, capture, t)
    with torch.no_grad():
        target = show(true)
        before = (show(capture.frame_pose(t))[0] - target[0]).abs().mean()

    def aligned(free_form: bool) -> Capture:
        return align_frames(capture, [t], lambda _: show, lambda _: target, 40, free_form)

    found = aligned(True)
    after = (show(found.frame_pose(t))[0] - target[0]).detach().abs().mean()
    assert float(after) < 0.5 * float(before)
    others = [k for k in range(len(capture)) if k != t]
    assert not found.lattice[others].any(), "other frames stay"
    assert aligned(False).lattice is None


def with_hair(capture: Capture) -> Capture:
    """The capture with lattices that depend linearly on how the head stands to the chest."""
    stand = against_chest(capture, capture.pose, capture.torso)
    amount = (stand[:, 1] - stand[:, 1].mean()) / stand[:, 1].std()
    return replace(capture, lattice=amount[:, None, None] * hanging(capture))


def test_hair_is_predicted_from_how_the_head_stands(mesh):
    capture = with_hair(mesh[1])
    found = follow_head(capture, capture.pose, capture.torso)
    train, _ = capture.split()
    miss = (found - capture.lattice)[train].square().mean()
    assert float(miss) < 0.5 * float(capture.lattice[train].square().mean())
    far = capture.pose.clone()
    far[:, 1] += 30.0
    assert float(follow_head(capture, far, capture.torso).abs().max()) < 1.0, "no wild guesses"
    assert follow_head(mesh[1], capture.pose, capture.torso) is None


def test_hair_moves_in_what_a_head_plays(gaussians, mesh):
    capture = with_hair(mesh[1])
    own = own_motion(capture).subset([0, 3])
    still_hair = replace(own, lattice=None)
    assert (play(gaussians, capture, own) != play(gaussians, capture, still_hair)).any()
    driven = retarget(capture, capture)
    assert driven.lattice.shape == capture.lattice.shape


def test_hair_moves_in_the_browser(gaussians, mesh):
    capture = with_hair(mesh[1])
    packet = pack_head(gaussians, capture, frames=4, components=4, sliders=())
    t = len(capture) - 1  # the last of the four moments
    with torch.no_grad():
        shown = browser_gaussians(packet, 3).render(capture.camera)[0]
        itself = gaussians.render_frame(capture, t)
        bald = gaussians.render_frame(replace(capture, lattice=None), t)
    assert psnr(shown, itself) > 30 > psnr(shown, bald)


def test_a_capture_keeps_its_lattices(mesh, tmp_path):
    capture = replace(mesh[1], lattice=still(mesh[1]) + 0.5)
    capture.track.save(tmp_path / "track.npz")
    back = type(capture.track).load(tmp_path / "track.npz")
    assert torch.equal(back.lattice, capture.lattice)
    assert torch.equal(capture.subset([2, 4]).lattice, capture.lattice[[2, 4]])


@pytest.mark.parametrize("lattice", [None, 0.0])
def test_no_lattice_is_a_lattice_at_rest(gaussians, mesh, lattice):
    frame = mesh[1].frame_pose(1)
    nodes = None if lattice is None else torch.zeros(COUNT, 3)
    same = gaussians.gaussians(replace(frame, lattice=nodes))
    assert torch.equal(same.means, gaussians.gaussians(frame).means)
