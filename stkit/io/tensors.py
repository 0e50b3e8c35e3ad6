"""Tensors and JSON on disk: safetensors with a header, written whole or not at all; reading them
runs no code.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from stkit.errors import RequestError

Built = TypeVar("Built")
TENSOR, PAIRS = (
    "tensor",
    "pairs",
)  # marks in a tree's JSON: a tensor's name, a dict whose keys are no strings


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let write(temporary) make a file, bring it to the disk, and only then give it its name.
    Processes that write the same file at the same time do not disturb each other: the last wins.
    """
    if not path.name or path.is_dir():
        raise RequestError(f"{str(path)!r}: give the name of a file")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as f:
            os.fsync(f.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8, whole or not at all."""

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    replace_file(Path(path), write)


def write_json(path: Path, value: object) -> None:
    """A JSON file, whole or not at all."""
    write_text(path, json.dumps(value, indent=1))


def read_json(path: Path) -> dict:
    """A JSON file's object, or {} where there is none or it is no object."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], meta: dict) -> None:
    """Write safetensors with a JSON header entry, whole or not at all."""
    plain = {name: x.detach().cpu().clone().contiguous() for name, x in tensors.items()}
    header = {"stkit": json.dumps(meta)}
    replace_file(Path(path), lambda part: save_file(plain, part, header))


def load_tensors(path: Path, kind: str) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and header of a file of ours, on the CPU. Raises ValueError naming the file when it
    is not a `kind`.
    """
    try:
        with safe_open(path, "pt") as f:
            meta = json.loads((f.metadata() or {}).get("stkit", "{}"))
            tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RecursionError) as e:
        raise RequestError(
            f"{path}: cannot be read as safetensors ({e}); delete its folder, run the stage again"
        ) from e
    if kind not in meta:
        raise RequestError(
            f"{path}: holds {sorted(meta) or 'no stkit data'}, not a {kind}; "
            "was a file copied between stages?"
        )
    return tensors, meta


def rebuilt(path: Path, build: Callable[[], Built]) -> Built:
    """What `build()` makes of a file's tensors. Raises RequestError naming the file where they do
    not fit together.
    """
    try:
        return build()
    except (RuntimeError, KeyError, TypeError, AttributeError, IndexError) as e:
        raise RequestError(
            f"{path}: its parts do not fit together ({str(e).splitlines()[0]}); delete its folder, "
            "run the stage again"
        ) from e


def save_tree(path: Path, tree: object) -> None:
    """Write nested dicts, lists, numbers, strings and tensors as one safetensors file."""
    tensors: dict[str, torch.Tensor] = {}
    encoded = _encode(tree, tensors)
    save_tensors(path, tensors, {"tree": encoded})


def load_tree(path: Path) -> Any:
    """Read what `save_tree` wrote; tuples come back as lists. ValueError naming the file when it is
    damaged.
    """
    tensors, meta = load_tensors(path, "tree")
    try:
        return _decode(meta["tree"], tensors)
    except (KeyError, TypeError, ValueError, RecursionError) as e:
        raise RequestError(f"{path}: is damaged ({e!r})") from e


def _encode(value: object, tensors: dict[str, torch.Tensor]) -> object:
    """The tree as JSON; each tensor goes into `tensors` and leaves its name."""
    if isinstance(value, torch.Tensor):
        name = f"t{len(tensors)}"
        tensors[name] = value
        return {TENSOR: name}
    if isinstance(value, dict):
        return {PAIRS: [[key, _encode(x, tensors)] for key, x in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_encode(x, tensors) for x in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be saved in a tree")


def _decode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        if TENSOR in value:
            return tensors[value[TENSOR]]
        return {key: _decode(x, tensors) for key, x in value[PAIRS]}
    if isinstance(value, list):
        return [_decode(x, tensors) for x in value]
    return value
