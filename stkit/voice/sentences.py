"""Sentences of a small grammar of our own, whose words hold every phone of English many times."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

_GRAMMAR = json.loads((Path(__file__).parent / "sentences.json").read_text(encoding="utf-8"))
SLOTS: dict[str, list[str]] = _GRAMMAR["slots"]
TAUGHT: list[str] = _GRAMMAR["taught"]
HELD_OUT: list[str] = _GRAMMAR["held_out"]  # templates that no training had


@dataclass(frozen=True)
class Sentences:
    """Draws sentences by a seed; held_out: of templates that no training had."""

    seed: int
    held_out: bool = False

    def draw(self, count: int) -> list[str]:
        """`count` sentences."""
        rng = random.Random(repr((self.seed, self.held_out)))
        templates = HELD_OUT if self.held_out else TAUGHT
        return [_filled(rng.choice(templates), rng) for _ in range(count)]


def _filled(template: str, rng: random.Random) -> str:
    """A template whose gaps are filled; it begins with a capital letter."""
    text = template
    for slot, words in SLOTS.items():
        while "{" + slot + "}" in text:
            text = text.replace("{" + slot + "}", rng.choice(words), 1)
    return text[0].upper() + text[1:]
