"""How much a file may ask for: compressed files can stand for a million times their own size.

Readers ask here before they unpack anything. A file may unpack to 256 MB, or to 20 times its own
size if that is more: real captures, face models and pictures stay far below either.
"""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stkit.io.untrusted import UnsafeFileError

ALWAYS = 256 * 2**20  # bytes that any file may unpack to
RATIO = 20  # times its own size that a larger file may
TEXT = 50 * 2**20  # bytes of a text file that are read
MAT_HEADER, MAT_TAG = 128, 8  # bytes, of MATLAB's files of version 5
MAT_COMPRESSED = 15  # the type of an element that holds another one, deflated
PIECE = 2**20  # bytes that are inflated at a time


def allowance(path: Path) -> int:
    """Bytes that the content of a file may take."""
    return max(ALWAYS, RATIO * path.stat().st_size)


def refuse_above(path: Path, size: int) -> None:
    """Raise UnsafeFileError where the content is larger than the file may be."""
    if size > allowance(path):
        shown, most = size / 2**20, allowance(path) / 2**20
        raise UnsafeFileError(f"unpacks to {shown:,.0f} MB, more than the {most:,.0f} it may")


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file; no pickles. Raises what numpy raises, and UnsafeFileError for
    one that unpacks to too much.
    """
    with zipfile.ZipFile(path) as archive:
        refuse_above(path, sum(entry.file_size for entry in archive.infolist()))
    with np.load(path, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def read_mat(path: Path) -> Mapping[str, Any]:
    """All variables of a MATLAB file. Raises what scipy raises, and UnsafeFileError for one that
    unpacks to too much.
    """
    import scipy.io

    refuse_above(path, _mat_size(path))
    return scipy.io.loadmat(path)


def _mat_size(path: Path) -> int:
    """Bytes that the compressed elements of a file unpack to, counted without keeping them."""
    total, most = 0, allowance(path)
    data = np.memmap(path, np.uint8, mode="r")
    order: Literal["big", "little"] = "big" if data[126:128].tobytes() == b"MI" else "little"
    place = MAT_HEADER
    while place + MAT_TAG <= len(data) and total <= most:
        kind = int.from_bytes(data[place : place + 4].tobytes(), order)
        size = int.from_bytes(data[place + 4 : place + MAT_TAG].tobytes(), order)
        place += MAT_TAG
        if kind == MAT_COMPRESSED:
            total += _inflated(data[place : place + size].tobytes(), most - total)
        place += size
    return total


def _inflated(packed: bytes, most: int) -> int:
    """Bytes that a deflated element unpacks to; no more than a little above `most` are counted."""
    stream, total = zlib.decompressobj(), 0
    while packed and total <= most:
        total += len(stream.decompress(packed, PIECE))
        packed = stream.unconsumed_tail
    return total


def read_text(path: Path) -> str:
    """A text file in UTF-8. Raises UnsafeFileError for one that is too long."""
    if path.stat().st_size > TEXT:
        raise UnsafeFileError(f"is text of more than {TEXT / 2**20:.0f} MB")
    return path.read_text(encoding="utf-8-sig")
