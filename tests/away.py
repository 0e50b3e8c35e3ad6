"""A make-believe GPU: tensors that say they are on "cuda", live in main memory, and refuse to meet tensors that are not.

It finds what a machine without a GPU cannot: a tensor made on the CPU in the middle of a stage that runs on CUDA. Arithmetic is the CPU's.
"""

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

CUDA = torch.device("cuda:0")
MOVES = {torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda}
CROSSING = {"copy_", "_to_copy"}  # operations that may read one device and write another
INDEXING = {
    "index",
    "index_put",
    "index_put_",
    "_unsafe_index_put",
    "_index_put_impl_",
}  # indices may stay on the CPU


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
        here = [
            x for x in flat if isinstance(x, torch.Tensor) and not isinstance(x, Away) and x.ndim
        ]
        if (
            here
            and name not in CROSSING
            and not (name in INDEXING and all(x.dtype in (torch.long, torch.bool) for x in here))
        ):
            raise RuntimeError(
                f"{func}: a tensor {tuple(here[0].shape)} of the CPU meets one of cuda:0"
            )
        bare = lambda x: x.inner if isinstance(x, Away) else x
        out = func(*tree_map(bare, args), **tree_map(bare, kwargs))
        if name.endswith("_") and not name.startswith("__") and args and isinstance(args[0], Away):
            return args[0]
        if name == "copy_":
            return args[0]
        return tree_map(lambda x: Away(x) if isinstance(x, torch.Tensor) else x, out)


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
            wanted = (
                "cpu"
                if func is torch.Tensor.cpu
                else "cuda"
                if func is torch.Tensor.cuda
                else kwargs.get("device")
            )
            rest = list(args[1:])
            if func is torch.Tensor.to and wanted is None:
                for k, x in enumerate(rest):
                    if isinstance(x, torch.device) or (isinstance(x, str)):
                        wanted = rest.pop(k)
                        break
                    if isinstance(x, torch.Tensor):
                        wanted, rest[k] = x.device, x.dtype
                        break
            kwargs.pop("device", None)
            x = args[0]
            if wanted is not None:
                x = send(x) if torch.device(wanted).type == "cuda" else fetch(x)
            if func is torch.Tensor.to:
                dtype = next(
                    (r for r in [*rest, kwargs.get("dtype")] if isinstance(r, torch.dtype)), None
                )
                if dtype is not None:
                    return func(x, dtype)
            return x
        if func is torch.Tensor.new_tensor and isinstance(args[0], Away):
            return Away(torch.tensor(*args[1:], dtype=kwargs.get("dtype") or args[0].dtype))
        device = kwargs.get("device")
        if device is not None and torch.device(device).type == "cuda":
            kwargs["device"] = "cpu"
            if any(isinstance(x, Away) for x in tree_flatten(args)[0]):
                return func(*args, **kwargs)
            grad = kwargs.pop("requires_grad", False)
            return Away(func(*args, **kwargs)).requires_grad_(grad)
        return func(*args, **kwargs)
