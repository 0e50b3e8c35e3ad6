"""Read PyTorch checkpoints as data: tensors are mapped from the file, and no program in it runs.

A checkpoint of torch 1.6 or newer is an uncompressed zip: `NAME/data.pkl` describes the contents,
and each `NAME/data/KEY` holds the bytes of one storage. `torch.load` is never called here, because
it hands archives with TorchScript code to `torch.jit.load`, which runs that code. Instead the
restricted unpickler reads the description, and the tensors are built from the bytes by hand.
"""

import io
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stkit.io.safe_pickle import Unpickler
from stkit.io.untrusted import UnsafeFileError, guard

LOCAL_HEADER = 30  # bytes of a zip record's local header before its name; zip specification 4.3.7
STORAGE_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "UntypedStorage": torch.uint8,
}
NEW_DTYPES = {  # torch stores these as an UntypedStorage and the name of the type
    "uint16": torch.uint16,
    "uint32": torch.uint32,
    "uint64": torch.uint64,
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2,
}


def load_checkpoint(path: Path) -> Any:
    """The contents of a .ckpt or .pt file; tensors are on the CPU and mapped from the disk.

    Objects of unknown classes come back as `Inert`. Raises UnsafeFileError naming the file when it
    holds a TorchScript program, when it is no zip that torch wrote, or when it is damaged.
    """
    path = Path(path)
    return guard(path, lambda: _read(path))


def _read(path: Path) -> Any:
    records = _records(path)
    descriptions = [n for n in records if n.endswith("/data.pkl") and n.count("/") == 1]
    if len(descriptions) != 1:
        raise UnsafeFileError("is a zip, but not one that torch wrote (there is no data.pkl)")
    content = np.memmap(path, np.uint8, mode="c")
    prefix = descriptions[0].removesuffix("data.pkl")
    if prefix + "byteorder" in records:
        order = records[prefix + "byteorder"].of(content).tobytes().strip()
        if order != b"little":
            raise UnsafeFileError("was written on a big-endian machine")
    description = records[descriptions[0]].of(content).tobytes()
    storages = {
        name.removeprefix(prefix + "data/"): record.of(content)
        for name, record in records.items()
        if name.startswith(prefix + "data/")
    }
    return _CheckpointUnpickler(description, storages).data()


@dataclass(frozen=True)
class _Record:
    """Where the bytes of one record of a zip begin, and how many there are."""

    start: int
    size: int

    def of(self, content: np.ndarray) -> np.ndarray:
        """The record's bytes of the whole file's bytes."""
        if self.start + self.size > len(content):
            raise UnsafeFileError("is truncated")
        return content[self.start : self.start + self.size]


def _records(path: Path) -> dict[str, _Record]:
    """The records of a checkpoint by name; refuses everything but plain data."""
    if not zipfile.is_zipfile(path):
        raise UnsafeFileError(
            "is not a checkpoint of torch 1.6 or newer (a zip), or its end is missing; "
            "older checkpoints are not read"
        )
    found = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as f:
        for entry in archive.infolist():
            inside = entry.filename.partition("/")[2]
            if inside == "constants.pkl" or inside.startswith("code/"):
                raise UnsafeFileError(
                    "holds a TorchScript program, which would run when it is loaded; "
                    "give a checkpoint of tensors (torch.save of a state_dict)"
                )
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise UnsafeFileError(f"{entry.filename!r} is compressed or encrypted")
            f.seek(entry.header_offset)
            header = f.read(LOCAL_HEADER)
            if len(header) < LOCAL_HEADER or not header.startswith(b"PK\3\4"):
                raise UnsafeFileError(f"{entry.filename!r} has no header")
            name_length = int.from_bytes(header[26:28], "little")
            extra_length = int.from_bytes(header[28:30], "little")
            start = entry.header_offset + LOCAL_HEADER + name_length + extra_length
            found[entry.filename] = _Record(start, entry.file_size)
    return found


@dataclass(frozen=True)
class StorageType:
    """What stands for a class of storages such as torch.FloatStorage."""

    dtype: torch.dtype


class _CheckpointUnpickler(Unpickler):
    """The restricted unpickler, with torch's description of tensors added to what it knows."""

    def __init__(self, description: bytes, storages: dict[str, np.ndarray]):
        super().__init__(io.BytesIO(description))
        self.storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """What stands for the class or function `module.name`."""
        if module in ("torch", "torch.storage") and name in STORAGE_TYPES:
            return StorageType(STORAGE_TYPES[name])
        if module == "torch" and name in NEW_DTYPES:
            return NEW_DTYPES[name]
        return BUILDERS.get((module, name)) or super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Tensor:
        """The storage, a flat tensor, that ('storage', type, key, device, elements) names."""
        kind, storage_type, key, _, elements = pid
        if kind != "storage" or not isinstance(storage_type, StorageType):
            raise UnsafeFileError("refers to something that is no storage")
        data = self.storages.get(key)
        if data is None or len(data) != elements * storage_type.dtype.itemsize:
            raise UnsafeFileError("a storage is missing or has the wrong length")
        return _as_type(torch.from_numpy(data), storage_type.dtype)


def _as_type(data: Tensor, dtype: torch.dtype) -> Tensor:
    """Flat bytes as elements of another type; copied where the file places them misaligned."""
    if data.data_ptr() % dtype.itemsize:
        data = data.clone()
    return data.view(dtype)


def _tensor(storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_) -> Tensor:
    """A tensor as a window on a flat storage; every bound is checked before it is used."""
    numbers = [offset, *size, *stride]
    if not isinstance(storage, Tensor) or len(size) != len(stride):
        raise UnsafeFileError("describes a tensor without a storage or with odd strides")
    if not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise UnsafeFileError("describes a tensor with sizes that are no numbers")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    elements = math.prod(size)
    if elements and (elements > len(storage) or last >= len(storage)):
        raise UnsafeFileError("describes a tensor that is larger than its storage")
    if not elements:
        return storage.new_empty(tuple(size))
    return storage.as_strided(tuple(size), tuple(stride), offset)


def _tensor_of_new_type(storage, offset, size, stride, requires_grad, hooks, dtype, *_) -> Tensor:
    if not isinstance(storage, Tensor) or not isinstance(dtype, torch.dtype):
        raise UnsafeFileError("describes a tensor without a storage or a type")
    return _tensor(_as_type(storage, dtype), offset, size, stride)


def _parameter(data, *_) -> Tensor:
    if not isinstance(data, Tensor):
        raise UnsafeFileError("describes a parameter without a tensor")
    return data


BUILDERS = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_new_type,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): torch.Size,
}
