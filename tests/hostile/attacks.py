"""Ways to damage a file, and files that were made to harm."""

import io
import json
import os
import pickle
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from tests.hostile.readers import Reader

Attack = Callable[[Path, random.Random], None]  # changes a file in place
BOMB = 2 * 2**30  # bytes that a bomb unpacks to


class Harm:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def _bytes(change: Callable[[bytes, random.Random], bytes]) -> Attack:
    def attack(path: Path, draw: random.Random) -> None:
        path.write_bytes(change(path.read_bytes(), draw))

    return attack


def _flip(share: float) -> Attack:
    def change(data: bytes, draw: random.Random) -> bytes:
        out = bytearray(data)
        for _ in range(max(1, round(share * len(out)))):
            out[draw.randrange(len(out))] ^= 1 << draw.randrange(8)
        return bytes(out)

    return _bytes(change)


def _large_numbers(data: bytes, draw: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(3):
        place = draw.randrange(max(1, len(out) - 8))
        out[place : place + 4] = draw.choice([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x7f"])
    return bytes(out)


def _repeat_a_piece(data: bytes, draw: random.Random) -> bytes:
    a, b = sorted(draw.randrange(len(data)) for _ in range(2))
    return data[:b] + data[a:b] * 3 + data[b:]


def _drop_a_piece(data: bytes, draw: random.Random) -> bytes:
    a, b = sorted(draw.randrange(len(data)) for _ in range(2))
    return data[:a] + data[b:]


def _another_number(data: bytes, draw: random.Random) -> bytes:
    """Some number of a text becomes one that nobody expects."""
    text = data.decode("utf-8", "replace")
    digits = [k for k, c in enumerate(text) if c.isdigit()]
    if not digits:
        return data
    place = draw.choice(digits)
    odd = ["NaN", "1e999", "-1", "9" * 400, '"x"', "null", "[]", "{}", "1e400", "0x10", "1_0"]
    return (text[:place] + draw.choice(odd) + text[place + 1 :]).encode()


def _another_value(data: bytes, draw: random.Random) -> bytes:
    """A value somewhere in a JSON file becomes one of another kind."""
    try:
        tree = json.loads(data)
    except ValueError:
        return b"null"
    places = list(_places(tree))
    odd = [None, [], {}, "x", -1, 1e308, float("nan"), [[[]]], "<script>alert(1)</script>", True]
    if not places:
        return json.dumps(draw.choice(odd)).encode()
    holder, key = draw.choice(places)
    if draw.random() < 0.25:
        del holder[key]
    else:
        holder[key] = draw.choice(odd)
    return json.dumps(tree).encode()


def _places(tree: object) -> Iterator[tuple]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)  # type: ignore[arg-type]
    for key, value in list(items):
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


GENERAL: dict[str, Attack] = {
    "empty": _bytes(lambda data, draw: b""),
    "one byte": _bytes(lambda data, draw: data[:1]),
    "cut to a tenth": _bytes(lambda data, draw: data[: len(data) // 10]),
    "cut in half": _bytes(lambda data, draw: data[: len(data) // 2]),
    "the last bytes missing": _bytes(lambda data, draw: data[:-7]),
    "zeros": _bytes(lambda data, draw: bytes(len(data))),
    "noise": _bytes(lambda data, draw: draw.randbytes(len(data))),
    "noise after its first bytes": _bytes(lambda data, draw: data[:16] + draw.randbytes(4000)),
    "one bit": _flip(0),
    "one bit in a thousand": _flip(0.001),
    "one bit in fifty": _flip(0.02),
    "large numbers": _bytes(_large_numbers),
    "a piece three times": _bytes(_repeat_a_piece),
    "a piece missing": _bytes(_drop_a_piece),
    "noise behind": _bytes(lambda data, draw: data + draw.randbytes(10_000)),
    "a page of the web": _bytes(lambda data, draw: b"<!doctype html><title>404</title>" * 20),
}
TEXT: dict[str, Attack] = {
    "another number": _bytes(_another_number),
    "another value": _bytes(_another_value),
    "nested 100,000 deep": _bytes(lambda data, draw: b"[" * 100_000),
    "nested objects": _bytes(lambda data, draw: b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "UTF-16": _bytes(lambda data, draw: data.decode("utf-8", "replace").encode("utf-16")),
    "null bytes": _bytes(lambda data, draw: data.replace(b"a", b"\0")),
    "one line of 60 MB": _bytes(lambda data, draw: data + b"a" * 60_000_000),
    "200,000 columns": _bytes(lambda data, draw: b"a," * 200_000 + b"\n" + data),
    "Python's tags": _bytes(lambda data, draw: b"!!python/object/apply:os.system ['touch ran']"),
    "aliases of aliases": _bytes(lambda data, draw: _aliases()),
}


def _aliases() -> bytes:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi"):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines).encode()


def _missing(path: Path, draw: random.Random) -> None:
    path.unlink()


def _folder(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()


PLACES: dict[str, Attack] = {"no such file": _missing, "a folder instead": _folder}


def attacks_on(reader: Reader, path: Path, marker: Path) -> dict[str, Attack]:
    """All attacks on a reader's file, by what they do."""
    found = GENERAL | (TEXT if reader.text else {}) | ({} if path.suffix == ".bin" else PLACES)
    return found | _made(path.suffix, marker)


def _made(suffix: str, marker: Path) -> dict[str, Attack]:
    """Files of a kind that were made to harm."""
    harm = pickle.dumps(Harm(marker), protocol=2)
    nested = b"\x80\x02" + b"(" * 5000 + b"t" * 5000 + b"."

    def content(data: bytes) -> Attack:
        return _bytes(lambda *_: data)

    if suffix in (".pkl", ".npy", ".ckpt", ".npz", ".frame"):
        kinds = {"runs a command": content(harm), "nested tuples": content(nested)}
    else:
        kinds = {}
    if suffix == ".npy":
        kinds["an array of 8 TB"] = content(_npy_header("<f8", (10**12,)))
        kinds["objects that run a command"] = content(_npy_header("|O", (1,)) + harm)
        kinds["an array of negative size"] = content(_npy_header("<f8", (-1, 5)))
    if suffix == ".npz":
        kinds["a bomb of 2 GB"] = _zip_bomb
        kinds["objects that run a command"] = lambda path, draw: np.savez(
            path.with_suffix(""), pose=np.array([Harm(marker)], dtype=object)
        )
    if suffix == ".mat":
        kinds["a bomb of 2 GB"] = _mat_bomb
    if suffix == ".h5":
        kinds["a bomb of 2 GB"] = _h5_bomb
    if suffix in (".st", ".safetensors"):
        kinds["a header of 2^60 bytes"] = content(struct.pack("<Q", 2**60) + b"{}")
        kinds["a tensor beyond the end"] = content(_safetensors((0, 2**40)))
        kinds["a tensor that ends before it begins"] = content(_safetensors((100, 4)))
        kinds["a header that is nested"] = content(struct.pack("<Q", 80_000) + b"[" * 80_000)
    if suffix == ".png":
        kinds["60,000 pixels wide and high"] = _bytes(lambda *_: _png(60_000))
        kinds["a text that inflates to 2 GB"] = _bytes(lambda *_: _png(8, text=True))
    if suffix == ".ply":
        kinds["10^15 points"] = _bytes(
            lambda data, draw: data.replace(b"vertex 30", b"vertex 1000000000000000")
        )
        kinds["a header without end"] = content(b"ply\n" + b"comment x\n" * 200_000)
    if suffix == ".wav":
        kinds["a length of 4 GB"] = _bytes(lambda data, draw: data[:40] + b"\xff" * 4 + data[44:])
    return kinds


def _npy_header(kind: str, shape: tuple) -> bytes:
    text = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (64 - (len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _zip_bomb(path: Path, draw: random.Random) -> None:
    """Every array that readers ask for is 2 GB of zeros in 2 MB."""
    path.write_bytes(_zip())


@lru_cache(maxsize=1)
def _zip() -> bytes:
    out, header, zeros = io.BytesIO(), _npy_header("<f4", (BOMB // 4,)), bytes(2**24)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("pose", "expr", "beta", "extrinsic"):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(header)
                for _ in range(BOMB // len(zeros)):
                    file.write(zeros)
    return out.getvalue()


def _mat_bomb(path: Path, draw: random.Random) -> None:
    """MATLAB's file whose one variable is 2 GB of zeros."""
    data = _deflated(struct.pack("<IIIIII", 14, 0x7FFFFFFF, 6, 8, 6, 0))
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    path.write_bytes(header + struct.pack("<II", 15, len(data)) + data)


@lru_cache(maxsize=2)
def _deflated(start: bytes) -> bytes:
    """A few bytes and 2 GB of zeros, deflated."""
    pack = zlib.compressobj(1)
    zeros = bytes(2**24)
    parts = [pack.compress(start)]
    parts += [pack.compress(zeros) for _ in range(BOMB // len(zeros))]
    return b"".join([*parts, pack.flush()])


def _h5_bomb(path: Path, draw: random.Random) -> None:
    import h5py

    with h5py.File(path, "a") as file:
        name = "shape/model/pcaBasis"
        del file[name]
        shape = (BOMB // 4 // 100, 100)
        file.create_dataset(name, shape, "f4", compression="gzip", chunks=(10_000, 100))


def _safetensors(where: tuple[int, int]) -> bytes:
    header = {"xyz": {"dtype": "F32", "shape": [1], "data_offsets": list(where)}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(200)


@lru_cache(maxsize=2)
def _png(size: int, text: bool = False) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    out = io.BytesIO(b"")
    out.write(b"\x89PNG\r\n\x1a\n")
    out.write(chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)))
    if text:
        out.write(chunk(b"zTXt", b"a\0\0" + _deflated(b"")))
    rows = b"".join(b"\0" + bytes(3 * size) for _ in range(min(size, 8)))
    out.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return out.getvalue()
