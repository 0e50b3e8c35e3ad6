"""The instructions that the tiny editor learns, in many words, and a tokenizer for them."""

import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

LENGTH = 24  # tokens of a prompt; the longest phrase fits
VOCABULARY_SIZE = 2000  # at most
SPECIAL_TOKENS = ("<|startoftext|>", "<|endoftext|>")
END_OF_WORD = "</w>"
LETTERS = [chr(code) for code in range(33, 127)]

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


def save_tokenizer(folder: Path, length: int = LENGTH):
    """Learn a byte-pair vocabulary from all phrases and save it as a CLIPTokenizer; returns it.

    Words that it never saw fall apart into letters, so any sentence can be read, if not understood.
    The same phrases give the same token numbers, so that a training that was stopped can go on.
    """
    from transformers import CLIPTokenizer

    sentences = {p.lower().replace("-", " - ") for name in NOUNS for p in phrases(name)}
    merges = byte_pairs(Counter(word for p in sorted(sentences) for word in p.split()))
    letters = [*LETTERS, *(letter + END_OF_WORD for letter in LETTERS)]
    tokens = [*SPECIAL_TOKENS, *letters, *("".join(pair) for pair in merges)]
    numbered = {token: k for k, token in enumerate(dict.fromkeys(tokens))}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(numbered, ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    tokenizer = CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=length
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def tokenizer_of(folder: Path, start: Path | None):
    """The tokenizer of a training in `folder`: that of the pipeline `start`, or a new one.

    Other numbers for the words would undo what a text encoder knows.
    """
    from transformers import CLIPTokenizer

    if start:
        return CLIPTokenizer.from_pretrained(start / "tokenizer")
    return save_tokenizer(folder / "tokenizer")


def byte_pairs(words: Counter[str]) -> list[tuple[str, str]]:
    """The pairs of pieces that become one, in order (Sennrich et al. 2016): always the most
    frequent one, and of equally frequent ones the last in the alphabet.

    `words`: how often each occurs. Libraries break such ties by chance, anew in every process.
    """
    pieces = {word: [*word[:-1], word[-1] + END_OF_WORD] for word in words}
    merges: list[tuple[str, str]] = []
    while len(merges) < VOCABULARY_SIZE:
        counts: Counter[tuple[str, str]] = Counter()
        for word, parts in pieces.items():
            for pair in zip(parts, parts[1:]):
                counts[pair] += words[word]
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        pieces = {word: _joined(parts, best) for word, parts in pieces.items()}
    return merges


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """A word's pieces with every occurrence of a pair as one piece."""
    out: list[str] = []
    for part in parts:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out
