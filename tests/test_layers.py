"""stkit.heads.fused_mlp against torch's own linear layers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import stkit.heads.fused_mlp
from stkit.heads.fused_mlp import ROWS, SLOPE, chain
from stkit.heads.networks import MLP


def plain(x, weights, biases, skip):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases)):
        h = torch.nn.functional.linear(torch.cat([h, x], 1) if k == skip else h, w, b)
        h = torch.nn.functional.leaky_relu(h, SLOPE) if k < len(weights) - 1 else h
    return h


def nets(dims, skip, seed=0, dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    weights = [
        torch.randn(b, a + (dims[0] if k == skip else 0), generator=g, dtype=dtype) / a**0.5
        for k, (a, b) in enumerate(zip(dims, dims[1:]))
    ]
    return weights, [torch.randn(b, generator=g, dtype=dtype) for b in dims[1:]]


def gradients(function, x, weights, biases, skip, d):
    leaves = [t.detach().clone().requires_grad_() for t in (x, *weights, *biases)]
    n = len(weights)
    y = function(leaves[0], leaves[1 : n + 1], leaves[n + 1 :], skip)
    return [y.detach(), *torch.autograd.grad(y, leaves, d)]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 300),
    st.lists(st.integers(1, 20), min_size=2, max_size=6),
    st.integers(-1, 5),
    st.integers(0, 1000),
)
def test_value_and_gradients_are_those_of_torch(n, dims, skip, seed):
    skip = skip if 0 < skip < len(dims) - 1 else None
    weights, biases = nets(dims, skip, seed)
    g = torch.Generator().manual_seed(seed)
    x, d = torch.randn(n, dims[0], generator=g), torch.randn(n, dims[-1], generator=g)
    found = gradients(chain, x, weights, biases, skip, d)
    expected = gradients(plain, x, weights, biases, skip, d)
    for got, want in zip(found, expected):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_several_pieces_and_any_number_of_threads_give_the_same_bits(monkeypatch):
    weights, biases = nets((9, 24, 24, 24, 5), 2)
    x, d = torch.randn(3 * ROWS + 5, 9), torch.randn(3 * ROWS + 5, 5)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("STKIT_THREADS", threads)
        found.append(gradients(chain, x, weights, biases, 2, d))
    for got, again, third, want in zip(*found, gradients(plain, x, weights, biases, 2, d)):
        assert torch.equal(got, again) and torch.equal(got, third)
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-3)


def test_only_the_gradients_asked_for():
    weights, biases = nets((5, 8, 8, 3), 1)
    x, frozen = torch.randn(50, 5, requires_grad=True), [w.clone() for w in weights]
    weights[1].requires_grad_()
    chain(x, weights, biases, 1).square().sum().backward()
    assert x.grad is not None and weights[1].grad is not None
    assert weights[0].grad is None and biases[0].grad is None
    with torch.no_grad():
        assert not chain(x, weights, biases, 1).requires_grad
    assert not chain(x.detach(), frozen, biases, 1).requires_grad


def test_a_slice_of_a_weight_and_an_expanded_gradient():
    x, wide, bias = torch.randn(50, 5), torch.randn(8, 12, requires_grad=True), torch.zeros(8)
    grads = []
    for function in (chain, plain):
        out = function(x, [wide[:, 3:8]], [bias], None)
        grads.append(torch.autograd.grad(out.sum(), wide)[0])
    torch.testing.assert_close(*grads, rtol=1e-5, atol=1e-5)


def test_what_belongs_to_the_frame_joins_the_bias():
    net = MLP((7, 16, 16, 16, 3))
    x, frame = torch.randn(40, 4), torch.randn(3)
    whole = net(torch.cat([x, frame.expand(40, 3)], 1))
    torch.testing.assert_close(net.shared(x, frame), whole, rtol=1e-4, atol=1e-5)


def test_float64_is_left_to_torch():
    weights, biases = nets((4, 6, 3), None, dtype=torch.float64)
    x = torch.randn(6, 4, dtype=torch.float64)
    leaves = [t.requires_grad_() for t in (x, *weights, *biases)]
    assert torch.autograd.gradcheck(lambda x, a, b, c, d: chain(x, [a, b], [c, d], None), leaves)


def test_a_second_derivative_is_refused_rather_than_wrong():
    weights, biases = nets((4, 6, 3), None)
    x = torch.randn(9, 4, requires_grad=True)
    loss = chain(x, weights, biases, None).square().sum()
    (first,) = torch.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_without_onednn_torch_takes_over(monkeypatch):
    weights, biases = nets((4, 6, 3), None)
    x = torch.randn(9, 4)
    with monkeypatch.context() as m:
        m.setattr(stkit.heads.fused_mlp, "ONEDNN", False)
        slow = chain(x, weights, biases, None)
    torch.testing.assert_close(chain(x, weights, biases, None), slow)


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    weights, biases = nets((4, 6, 3), None)
    with pytest.raises(RuntimeError):
        chain(torch.randn(3 * ROWS, 5), weights, biases, None)
