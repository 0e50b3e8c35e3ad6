"""A recorded voice beside the made-up ones: the announcements of a telephone exchange.

Debian's package asterisk-core-sounds-en-g722 (`apt install asterisk-core-sounds-en-g722`) holds
half an hour by one speaker, Allison Smith (CC BY-SA 3.0), without their texts. pocketsphinx writes
them down, and what it is not sure of is left out. Nothing of the recordings is part of the kit.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.errors import RequestError
from stkit.voice.alignment import aligned, decoder
from stkit.voice.phones import Phone
from stkit.voice.sound import RATE, SoundError, read_sound
from stkit.voice.speakers import Utterance, resampled

PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
SHORTEST = 1.2  # seconds: single words are heard wrongly too often
LEAST_SURE = 0.05  # pocketsphinx's probability of the words, over an announcement
WORDS_AT_LEAST = 3


def transcribed(sound: Tensor) -> str:
    """What pocketsphinx hears in a sound (N,); "" where it is not sure, or hears few words."""
    samples = (sound.numpy() * (2**15 - 1)).astype(np.int16).tobytes()
    listener = decoder()
    listener.start_utt()
    listener.process_raw(samples, full_utt=True)
    listener.end_utt()
    heard = listener.hyp()
    if heard is None or listener.get_logmath().exp(heard.prob) < LEAST_SURE:
        return ""
    words = heard.hypstr.split()
    return heard.hypstr if len(words) >= WORDS_AT_LEAST else ""


def announcements(folder: Path = PROMPTS) -> list[Utterance]:
    """The announcements whose words are known, with the times of their phones.

    Raises RequestError where the package, or pocketsphinx, is not installed.
    """
    files = sorted(folder.rglob("*.g722"))
    if not files:
        raise RequestError(f"{folder}: no recordings; apt install asterisk-core-sounds-en-g722")
    return [u for u in map(_announcement, files) if u]


def _announcement(file: Path) -> Utterance | None:
    try:
        sound = read_sound(file)
        if len(sound) < SHORTEST * RATE or not (text := transcribed(sound)):
            return None
        return Utterance(text, f"asterisk:{file.stem}", sound, aligned(sound, text))
    except (SoundError, RequestError):  # a tone, silence, or words that do not fit after all
        return None


def with_throat(utterance: Utterance, throat: float) -> Utterance:
    """The same as by a shorter throat (> 1) or a longer one: played faster, so that pitch and
    formants are higher.
    """
    samples = (utterance.sound * (2**15 - 1)).to(torch.int16).numpy()
    sound = resampled(samples, round(RATE * throat))
    phones = [Phone(p.name, p.start / throat, p.end / throat, p.stressed) for p in utterance.phones]
    return Utterance(utterance.text, utterance.speaker, sound, phones)


def recorded_voice(seed: int, throats: tuple[float, float]) -> Iterator[Utterance]:
    """Announcements in a random order again and again, each time by another throat."""
    rng = random.Random(repr((seed, "recorded")))
    known = announcements()
    while True:
        rng.shuffle(known)
        for utterance in known:
            yield with_throat(utterance, rng.uniform(*throats))
