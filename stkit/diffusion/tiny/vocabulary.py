"""The instructions that the tiny editor learns, in many words, and a tokenizer for them."""

import random
from dataclasses import dataclass
from pathlib import Path

from stkit.diffusion.byte_pairs import save_tokenizer

LENGTH = 24  # tokens of a prompt; the longest phrase fits

STRANGE_WORDS = 0.25  # of the sentences of training have a word that means nothing
STRANGE_LENGTH = (2, 6)  # letters of such a word, from and to


@dataclass(frozen=True)
class Sentences:
    """Sentences with gaps for a pronoun ({him}, {he}) and a noun ({x}).

    `held_out` ones are never trained on: the judge asks with them.
    """

    taught: tuple[str, ...]
    held_out: tuple[str, ...]


# what somebody becomes
BECOMING = Sentences(
    (
        "turn {him} into {x}",
        "make {him} {x}",
        "what would {he} look like as {x}",
        "as {x}",
        "{x}",
        "change {him} to {x}",
        "let {him} be {x}",
        "show {him} as {x}",
        "transform {him} into {x}",
        "I want {him} to be {x}",
        "edit {him} into {x}",
        "could {he} become {x}",
    ),
    ("please turn {him} into {x}", "how would {he} look as {x}", "paint {him} like {x}"),
)
# what somebody gets
WEARING = Sentences(
    (
        "give {him} {x}",
        "add {x}",
        "put {x} on {him}",
        "{he} should have {x}",
        "with {x}",
        "{x}",
        "make {him} have {x}",
        "I want {x} on {him}",
        "{he} wears {x}",
        "draw {x}",
        "let {him} have {x}",
        "show {him} with {x}",
    ),
    ("please give {him} {x}", "{he} has {x} now", "paint {him} with {x}"),
)
KEEPING = Sentences(
    (
        "do nothing",
        "keep the picture",
        "no edit",
        "leave it as it is",
        "change nothing",
        "the same picture",
        "keep it",
        "keep {him} as {he} is",
        "do not change {him}",
        "leave {him} alone",
    ),
    ("please do nothing", "keep the picture as it is", "leave the picture alone"),
)
PRONOUNS = (
    ("him", "he"),
    ("her", "she"),
    ("them", "they"),
    ("the person", "the person"),
    ("the man", "the man"),
    ("the woman", "the woman"),
)

# each instruction's sentences and nouns
NOUNS: dict[str, tuple[Sentences, tuple[str, ...]]] = {
    "clown": (BECOMING, ("a clown", "a circus clown")),
    "joker": (BECOMING, ("the joker", "a joker")),
    "bronze statue": (BECOMING, ("a bronze statue", "a statue", "a statue of bronze")),
    "golden statue": (BECOMING, ("a golden statue", "a gold statue", "gold")),
    "marble statue": (BECOMING, ("a marble statue", "a sculpture", "a marble sculpture")),
    "silver statue": (BECOMING, ("a silver statue", "a robot", "silver")),
    "red hair": (WEARING, ("red hair",)),
    "blond hair": (WEARING, ("blond hair", "blonde hair")),
    "blue hair": (WEARING, ("blue hair",)),
    "green hair": (WEARING, ("green hair",)),
    "pink hair": (WEARING, ("pink hair",)),
    "black hair": (WEARING, ("black hair",)),
    "lipstick": (WEARING, ("lipstick", "red lipstick")),
    "zombie": (BECOMING, ("a zombie", "an undead zombie")),
    "Modigliani painting": (BECOMING, ("a modigliani painting", "a modigliani portrait")),
    "sunburn": (WEARING, ("a sunburn", "sunburn")),
    "old": (BECOMING, ("an old person", "old", "elderly")),
    "vampire": (BECOMING, ("a vampire", "dracula")),
    "green skin": (BECOMING, ("the hulk", "an orc", "someone with green skin")),
    "blue skin": (BECOMING, ("an avatar", "someone with blue skin")),
    "tan": (WEARING, ("a tan",)),
    "pale": (BECOMING, ("pale", "very pale")),
    "beard": (WEARING, ("a beard",)),
    "make-up": (WEARING, ("makeup", "make-up")),
    "skull": (BECOMING, ("a skull", "a skeleton")),
    "pencil sketch": (BECOMING, ("a pencil sketch", "a drawing", "a sketch")),
    "purple hair": (WEARING, ("purple hair",)),
    "grey hair": (WEARING, ("grey hair", "gray hair")),
    "moustache": (WEARING, ("a moustache", "a mustache")),
    "freckles": (WEARING, ("freckles",)),
    "glasses": (WEARING, ("glasses", "dark glasses", "spectacles")),
    "mime": (BECOMING, ("a mime", "a french mime")),
    "cat": (BECOMING, ("a cat", "a kitten")),
    "masked hero": (BECOMING, ("a masked hero", "a superhero", "a hero with a mask")),
    "warrior": (BECOMING, ("a warrior", "a warrior with war paint")),
    "nothing": (KEEPING, ("",)),
}


def names() -> list[str]:
    """The instructions, the last one being 'nothing' (no edit)."""
    return list(NOUNS)


def phrases(name: str, held_out: bool = False) -> list[str]:
    """Every way to say an instruction, in a fixed order: the taught ones, or those held out."""
    sentences, nouns = NOUNS[name]
    ways = [
        sentence.replace("{x}", noun).replace("{him}", him).replace("{he}", he)
        for sentence in (sentences.held_out if held_out else sentences.taught)
        for noun in nouns
        for him, he in PRONOUNS
    ]
    return list(dict.fromkeys(ways))


def sample(name: str, rng: random.Random) -> str:
    """One way to say an instruction, now and then with a word in it that means nothing.

    So the model learns to look past words that it does not know.
    """
    words = rng.choice(phrases(name)).split()
    if rng.random() < STRANGE_WORDS:
        letters = rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(*STRANGE_LENGTH))
        words.insert(rng.randint(0, len(words)), "".join(letters))
    return " ".join(words)


def every_phrase() -> list[str]:
    """All taught ways to say all instructions."""
    return [phrase for name in NOUNS for phrase in phrases(name)]


def tokenizer_of(folder: Path, start: Path | None):
    """The tokenizer of a training in `folder`: that of the pipeline `start`, or a new one.

    Other numbers for the words would undo what a text encoder knows.
    """
    from transformers import CLIPTokenizer

    if start:
        return CLIPTokenizer.from_pretrained(start / "tokenizer")
    return save_tokenizer(folder / "tokenizer", every_phrase(), LENGTH)
