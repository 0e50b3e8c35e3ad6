"""Twenty spoken sentences that ship, for lessons and tests: no synthesiser is needed.

`python -m stkit.voice.examples` made them, with espeak-ng and flite. The last six have sentences or
voices that no training had.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from torch import Tensor

from stkit.io.tensors import write_json
from stkit.voice.corpus import (
    FLITE,
    HELD_OUT_FLITE,
    HELD_OUT_VARIANTS,
    VARIANTS,
    espeak_voices,
    flite_voices,
)
from stkit.voice.phones import Phone
from stkit.voice.sound import RATE, read_sound
from stkit.voice.speakers import Utterance

FOLDER = Path(__file__).parent / "speech"
SEED = 400
LONGEST = 3.5  # seconds
TAUGHT = 14


@lru_cache(maxsize=1)
def example_speech() -> list[Utterance]:
    """The twenty utterances; the first 14 are for learning."""
    entries = json.loads((FOLDER / "speech.json").read_text(encoding="utf-8"))
    return [
        Utterance(
            entry["text"],
            entry["speaker"],
            read_sound(FOLDER / entry["file"]),
            [Phone(**phone) for phone in entry["phones"]],
        )
        for entry in entries
    ]


def _short(utterances: Iterator[Utterance], count: int) -> list[Utterance]:
    fitting = (u for u in utterances if 1.4 < len(u.sound) / RATE < LONGEST)
    return list(itertools.islice(fitting, count))


def chosen() -> list[Utterance]:
    """Twenty utterances, made anew."""
    taught = _short(espeak_voices(VARIANTS, SEED, held_out=False), 10)
    taught += _short(flite_voices(FLITE, SEED, held_out=False), TAUGHT - len(taught))
    asked = _short(espeak_voices(VARIANTS, SEED + 1, held_out=True), 2)
    asked += _short(espeak_voices(HELD_OUT_VARIANTS, SEED + 2, held_out=True), 2)
    return taught + asked + _short(flite_voices(HELD_OUT_FLITE, SEED + 3, held_out=True), 2)


def write_flac(sound: Tensor, file: Path) -> None:
    """A sound (N,) of 16 kHz without loss beyond 16 bits."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono")
        samples = (sound.clamp(-1, 1).numpy()[None] * (2**15 - 1)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        for piece in (frame, None):
            container.mux(stream.encode(piece))


def main() -> None:
    """Write the sounds, and what is said in them."""
    FOLDER.mkdir(exist_ok=True)
    entries = []
    for k, utterance in enumerate(chosen()):
        file = f"{k:02}.flac"
        write_flac(utterance.sound, FOLDER / file)
        phones = [asdict(phone) for phone in utterance.phones]
        about = {"text": utterance.text, "speaker": utterance.speaker, "phones": phones}
        entries.append({"file": file} | about)
    write_json(FOLDER / "speech.json", entries)


if __name__ == "__main__":
    main()
