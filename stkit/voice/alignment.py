"""When each phone of a known sentence is spoken, by pocketsphinx (`pip install pocketsphinx`)."""

import numpy as np
from torch import Tensor

from stkit.errors import RequestError
from stkit.voice.phones import Phone, known
from stkit.voice.sound import RATE

FRAMES_A_SECOND = 100  # of pocketsphinx


def aligned(sound: Tensor, text: str) -> list[Phone]:
    """The phones of a sound (N,) of 16 kHz in which `text` is spoken.

    Raises RequestError where pocketsphinx is missing, does not know a word, or hears other words.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError as e:
        raise RequestError("phones are aligned by pocketsphinx: pip install pocketsphinx") from e
    words = "".join(c if c.isalpha() or c == "'" else " " for c in text.lower())
    samples = (sound.numpy() * (2**15 - 1)).astype(np.int16).tobytes()
    wide = {
        "beam": 1e-100,
        "pbeam": 1e-100,
        "wbeam": 1e-80,
    }  # the words are known: none is given up
    decoder = Decoder(samprate=float(RATE), bestpath=False, loglevel="FATAL", **wide)
    try:
        decoder.set_align_text(" ".join(words.split()))
        _decode(decoder, samples)
        decoder.set_alignment()
        _decode(decoder, samples)
        alignment = decoder.get_alignment()
    except RuntimeError as e:
        raise RequestError(f"{text!r}: pocketsphinx does not hear these words ({e})") from e
    phones = []
    for entry in alignment.phones():
        start = entry.start / FRAMES_A_SECOND
        name = known("sil" if entry.name in ("SIL", "+NSN+", "+SPN+") else entry.name)
        phones.append(Phone(name, start, start + entry.duration / FRAMES_A_SECOND))
    return phones


def _decode(decoder, samples: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()
