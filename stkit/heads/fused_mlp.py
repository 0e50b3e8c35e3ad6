"""The layers of an MLP, y = W_n a(... a(W_1 x + b_1) ...) + b_n with a = LeakyReLU, evaluated as one step on a CPU.

Where torch has one thread (stkit.training.one_thread_for_torch), points are taken 2,048 at a time, so that what lies between two
layers stays in the processor's cache, and by all threads of the kernels at once. torch gives float32 products to MKL, which is half
as fast as oneDNN on an AMD processor with AVX-512 (94 against 180 GFLOP/s a core, 20,000 points, 64 to 64 features); torch carries both.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from stkit.render.threads import parallel

ROWS = 2048
_product = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if torch.backends.mkldnn.is_available()
    else None
)


def chain(
    x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], skip: int, slope: float = 0.01
) -> Tensor:
    """The last layer's output (N, b) for points x (N, a); x is joined again to the input of layer `skip`.

    weights (out, in), biases (out,). Differentiable once in everything on a CPU in float32, as often as torch allows elsewhere.
    """
    if _product is not None and x.device.type == "cpu" and x.dtype == torch.float32 and len(x):
        return _Chain.apply(x, skip, slope, torch.is_grad_enabled(), *weights, *biases)
    h, last = x, len(weights) - 1
    for k, (weight, bias) in enumerate(zip(weights, biases)):
        h = torch.nn.functional.linear(torch.cat([h, x], 1) if k == skip else h, weight, bias)
        h = torch.nn.functional.leaky_relu(h, slope) if k < last else h
    return h


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, skip, slope, keep, *params):
        n = len(params) // 2
        weights, biases = [w.contiguous() for w in params[:n]], params[n:]
        pieces = x.contiguous().tensor_split(
            -(-len(x) // ROWS) if torch.get_num_threads() == 1 else 1
        )
        done = _each(pieces, lambda piece: _forward(piece, weights, biases, skip, slope, keep))
        ctx.save_for_backward(x, *weights)
        ctx.settings = skip, slope, [hidden for hidden, _ in done]
        return torch.cat([y for _, y in done])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_y):
        (x, *weights), (skip, slope, hidden) = ctx.saved_tensors, ctx.settings
        n = len(weights)
        across = [w.T.contiguous() for w in weights]
        wanted = (
            ctx.needs_input_grad[0],
            ctx.needs_input_grad[4 : 4 + n],
            ctx.needs_input_grad[4 + n :],
        )
        pieces = zip(
            x.contiguous().tensor_split(len(hidden)),
            hidden,
            d_y.contiguous().tensor_split(len(hidden)),
        )
        done = _each(list(pieces), lambda piece: _backward(*piece, across, skip, slope, wanted))
        d_x = torch.cat([d for d, _ in done]) if wanted[0] else None
        return (
            d_x,
            None,
            None,
            None,
            *(None if parts[0] is None else sum(parts) for parts in zip(*(d for _, d in done))),
        )


def _each(pieces: list, function: Callable) -> list:
    """function(piece) of every piece, in order, by the kernels' threads."""
    out = [None] * len(pieces)

    @torch.no_grad()
    def work(first: int, step: int) -> None:
        if len(pieces) > 1:
            torch.set_num_threads(
                1
            )  # as in the caller; a new thread would begin with one for every core
        for k in range(first, len(pieces), step):
            out[k] = function(pieces[k])

    parallel(work, len(pieces))
    return out


def _forward(x, weights, biases, skip, slope, keep) -> tuple[list[Tensor], Tensor]:
    """What each layer but the last gives (nothing unless `keep`), and what the last gives."""
    hidden, h = [], x
    for k, (weight, bias) in enumerate(zip(weights, biases)):
        h = torch.cat([h, x], 1) if k == skip else h
        last = k == len(weights) - 1
        h = _product(h, weight, bias, "none" if last else "leaky_relu", [] if last else [slope], "")
        if keep and not last:
            hidden.append(h)
    return hidden, h


def _backward(
    x, hidden, g, across, skip, slope, wanted
) -> tuple[Tensor | None, list[Tensor | None]]:
    """Gradients of x, and of the weights and biases from one piece, from g (n, b), that of the output."""
    n = len(across)
    d_params: list[Tensor | None] = [None] * (2 * n)
    d_x = None
    for k in reversed(range(n)):
        if wanted[1][k]:
            h = x if k == 0 else torch.cat([hidden[k - 1], x], 1) if k == skip else hidden[k - 1]
            thin = h.shape[1] < g.shape[1]  # oneDNN likes the smaller side first
            d_params[k] = (
                _product(h.T, g.T, None, "none", [], "").T
                if thin
                else _product(g.T, h.T, None, "none", [], "")
            )
        if wanted[2][k]:
            d_params[n + k] = g.sum(0)
        if k == 0 and not wanted[0]:
            break
        g = _product(g, across[k], None, "none", [], "")
        if k == skip:
            d_x = g[:, -x.shape[1] :]
            g = g[:, : -x.shape[1]].contiguous()
        if k > 0:
            g = torch.ops.aten.leaky_relu_backward(g, hidden[k - 1], slope, True)
    return (g if d_x is None else g + d_x) if wanted[0] else None, d_params
