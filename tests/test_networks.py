"""The nets' sizes are upstream's, and points share what belongs to the frame."""

import pytest
import torch

from stkit.heads import networks
from stkit.heads.networks import MLP, blend, expression_share, gamma


def count(*nets) -> int:
    return sum(p.numel() for net in nets for p in net.parameters())


def test_positional_encoding_has_nine_values_a_scalar():
    assert gamma(torch.zeros(2, 3)).shape == (2, 27) and gamma(torch.zeros(6)).shape == (54,)
    x = torch.tensor([[0.3]])
    octaves = 0.3 * torch.tensor([1.0, 2, 4, 8])
    assert torch.allclose(
        gamma(x)[0], torch.cat([torch.tensor([0.3]), octaves.sin(), octaves.cos()])
    )


def test_parameters_of_the_first_stage_are_upstreams():
    nets = (
        networks.geometry_net(),
        networks.expression_color_net(channels=32),
        networks.pose_color_net(channels=32),
        networks.expression_deform_net(),
        networks.pose_deform_net(),
    )
    assert [count(n) for n in nets] == [311_172, 129_568, 33_376, 310_787, 87_798]
    assert count(*nets) == 872_701
    assert count(networks.expression_attribute_net()) == 232_200
    assert count(networks.pose_attribute_net()) == 42_424


@pytest.mark.parametrize(
    ("net", "skip", "width"),
    [
        (networks.geometry_net(), 3, 283),
        (networks.expression_color_net(channels=32), 2, 448),
        (networks.pose_color_net(channels=32), 1, 310),
        (networks.expression_deform_net(), 3, 347),
        (networks.pose_deform_net(), 2, 337),
    ],
)
def test_the_input_joins_again_where_upstream_does(net, skip, width):
    assert net.skip == skip and net.layers[skip].in_features == width


def test_shared_evaluation_is_the_same_function():
    net = MLP((10, 16, 16, 16, 4)).double()
    points, frame = torch.randn(7, 6, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    whole = net(torch.cat([points, frame.expand(7, 4)], 1))
    assert torch.allclose(net.shared(points, frame), whole, atol=1e-12)


def test_expression_share_compares_squared_distances():
    d = torch.tensor([0.0, 0.1**0.5, 0.25**0.5, 0.6])
    share = expression_share(d)
    assert torch.allclose(share, torch.tensor([1.0, 1.0, 0.0, 0.0]), atol=1e-6)
    assert 0 < float(expression_share(torch.tensor(0.4))) < 1


def test_blend_evaluates_each_net_only_where_it_counts():
    x, share = torch.randn(6, 4, requires_grad=True), torch.tensor([0.0, 0.0, 0.3, 1.0, 1.0, 0.7])
    counts = []

    def near(points):
        counts.append(len(points))
        return 2 * points

    def far(points):
        counts.append(len(points))
        return -points

    out = blend(share, x, near, far)
    assert counts == [4, 4]
    assert torch.allclose(out, share[:, None] * 2 * x - (1 - share[:, None]) * x)
    assert torch.allclose(
        torch.autograd.grad(out.sum(), x)[0], (3 * share - 1)[:, None].expand(6, 4)
    )
    assert torch.equal(blend(torch.zeros(6), x, near, far), -x)
