"""When each phone of a known sentence is spoken, by pocketsphinx (`pip install pocketsphinx`)."""

from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from stkit.errors import RequestError
from stkit.voice.phones import Phone, known
from stkit.voice.sound import RATE

FRAMES_A_SECOND = 100  # of pocketsphinx
WIDE = {"beam": 1e-100, "pbeam": 1e-100, "wbeam": 1e-80}  # words are known: none is given up


@lru_cache(maxsize=2)
def decoder(**options: Any) -> Any:
    """A decoder of pocketsphinx with its own English. Raises RequestError where it is missing."""
    try:
        from pocketsphinx import Decoder
    except ImportError as e:
        raise RequestError("phones are aligned by pocketsphinx: pip install pocketsphinx") from e
    return Decoder(samprate=float(RATE), loglevel="FATAL", **options)


def aligned(sound: Tensor, text: str) -> list[Phone]:
    """The phones of a sound (N,) of 16 kHz in which `text` is spoken.

    Raises RequestError where pocketsphinx is missing, does not know a word, or hears other words.
    """
    words = "".join(c if c.isalpha() or c == "'" else " " for c in text.lower())
    samples = (sound.numpy() * (2**15 - 1)).astype(np.int16).tobytes()
    aligner = decoder(bestpath=False, **WIDE)
    try:
        aligner.set_align_text(" ".join(words.split()))
        _decode(aligner, samples)
        aligner.set_alignment()
        _decode(aligner, samples)
        alignment = aligner.get_alignment()
    except RuntimeError as e:
        raise RequestError(f"{text!r}: pocketsphinx does not hear these words ({e})") from e
    phones = []
    for entry in alignment.phones():
        start = entry.start / FRAMES_A_SECOND
        name = known("sil" if entry.name in ("SIL", "+NSN+", "+SPN+") else entry.name)
        phones.append(Phone(name, start, start + entry.duration / FRAMES_A_SECOND))
    return phones


def _decode(listener: Any, samples: bytes) -> None:
    listener.start_utt()
    listener.process_raw(samples, full_utt=True)
    listener.end_utt()
