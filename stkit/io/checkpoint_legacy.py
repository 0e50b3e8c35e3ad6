"""Read checkpoints of torch before 1.6 as data: torchvision's older weights are such files.

Five pickles stand one after another: a magic number, the protocol, facts about the machine, the
contents, and the keys of the storages; then come the storages, each as its length and its bytes.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stkit.io.checkpoint import BUILDERS, STORAGE_TYPES, StorageType
from stkit.io.safe_pickle import Unpickler
from stkit.io.untrusted import UnsafeFileError, guard

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
LENGTH = 8  # bytes of a storage's length


def load_legacy_checkpoint(path: Path) -> Any:
    """The contents of an old .pth file, on the CPU. Raises UnsafeFileError naming the file."""
    path = Path(path)
    return guard(path, lambda: _read(io.BytesIO(path.read_bytes())))


def _read(file: io.BytesIO) -> Any:
    if Unpickler(file).data() != MAGIC or Unpickler(file).data() != PROTOCOL:
        raise UnsafeFileError("is no checkpoint that torch wrote before version 1.6")
    Unpickler(file).data()
    contents = _LegacyUnpickler(file)
    value = contents.data()
    keys = Unpickler(file).data()
    if not isinstance(keys, list) or set(keys) != set(contents.storages):
        raise UnsafeFileError("names other storages than it has")
    for key in keys:
        _fill(contents.storages[key], file)
    return value


def _fill(storage: Tensor, file: io.BytesIO) -> None:
    """Read a storage's bytes into the tensor that stands for it."""
    length = int.from_bytes(file.read(LENGTH), "little")
    data = file.read(storage.numel() * storage.itemsize)
    if length != storage.numel() or len(data) != storage.numel() * storage.itemsize:
        raise UnsafeFileError("a storage is missing or has the wrong length")
    storage.view(torch.uint8).copy_(torch.from_numpy(np.frombuffer(data, np.uint8).copy()))


class _LegacyUnpickler(Unpickler):
    """The restricted unpickler; storages are made empty and filled when their bytes come."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self.storages: dict[str, Tensor] = {}
        self.room = len(file.getvalue())  # bytes: storages cannot be larger than their file

    def find_class(self, module: str, name: str) -> Any:
        """What stands for the class or function `module.name`."""
        if module in ("torch", "torch.storage") and name in STORAGE_TYPES:
            return StorageType(STORAGE_TYPES[name])
        return BUILDERS.get((module, name)) or super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Tensor:
        """The storage, a flat tensor, that ('storage', type, key, device, elements, None) names."""
        kind, storage_type, key, _, elements, view = pid
        if kind != "storage" or not isinstance(storage_type, StorageType) or view is not None:
            raise UnsafeFileError("refers to something that is no storage")
        if key not in self.storages:
            if not isinstance(elements, int) or not 0 <= elements <= self.room:
                raise UnsafeFileError("a storage is larger than the file")
            self.room -= elements * storage_type.dtype.itemsize
            self.storages[key] = torch.zeros(elements, dtype=storage_type.dtype)
        return self.storages[key]
