"""Tensors and JSON on disk: safetensors with a header, written whole or not at all."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], meta: dict) -> None:
    """Write safetensors with a JSON header entry, under a temporary name first."""
    temporary = Path(path).with_suffix(".tmp")
    save_file(
        {k: v.detach().contiguous().cpu() for k, v in tensors.items()},
        temporary,
        {"stkit": json.dumps(meta)},
    )
    temporary.replace(path)


def load_tensors(path: Path, kind: str) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and header of a file of ours. Raises ValueError naming the file when it is not a `kind`."""
    try:
        with safe_open(path, "pt") as f:
            meta = json.loads((f.metadata() or {}).get("stkit", "{}"))
            tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, json.JSONDecodeError) as e:
        raise ValueError(
            f"{path}: cannot be read as safetensors ({e}); delete its stage folder and run the stage again"
        ) from e
    if kind not in meta:
        raise ValueError(
            f"{path}: holds {sorted(meta) or 'no stkit data'}, not a {kind}; was a file copied between stages?"
        )
    return tensors, meta


def read_json(path: Path) -> dict:
    """A JSON file's object, or {} where there is none."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, json.JSONDecodeError):
        return {}
