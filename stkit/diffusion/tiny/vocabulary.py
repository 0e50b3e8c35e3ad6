"""What the tiny editor can be told: the paint editor's instructions in many words, and a small tokenizer for them."""

import json
import random
from pathlib import Path

FRAMES = (
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
WEAR = (
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
PEOPLE = (
    ("him", "he"),
    ("her", "she"),
    ("them", "they"),
    ("the person", "the person"),
    ("the man", "the man"),
    ("the woman", "the woman"),
)

NOUNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "clown": (FRAMES, ("a clown", "a circus clown")),
    "joker": (FRAMES, ("the joker", "a joker")),
    "bronze statue": (FRAMES, ("a bronze statue", "a statue", "a statue of bronze")),
    "golden statue": (FRAMES, ("a golden statue", "a gold statue", "gold")),
    "marble statue": (FRAMES, ("a marble statue", "a sculpture", "a marble sculpture")),
    "silver statue": (FRAMES, ("a silver statue", "a robot", "silver")),
    "red hair": (WEAR, ("red hair",)),
    "blond hair": (WEAR, ("blond hair", "blonde hair")),
    "blue hair": (WEAR, ("blue hair",)),
    "green hair": (WEAR, ("green hair",)),
    "pink hair": (WEAR, ("pink hair",)),
    "black hair": (WEAR, ("black hair",)),
    "lipstick": (WEAR, ("lipstick", "red lipstick")),
    "zombie": (FRAMES, ("a zombie", "an undead zombie")),
    "Modigliani painting": (FRAMES, ("a modigliani painting", "a modigliani portrait")),
    "sunburn": (WEAR, ("a sunburn", "sunburn")),
    "old": (FRAMES, ("an old person", "old", "elderly")),
    "vampire": (FRAMES, ("a vampire", "dracula")),
    "green skin": (FRAMES, ("the hulk", "an orc", "someone with green skin")),
    "blue skin": (FRAMES, ("an avatar", "someone with blue skin")),
    "tan": (WEAR, ("a tan",)),
    "pale": (FRAMES, ("pale", "very pale")),
    "beard": (WEAR, ("a beard",)),
    "make-up": (WEAR, ("makeup", "make-up")),
    "skull": (FRAMES, ("a skull", "a skeleton")),
    "pencil sketch": (FRAMES, ("a pencil sketch", "a drawing", "a sketch")),
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
    frames, nouns = NOUNS[name]
    said = [
        f.replace("{x}", n).replace("{him}", him).replace("{he}", he)
        for f in frames
        for n in nouns
        for him, he in PEOPLE
    ]
    return list(dict.fromkeys(said))


def sample(name: str, rng: random.Random) -> str:
    """One way to say it."""
    return rng.choice(phrases(name))


def save_tokenizer(folder: Path, length: int = 16):
    """Train a byte-pair tokenizer on all phrases and save it as a CLIPTokenizer; returns it.

    Words that it never saw fall apart into letters, so any sentence can be read, if not understood.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    letters = [chr(c) for c in range(33, 127)]
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        min_frequency=1,
        end_of_word_suffix="</w>",
        show_progress=False,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        initial_alphabet=letters,
    )
    corpus = sorted({p.lower().replace("-", " - ") for name in NOUNS for p in phrases(name)})
    bpe.train_from_iterator(corpus, trainer)
    bpe.model.save(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text())
    for letter in letters:
        vocabulary.setdefault(letter + "</w>", len(vocabulary))
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    merges = (folder / "merges.txt").read_text()
    if not merges.startswith("#version"):
        (folder / "merges.txt").write_text("#version: 0.2\n" + merges)
    tokenizer = CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=length
    )
    tokenizer.save_pretrained(folder)
    return tokenizer
