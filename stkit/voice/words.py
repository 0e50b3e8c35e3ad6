"""More ways to say a mood: after the training the text encoder learns to look past words that it
does not know.

It has seen each feeling in a few thousand sentences. Now it reads sentences with words that mean
nothing, among others or in the mood's own place, and shall give the code that it gave the plain
sentences. What names the mood then are the action units.
"""

import copy
import random

import torch
from torch import Tensor

from stkit.voice.emotions import EMOTIONS
from stkit.voice.phrasing import WHO, WITH_UNITS, Feeling, sentence, words_of_units

STEPS = 1500
BATCH = 48
RATE = 1e-3
PLAIN = 40  # sentences whose mean code stands for a feeling
STRANGE = 0.5  # of the sentences get a word that means nothing
REPLACED = 0.35  # of the sentences have one in place of the mood's word
DROPPED = 0.15  # of the sentences lose a word
LETTERS = (3, 9)  # of a strange word, from and to


def varied(feeling: Feeling, rng: random.Random) -> str:
    """A sentence about a feeling with words that mean nothing, or one word fewer."""
    if feeling.units and rng.random() < REPLACED:
        template = rng.choice([t for t in WITH_UNITS if "{units}" in t])
        units = words_of_units(feeling.units, rng)
        text = template.format(who=rng.choice(WHO), word=strange_word(rng), units=units)
    else:
        text = sentence(feeling, rng)
    words = text.split()
    for _ in range(3):
        if rng.random() < STRANGE:
            words.insert(rng.randint(0, len(words)), strange_word(rng))
    if len(words) > 6 and rng.random() < DROPPED:
        words.pop(rng.randrange(len(words)))
    return " ".join(words)


def strange_word(rng: random.Random) -> str:
    """A word that means nothing; vowels and consonants take turns."""
    count = rng.randint(*LETTERS)
    parts = ("bcdfghjklmnprstvwz", "aeiou")
    return "".join(rng.choice(parts[k % 2]) for k in range(count))


def widen(text, tokenizer, seed: int, steps: int = STEPS, progress=lambda x, **k: x):
    """A copy of a text encoder that knows more ways to say the moods it knows."""
    rng = random.Random(repr((seed, "words")))
    feelings = [Feeling(name, level) for name in EMOTIONS for level in (1, 2, 3)]
    targets = torch.stack([_plain_code(text, tokenizer, f, rng) for f in feelings])
    wider = copy.deepcopy(text).train()
    optimiser = torch.optim.AdamW(wider.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in progress(range(steps), desc="words"):
        chosen = [rng.randrange(len(feelings)) for _ in range(BATCH)]
        codes = _codes(wider, tokenizer, [varied(feelings[k], rng) for k in chosen])
        loss = (codes - targets[chosen]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return wider.eval()


def _codes(text, tokenizer, sentences: list[str]) -> Tensor:
    """Codes (N, 128) of sentences."""
    options = {"padding": True, "truncation": True, "return_tensors": "pt"}
    return text(**tokenizer([s.lower() for s in sentences], **options)).pooler_output


@torch.no_grad()
def _plain_code(text, tokenizer, feeling: Feeling, rng: random.Random) -> Tensor:
    """The mean code (128,) of plain sentences about a feeling."""
    return _codes(text, tokenizer, [sentence(feeling, rng) for _ in range(PLAIN)]).mean(0)
