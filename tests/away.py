"""A make-believe GPU: tensors that say they are on "cuda" and refuse to meet tensors that are not.

They live in main memory, and arithmetic is the CPU's. It finds what a machine without a GPU cannot:
a tensor made on the CPU in the middle of a stage that runs on CUDA.
"""

from collections.abc import Callable
from functools import wraps
from types import SimpleNamespace

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

CUDA = torch.device("cuda:0")
MOVES = {torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda}
CROSSING = {"copy_", "_to_copy"}  # operations that may read one device and write another
# indices may stay on the CPU
INDEXING = {"index", "index_put", "index_put_", "_unsafe_index_put", "_index_put_impl_"}


class Away(torch.Tensor):
    """A tensor on the make-believe GPU; `inner` holds its values."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor, requires_grad: bool = False):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device="cpu",
            requires_grad=requires_grad,
        )

    def __init__(self, inner: torch.Tensor, requires_grad: bool = False):
        self.inner = inner

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)

    def __repr__(self):
        return f"Away({self.inner!r})"

    def numpy(self, *a, **k):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")

    def __array__(self, *a, **k):
        self.numpy()

    def tolist(self):
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        kwargs.pop("device", None)
        name = func.overloadpacket.__name__
        flat, _ = tree_flatten((args, kwargs))
        _refuse_mixing(func, name, flat)
        out = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
        in_place = name.endswith("_") and not name.startswith("__")
        if name == "copy_" or (in_place and args and isinstance(args[0], Away)):
            return args[0]
        return tree_map(lambda x: Away(x) if isinstance(x, torch.Tensor) else x, out)


def _inner(x):
    return x.inner if isinstance(x, Away) else x


def _refuse_mixing(func, name: str, flat: list) -> None:
    """RuntimeError where a tensor of the CPU, but for a scalar, is among the arguments."""
    here = [x for x in flat if isinstance(x, torch.Tensor) and not isinstance(x, Away) and x.ndim]
    indices_only = all(x.dtype in (torch.long, torch.bool) for x in here)
    if here and name not in CROSSING and not (name in INDEXING and indices_only):
        raise RuntimeError(
            f"{func}: a tensor {tuple(here[0].shape)} of the CPU meets one of cuda:0"
        )


class _Leave(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return Away(x.detach().clone())

    @staticmethod
    def backward(ctx, grad):
        return grad.inner


class _Return(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.inner.detach().clone()

    @staticmethod
    def backward(ctx, grad):
        return Away(grad)


def send(x: torch.Tensor) -> torch.Tensor:
    """To the make-believe GPU; gradients come back."""
    return x if isinstance(x, Away) else _Leave.apply(x)


def fetch(x: torch.Tensor) -> torch.Tensor:
    """From the make-believe GPU; gradients go back."""
    return _Return.apply(x) if isinstance(x, Away) else x


def on_cpu(function: Callable) -> Callable:
    """The function, its tensors fetched from the make-believe GPU and its results sent there."""

    @wraps(function)
    def call(*args, **kwargs):
        args, kwargs = tree_map(_fetch_any, (args, kwargs))
        return tree_map(_send_any, function(*args, **kwargs))

    return call


def _fetch_any(x):
    return fetch(x) if isinstance(x, torch.Tensor) else x


def _send_any(x):
    return send(x) if isinstance(x, torch.Tensor) else x


def gsplat_on_cpu() -> SimpleNamespace:
    """A module for gsplat's place whose `rasterization` runs the CPU kernels."""
    from stkit.render import rasterize

    def rasterization(**options):
        return rasterize(**options, backend="cpu", meta=False)

    return SimpleNamespace(rasterization=on_cpu(rasterization))


class MakeBelieveGPU(TorchFunctionMode):
    """Within it, device="cuda" works: factories and `.to` give `Away` tensors."""

    def __enter__(self):
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        return super().__enter__()

    def __exit__(self, *a):
        torch.__future__.set_overwrite_module_params_on_conversion(False)
        return super().__exit__(*a)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in MOVES:
            return _move(func, args[0], list(args[1:]), kwargs)
        if func is torch.Tensor.new_tensor and isinstance(args[0], Away):
            return Away(torch.tensor(*args[1:], dtype=kwargs.get("dtype") or args[0].dtype))
        device = kwargs.get("device")
        if device is None or torch.device(device).type != "cuda":
            return func(*args, **kwargs)
        kwargs["device"] = "cpu"
        if any(isinstance(x, Away) for x in tree_flatten(args)[0]):
            return func(*args, **kwargs)
        requires_grad = kwargs.pop("requires_grad", False)
        return Away(func(*args, **kwargs)).requires_grad_(requires_grad)


def _move(func, x: torch.Tensor, rest: list, kwargs: dict) -> torch.Tensor:
    """`x.to(...)`, `x.cpu()` or `x.cuda()` with the other arguments `rest` and `kwargs`."""
    if func is torch.Tensor.cpu:
        return fetch(x)
    if func is torch.Tensor.cuda:
        return send(x)
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    for value in rest:
        if isinstance(value, torch.Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, torch.dtype):
            dtype = value
        elif isinstance(value, (torch.device, str)):
            device = value
    if device is not None:
        x = send(x) if torch.device(device).type == "cuda" else fetch(x)
    return x if dtype is None else func(x, dtype)
