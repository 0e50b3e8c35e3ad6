"""stkit.layers against torch's own linear layer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit.layers import layer


def plain(x, weight, bias, slope):
    y = torch.nn.functional.linear(x, weight, bias)
    return y if slope == 1 else torch.nn.functional.leaky_relu(y, slope)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1.0, 0.01]), st.integers(0, 1000))
def test_value_and_gradients_are_those_of_torch(n, a, b, slope, seed):
    g = torch.Generator().manual_seed(seed)
    leaves = [torch.randn(s, generator=g, requires_grad=True) for s in ((n, a), (b, a), (b,))]
    d = torch.randn(n, b, generator=g)
    ours, theirs = (torch.autograd.grad(f(*leaves, slope), leaves, d) for f in (layer, plain))
    torch.testing.assert_close(layer(*leaves, slope), plain(*leaves, slope), rtol=1e-5, atol=1e-5)
    for got, want in zip(ours, theirs):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_a_slice_of_a_weight_and_an_expanded_gradient():
    x, weight, bias = torch.randn(50, 5), torch.randn(8, 12, requires_grad=True), torch.zeros(8)
    layer(x, weight[:, 3:8], bias).sum().backward()
    got, weight.grad = weight.grad, None
    plain(x, weight[:, 3:8], bias, 1.0).sum().backward()
    torch.testing.assert_close(got, weight.grad, rtol=1e-5, atol=1e-5)


def test_only_the_gradients_asked_for():
    x, weight, bias = torch.randn(50, 5, requires_grad=True), torch.randn(8, 5), torch.randn(8)
    layer(x, weight, bias, 0.01).square().sum().backward()
    assert x.grad is not None and weight.grad is None and bias.grad is None


def test_float64_is_left_to_torch():
    leaves = [torch.randn(*s, dtype=torch.float64, requires_grad=True) for s in ((6, 4), (3, 4), (3,))]
    assert torch.autograd.gradcheck(lambda *x: layer(*x, 0.01), leaves)


def test_a_second_derivative_is_refused_rather_than_wrong():
    x, weight = torch.randn(9, 4, requires_grad=True), torch.randn(3, 4)
    (first,) = torch.autograd.grad(layer(x, weight, torch.zeros(3), 0.01).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable|second|twice"):
        first.sum().backward()


def test_without_onednn_torch_takes_over(monkeypatch):
    import stkit.layers

    x, weight, bias = torch.randn(9, 4), torch.randn(3, 4), torch.randn(3)
    monkeypatch.setattr(stkit.layers, "_product", None)
    torch.testing.assert_close(layer(x, weight, bias, 0.01), plain(x, weight, bias, 0.01))
