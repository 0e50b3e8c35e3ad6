"""One layer of an MLP, y = LeakyReLU(x W^T + b), through oneDNN on a CPU.

torch gives float32 products to MKL, which uses half the width of the vector units on processors that Intel did not make. oneDNN,
which torch carries too, uses all of it everywhere and applies bias and LeakyReLU while a value is still in a register.
"""

import torch
from torch import Tensor

_product = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, slope: float) -> Tensor:
        y = _product(x, weight.contiguous(), bias, "leaky_relu", [slope], "")
        ctx.save_for_backward(x, weight, y)
        ctx.slope = slope
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_y: Tensor):
        x, weight, y = ctx.saved_tensors
        d_y = d_y.contiguous()
        g = d_y if ctx.slope == 1 else torch.ops.aten.leaky_relu_backward(d_y, y, ctx.slope, True)
        d_x = _product(g, weight.T.contiguous(), None, "none", [], "") if ctx.needs_input_grad[0] else None
        d_weight, d_bias = None, None
        if ctx.needs_input_grad[1]:
            thin = x.shape[1] < g.shape[1]
            d_weight = _product(x.T, g.T, None, "none", [], "").T if thin else _product(g.T, x.T, None, "none", [], "")
        if ctx.needs_input_grad[2]:
            d_bias = g.sum(0)
        return d_x, d_weight, d_bias, None


def layer(x: Tensor, weight: Tensor, bias: Tensor, slope: float = 1.0) -> Tensor:
    """LeakyReLU with this slope (1: none) of x W^T + b: x (N, a), weight (b, a), bias (b,) -> (N, b)."""
    if _product is not None and x.device.type == "cpu" and x.dtype == torch.float32 and len(x):
        return _Layer.apply(x, weight, bias, slope)
    y = torch.nn.functional.linear(x, weight, bias)
    return y if slope == 1 else torch.nn.functional.leaky_relu_(y, slope)
