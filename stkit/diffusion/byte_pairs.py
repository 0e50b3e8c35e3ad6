"""A byte-pair vocabulary, learned from sentences and saved as a CLIPTokenizer."""

import json
from collections import Counter
from pathlib import Path

VOCABULARY_SIZE = 2000  # at most
SPECIAL_TOKENS = ("<|startoftext|>", "<|endoftext|>")
END_OF_WORD = "</w>"
LETTERS = [chr(code) for code in range(33, 127)]


def save_tokenizer(folder: Path, sentences: list[str], length: int):
    """Learn the vocabulary and save it as a CLIPTokenizer for `length` tokens; returns it.

    Words that it never saw fall apart into letters, so any sentence can be read, if not understood.
    The same sentences give the same token numbers, so that a training that was stopped can go on.
    """
    from transformers import CLIPTokenizer

    different = {p.lower().replace("-", " - ") for p in sentences}
    merges = byte_pairs(Counter(word for p in sorted(different) for word in p.split()))
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
