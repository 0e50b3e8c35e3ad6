"""The instructions that the tiny editor learns, in many words, and a tokenizer for them."""

import json
import random
from pathlib import Path

LENGTH = 16  # tokens of a prompt; the longest phrase fits
VOCABULARY_SIZE = 2000  # at most
SPECIAL_TOKENS = ("<|startoftext|>", "<|endoftext|>")
END_OF_WORD = "</w>"
LETTERS = [chr(code) for code in range(33, 127)]

# sentences with gaps for a pronoun ({him}, {he}) and a noun ({x}): first what somebody becomes
BECOMING = (
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
)
# then what somebody gets
WEARING = (
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
NOUNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
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
    "nothing": (
        ("{x}",),
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
    ),
}


def names() -> list[str]:
    """The instructions, the last one being 'nothing' (no edit)."""
    return list(NOUNS)


def phrases(name: str) -> list[str]:
    """Every way to say an instruction, in a fixed order."""
    sentences, nouns = NOUNS[name]
    ways = [
        sentence.replace("{x}", noun).replace("{him}", him).replace("{he}", he)
        for sentence in sentences
        for noun in nouns
        for him, he in PRONOUNS
    ]
    return list(dict.fromkeys(ways))


def sample(name: str, rng: random.Random) -> str:
    """One way to say an instruction."""
    return rng.choice(phrases(name))


def save_tokenizer(folder: Path, length: int = LENGTH):
    """Train a byte-pair tokenizer on all phrases and save it as a CLIPTokenizer; returns it.

    Words that it never saw fall apart into letters, so any sentence can be read, if not understood.
    The same phrases give the same token numbers, so that a training that was stopped can go on.
    """
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    _train_byte_pairs().save(str(folder))
    merges = (folder / "merges.txt").read_text()
    if not merges.startswith("#version"):
        (folder / "merges.txt").write_text("#version: 0.2\n" + merges)
    tokens = json.loads((folder / "vocab.json").read_text())
    numbered = json.dumps(_numbered(tokens), ensure_ascii=False)
    (folder / "vocab.json").write_text(numbered)
    tokenizer = CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=length
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def _train_byte_pairs():
    """The byte-pair model of all phrases, as `tokenizers` trains it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=END_OF_WORD))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        min_frequency=1,
        end_of_word_suffix=END_OF_WORD,
        show_progress=False,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=LETTERS,
    )
    corpus = sorted({p.lower().replace("-", " - ") for name in NOUNS for p in phrases(name)})
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer.model


def _numbered(tokens: dict[str, int]) -> dict[str, int]:
    """Tokens to numbers: `tokenizers`' own, but letters that end a word are numbered by their code.

    `tokenizers` numbers those by chance, anew in every process, and leaves out the ones that no
    phrase has.
    """
    ends = [letter + END_OF_WORD for letter in LETTERS]
    free = sorted(tokens[token] for token in ends if token in tokens)
    present = [token for token in ends if token in tokens]
    missing = [token for token in ends if token not in tokens]
    numbered = {**tokens, **dict(zip(present, free))}
    for token in missing:
        numbered[token] = len(numbered)
    return dict(sorted(numbered.items(), key=lambda item: item[1]))
