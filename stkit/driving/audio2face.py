"""Audio2Face's JSON: ARKit's actions of every frame, without a head that turns."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.driving.arkit import arkit_name, arkit_names, arkit_of_beta, beta_of_arkit
from stkit.driving.parameters import Tracked, even_times
from stkit.errors import RequestError
from stkit.io.limits import read_text
from stkit.io.tensors import write_json
from stkit.io.untrusted import guard

RATE = 30.0  # frames a second where the file does not say


def read_audio2face(path: Path) -> Tracked:
    """Read facsNames, weightMat (frames x names) and exportFps. ValueError naming the file."""
    actions, rate = guard(path, lambda: _read(path))
    beta = beta_of_arkit(path, actions)
    return Tracked(
        beta,
        rotation=torch.zeros(len(beta), 3),
        times=even_times(len(beta), rate),
        source=str(path),
    )


def _read(path: Path) -> tuple[dict[str, np.ndarray], float]:
    data = json.loads(read_text(path))
    labels = data["facsNames"]
    weights = np.asarray(data["weightMat"], float)
    rate = float(data.get("exportFps", RATE))
    if weights.ndim != 2 or weights.shape[1] != len(labels) or not len(weights):
        raise RequestError(f"weightMat is {weights.shape} for {len(labels)} names")
    if not rate > 0:
        raise RequestError(f"exportFps is {rate:g}")
    actions = {
        arkit_name(label): weights[:, k]
        for k, label in enumerate(labels)
        if arkit_name(label) in arkit_names()
    }
    return actions, rate


def write_audio2face(betas: Tensor, rate: float, path: Path) -> None:
    """Expressions (F, 64) of the built-in head, `rate` frames a second, as Audio2Face's JSON."""
    weights = [list(arkit_of_beta(beta).values()) for beta in betas]
    names = [name[0].upper() + name[1:] for name in arkit_names()]
    record = {
        "exportFps": rate,
        "numPoses": len(names),
        "numFrames": len(weights),
        "facsNames": names,
        "weightMat": weights,
    }
    write_json(Path(path), record)
