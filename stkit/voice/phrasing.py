"""An emotion in words, as Style2Talker annotates its data: action units and their strength become
phrases, phrases sentences, and of several sentences the best are kept.

The release lets GPT-3 write; a small grammar does it here.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stkit.voice.emotions import EMOTIONS, LEVELS, UNITS

MIDDLE, HIGH = 0.35, 0.65  # from these amounts on a unit is 'middle', 'high'
SHOWN = 0.15  # a weaker unit is not spoken of
_GRAMMAR = json.loads((Path(__file__).parent / "phrasing.json").read_text(encoding="utf-8"))
STRENGTHS: list[list[str]] = _GRAMMAR["strengths"]  # adjectives of weak, middle and strong units
# synonyms by emotion and level; the last of each list is held out of training
WORDS: dict[str, list[list[str]]] = _GRAMMAR["words"]
ABOUT_EMOTION: list[str] = _GRAMMAR["about_emotion"]
WITH_UNITS: list[str] = _GRAMMAR["with_units"]
HELD_OUT_TEMPLATES: list[str] = _GRAMMAR["held_out"]
WHO: list[str] = _GRAMMAR["who"]


@dataclass(frozen=True)
class Feeling:
    """One of MEAD's emotions at level 1, 2 or 3."""

    name: str
    level: int

    @property
    def units(self) -> dict[int, float]:
        """Amounts of action units."""
        share = LEVELS[self.level - 1]
        return {unit: share * x for unit, x in EMOTIONS[self.name].units.items()}


def words_of_units(units: dict[int, float], rng: random.Random) -> str:
    """Phrases for the units that show, such as 'a strong smile and a slight cheek raise'."""
    phrases = []
    for unit, amount in units.items():
        if amount > SHOWN:
            strength = rng.choice(STRENGTHS[(amount > MIDDLE) + (amount > HIGH)])
            article = "an" if strength[0] in "aeiou" else "a"
            phrases.append(f"{article} {strength} {UNITS[unit][0]}")
    rng.shuffle(phrases)
    kept = phrases[:3]
    if not kept:
        return "a relaxed face"
    return kept[0] if len(kept) == 1 else ", ".join(kept[:-1]) + " and " + kept[-1]


def sentence(
    feeling: Feeling,
    rng: random.Random,
    held_out: bool = False,
    units: dict[int, float] | None = None,
) -> str:
    """A sentence about a feeling. held_out: of templates and synonyms that training never has;
    units: what shows in the face (default: what belongs to the feeling).
    """
    synonyms = WORDS[feeling.name][feeling.level - 1]
    word = synonyms[-1] if held_out else rng.choice(synonyms[:-1])
    taught = ABOUT_EMOTION if rng.random() < 0.5 else WITH_UNITS
    template = rng.choice(HELD_OUT_TEMPLATES if held_out else taught)
    shown = words_of_units(feeling.units if units is None else units, rng)
    return template.format(who=rng.choice(WHO), word=word, units=shown)


def best_sentences(
    feeling: Feeling,
    units: dict[int, float],
    rng: random.Random,
    count: int = 5,
    rank: Callable[[list[str]], list[float]] | None = None,
) -> list[str]:
    """The best of some sentences about a feeling and the units that show: by `rank`, or those that
    name most of the units.
    """
    drawn = list(dict.fromkeys(sentence(feeling, rng, units=units) for _ in range(8 * count)))
    named = [UNITS[unit][0] for unit, amount in units.items() if amount > SHOWN]
    scores = rank(drawn) if rank else [float(sum(n in text for n in named)) for text in drawn]
    order = sorted(range(len(drawn)), key=lambda k: -scores[k])
    return [drawn[k] for k in order[:count]]


def taught_sentences() -> list[str]:
    """Sentences with every word of the training, for a vocabulary."""
    rng = random.Random(0)
    feelings = [Feeling(name, level) for name in EMOTIONS for level in (1, 2, 3)]
    return [sentence(feeling, rng) for feeling in feelings for _ in range(400)]
