"""What loading a diffusers pipeline needs: device, precision, and an error that says what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError

from stkit.errors import MissingFileError

T = TypeVar("T")


def choose_device(name: str) -> str:
    """'auto' is 'cuda' where torch sees a GPU, else 'cpu'; any other name is taken as it is."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def choose_dtype(device: str) -> torch.dtype:
    """Half precision on a GPU, single precision elsewhere."""
    return torch.float16 if torch.device(device).type == "cuda" else torch.float32


def load_or_explain(load: Callable[[], T], what: str, model: str, remedy: str) -> T:
    """What load() gives.

    Raises FileNotFoundError with the cause and the remedy if folder or hub id is no good.

    `what`: which weights, for the message; `model`: their folder or hub id.
    """
    try:
        return load()
    except (OSError, ValueError, SafetensorError) as error:
        where = "no such folder here, and the model hub did not answer"
        if Path(model).is_dir():
            where = "the folder is incomplete"
        cause = str(error).splitlines()[0]
        raise MissingFileError(
            f"{what} weights '{model}' could not be loaded: {where} ({cause}). {remedy}"
        ) from error
