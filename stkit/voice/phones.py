"""Phones: the sounds of English, by ARPAbet's names, and when each is spoken."""

import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path

SILENCE = "sil"
_TABLES = json.loads((Path(__file__).parent / "phones.json").read_text(encoding="utf-8"))
VOWELS = frozenset(_TABLES["vowels"].split())
CONSONANTS = frozenset(_TABLES["consonants"].split())
CLOSING = frozenset("pbm")  # lips meet
# what the dictionary of a synthesiser or of an aligner calls by another name
ALIASES: dict[str, str] = _TABLES["aliases"]
# IPA, as espeak-ng writes English, by the phones that it stands for; the longest match counts
IPA = {letters: tuple(names.split()) for letters, names in _TABLES["ipa"].items()}
MARKS = "ˈˌːˑʲ:;'`?*%-_"  # stress, length, softness: they do not change the phone


@dataclass(frozen=True)
class Phone:
    """A phone from `start` to `end`, seconds. stressed: of a vowel that carries the stress."""

    name: str
    start: float
    end: float
    stressed: bool = False

    @property
    def middle(self) -> float:
        """Seconds."""
        return (self.start + self.end) / 2


def known(name: str) -> str:
    """A phone's name as the kit knows it: without stress digits, in small letters."""
    plain = name.lower().rstrip("012")
    plain = ALIASES.get(plain, plain)
    if plain not in VOWELS | CONSONANTS | {SILENCE}:
        raise ValueError(f"{name!r} is no phone of ARPAbet")
    return plain


def phones_of_ipa(text: str) -> tuple[str, ...]:
    """The phones of IPA letters; () where nothing is spoken. Raises ValueError for others."""
    left = "".join(c for c in text if c not in MARKS and not unicodedata.combining(c)).strip()
    found: tuple[str, ...] = ()
    while left:
        size = next((n for n in (3, 2, 1) if left[:n] in IPA), 0)
        if not size:
            raise ValueError(f"{text!r}: no phone is known for {left!r}")
        found, left = found + IPA[left[:size]], left[size:]
    return found


def spread_over(names: tuple[str, ...], start: float, end: float, stressed: bool) -> list[Phone]:
    """Phones one after another, each with the same share of the time."""
    step = (end - start) / max(len(names), 1)
    return [
        Phone(name, start + k * step, start + (k + 1) * step, stressed and name in VOWELS)
        for k, name in enumerate(names)
    ]
