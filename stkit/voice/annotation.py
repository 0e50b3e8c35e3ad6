"""Words for a face that was tracked, as Style2Talker annotates its data.

The release measures action units by OpenFace; here they are read off the expression itself. Its
sentences are written by GPT-3 and ranked by CLIP; here by a small grammar, and by how many of the
units a sentence names, or by any ranking that is handed in.
"""

import csv
import random
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from stkit.errors import RequestError
from stkit.io.limits import read_text
from stkit.io.untrusted import guard
from stkit.voice.emotions import UNITS, face_of
from stkit.voice.phrasing import Feeling, best_sentences

SENTENCES = 5  # that the release keeps for each clip
LEAST = 0.05  # of a unit: less is noise of the tracking
Ranking = Callable[[list[str]], list[float]]


@lru_cache(maxsize=1)
def _faces_of_units() -> np.ndarray:
    """What each unit in full does to the expression (64, U)."""
    return torch.stack([face_of({unit: 1.0}) for unit in UNITS], 1).double().numpy()


def units_of(beta: Tensor) -> dict[int, float]:
    """How strongly each action unit shows in a clip's mean expression, from beta (F, 64) of the
    built-in head: a non-negative least-squares fit.
    """
    amounts, _ = nnls(_faces_of_units(), beta.mean(0).double().numpy())
    return {unit: float(x) for unit, x in zip(UNITS, amounts) if x > LEAST}


def units_of_openface(path: Path) -> dict[int, float]:
    """Mean intensity of each action unit, 0 to 1, in a CSV of OpenFace (columns AU01_r and so on,
    0 to 5). Raises ValueError naming the file.
    """
    rows = guard(path, lambda: list(csv.DictReader(read_text(path).splitlines())))
    columns = {unit: f"AU{unit:02}_r" for unit in UNITS}
    names = {name.strip(): name for name in (rows[0] if rows else {}) if name}
    known = {unit: names[name] for unit, name in columns.items() if name in names}
    if not known:
        raise RequestError(f"{path}: has no column such as AU01_r; is it OpenFace's?")
    found = guard(path, lambda: {unit: _mean(rows, name) for unit, name in known.items()})
    return {unit: x for unit, x in found.items() if x > LEAST}


def _mean(rows: list[dict[str, str]], name: str) -> float:
    """Mean of a column of intensities, 0 to 5, as 0 to 1."""
    return sum(float(row[name]) for row in rows) / len(rows) / 5


def annotate(
    units: dict[int, float], feeling: Feeling, seed: int = 0, rank: Ranking | None = None
) -> list[str]:
    """Five sentences for a clip that shows these action units and whose emotion is known.

    rank(sentences) gives each a score, such as `metrics.learned.clip_agreement` with a frame;
    without it those that name most of the units come first.
    """
    return best_sentences(feeling, units, random.Random(seed), SENTENCES, rank)
