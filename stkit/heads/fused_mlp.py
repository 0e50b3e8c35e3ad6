"""The layers of an MLP evaluated as one step on a CPU.

y = W_n a(... a(W_1 x + b_1) ...) + b_n with a = LeakyReLU. Where torch has one thread
(stkit.training.one_thread_for_torch), points are taken 2,048 at a time, so that what lies between
two layers stays in the processor's cache, and by all threads of the kernels at once. torch gives
float32 products to MKL, which is half as fast as oneDNN on an AMD processor with AVX-512 (94
against 180 GFLOP/s a core, 20,000 points, 64 to 64 features); torch carries both.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from stkit.errors import RequestError
from stkit.render.threads import parallel

ROWS = 2048  # points evaluated together: their hidden values fit a core's cache
SLOPE = 0.01  # of LeakyReLU (Gaussian-Head-Avatar's nets)
ONEDNN = torch.backends.mkldnn.is_available()

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def chain(
    x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], skip: int | None
) -> Tensor:
    """The last layer's output (N, b) for points x (N, a).

    weights (out, in), biases (out,); x is joined again to the input of layer `skip`, if any.
    Differentiable once in everything on a CPU in float32, as often as torch allows elsewhere.
    """
    if ONEDNN and x.device.type == "cpu" and x.dtype == torch.float32 and len(x):
        return _Chain.apply(x, skip, torch.is_grad_enabled(), *weights, *biases)
    h, last = x, len(weights) - 1
    for k, (weight, bias) in enumerate(zip(weights, biases)):
        h = torch.nn.functional.linear(torch.cat([h, x], 1) if k == skip else h, weight, bias)
        h = torch.nn.functional.leaky_relu(h, SLOPE) if k < last else h
    return h


class _Wanted(NamedTuple):
    """Which gradients are asked for: that of x, of each weight, of each bias."""

    x: bool
    weights: tuple[bool, ...]
    biases: tuple[bool, ...]


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, skip, keep, *params):
        n = len(params) // 2
        weights, biases = [w.contiguous() for w in params[:n]], params[n:]
        count = -(-len(x) // ROWS) if torch.get_num_threads() == 1 else 1
        pieces = x.contiguous().tensor_split(count)
        done = _each(pieces, lambda piece: _forward(piece, weights, biases, skip, keep))
        ctx.save_for_backward(x, *weights)
        ctx.skip = skip
        ctx.hidden = [hidden for hidden, _ in done]
        return torch.cat([y for _, y in done])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_y):
        x, *weights = ctx.saved_tensors
        n, count = len(weights), len(ctx.hidden)
        transposed = [w.T.contiguous() for w in weights]
        need = ctx.needs_input_grad
        wanted = _Wanted(need[0], need[3 : 3 + n], need[3 + n :])
        xs, d_ys = x.contiguous().tensor_split(count), d_y.contiguous().tensor_split(count)
        pieces = list(zip(xs, ctx.hidden, d_ys))
        done = _each(pieces, lambda piece: _backward(*piece, transposed, ctx.skip, wanted))
        d_x = torch.cat([d for d, _ in done]) if wanted.x else None
        per_parameter = zip(*(d_params for _, d_params in done))
        d_params = [None if parts[0] is None else sum(parts) for parts in per_parameter]
        return d_x, None, None, *d_params


def _each(pieces: Sequence[Piece], function: Callable[[Piece], Result]) -> list[Result]:
    """function(piece) of every piece, in order, by the kernels' threads."""
    results: dict[int, Result] = {}

    @torch.no_grad()
    def work(first: int, step: int) -> None:
        if len(pieces) > 1:
            # as in the caller; a new thread would begin with one for every core
            torch.set_num_threads(1)
        for k in range(first, len(pieces), step):
            results[k] = function(pieces[k])

    parallel(work, len(pieces))
    return [results[k] for k in range(len(pieces))]


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The product x W^T + b by oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _linear_leaky(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """LeakyReLU(x W^T + b) by oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "leaky_relu", [SLOPE], "")


def _forward(
    x: Tensor, weights: list[Tensor], biases: Sequence[Tensor], skip: int | None, keep: bool
) -> tuple[list[Tensor], Tensor]:
    """What each layer but the last gives (nothing unless `keep`), and what the last gives."""
    hidden: list[Tensor] = []
    h = x
    for k, (weight, bias) in enumerate(zip(weights, biases)):
        h = torch.cat([h, x], 1) if k == skip else h
        if k == len(weights) - 1:
            return hidden, _linear(h, weight, bias)
        h = _linear_leaky(h, weight, bias)
        if keep:
            hidden.append(h)
    raise RequestError("an MLP needs at least one layer")


def _backward(
    x: Tensor,
    hidden: list[Tensor],
    g: Tensor,
    transposed: list[Tensor],
    skip: int | None,
    wanted: _Wanted,
) -> tuple[Tensor | None, list[Tensor | None]]:
    """Gradients of one piece's x (or None), and its part of the weights' and then the biases'.

    g (n, b) is the gradient of the output; entries that are not wanted are None.
    """
    n = len(transposed)
    d_weights: list[Tensor | None] = [None] * n
    d_biases: list[Tensor | None] = [None] * n
    d_x = None
    for k in reversed(range(n)):
        if wanted.weights[k]:
            d_weights[k] = _weight_gradient(_layer_input(x, hidden, k, skip), g)
        if wanted.biases[k]:
            d_biases[k] = g.sum(0)
        if k == 0 and not wanted.x:
            break
        g = _linear(g, transposed[k])
        if k == skip:
            d_x = g[:, -x.shape[1] :]
            g = g[:, : -x.shape[1]].contiguous()
        if k > 0:
            g = torch.ops.aten.leaky_relu_backward(g, hidden[k - 1], SLOPE, True)
    if not wanted.x:
        return None, d_weights + d_biases
    return g if d_x is None else g + d_x, d_weights + d_biases


def _layer_input(x: Tensor, hidden: list[Tensor], k: int, skip: int | None) -> Tensor:
    """What layer k was given (n, in)."""
    if k == 0:
        return x
    return torch.cat([hidden[k - 1], x], 1) if k == skip else hidden[k - 1]


def _weight_gradient(h: Tensor, g: Tensor) -> Tensor:
    """g^T h (out, in); oneDNN likes the smaller side first."""
    if h.shape[1] < g.shape[1]:
        return _linear(h.T, g.T).T
    return _linear(g.T, h.T)
