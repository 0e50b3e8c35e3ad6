"""Sentences that change a head's shape, such as "a hooked nose and elf ears".

The words are in shape_words.json: what each pair of an adjective and a part of the face (or an
adjective alone) changes, words that mean the same, and words for how much. Chosen by eye.
"""

import json
import re
from functools import lru_cache
from pathlib import Path

from stkit.errors import RequestError
from stkit.face_models.makehuman.shape_change import YEARS, ShapeChange

DIVIDED = re.compile(r",|;|\band\b|\bwith\b", re.IGNORECASE)
FILE = Path(__file__).parent / "shape_words.json"


MOST_YEARS = 80.0
MOST_PARTS = 12  # of a sentence


def read_shape(sentence: str) -> ShapeChange:
    """What a sentence changes. Raises RequestError, naming what is known, where that is nothing.

    Its parts are divided by "and", "with" and commas: "fat, with a very long neck".
    """
    change, parts = ShapeChange(), DIVIDED.split(sentence)
    if len(parts) > MOST_PARTS:
        raise RequestError(f"{len(parts)} changes of shape at once: at most {MOST_PARTS}")
    for part in parts:
        found = _read_part(_words(part))
        if found is None and set(_words(part)) - set(_table()["ignored"]):
            raise _unknown(part.strip())
        change = change + (found or ShapeChange())
    if not change:
        raise _unknown(sentence)
    return change


def divide(sentence: str) -> tuple[str, str]:
    """A sentence as a prompt for an editor of pictures, and as words for `read_shape`.

    "a clown with elf ears" is "a clown" and "elf ears"; either may be empty.
    """
    parts = [part.strip() for part in DIVIDED.split(sentence)]
    shapes = [part for part in parts if _read_part(_words(part)) is not None]
    if not shapes:
        return sentence.strip(), ""
    prompt = [part for part in parts if part not in shapes and _words(part)]
    return ", ".join(prompt), ", ".join(shapes)


def _words(part: str) -> list[str]:
    return re.findall(r"[a-z-]+|\d+", part.lower())


def known_shapes() -> tuple[str, ...]:
    """All changes of the table, in words."""
    return (*_table()["changes"], "N years younger", "N years older")


def _unknown(text: str) -> RequestError:
    return RequestError(
        f"{text!r} names no change of shape; known: {', '.join(known_shapes())}. Divide several "
        "by commas"
    )


@lru_cache(maxsize=1)
def _table() -> dict:
    table = json.loads(FILE.read_text(encoding="utf-8"))
    table["changes"] = {name: ShapeChange(**x) for name, x in table["changes"].items()}
    table["word"] = {other: word for word, others in table["alike"].items() for other in others}
    return table


def _read_part(words: list[str]) -> ShapeChange | None:
    """The change that one part of a sentence names; None where it names none."""
    table = _table()
    if years := _years(words):
        return ShapeChange(add={"age": years / YEARS})
    plain = [table["word"].get(word, word) for word in words]
    part = next((word for word in plain if word in table["parts"]), "")
    adjectives = [word for word in plain if word != part]
    changes = _known(adjectives, part) or _known(adjectives, "")
    if not changes:
        return None
    amount = max((table["amounts"][word] for word in words if word in table["amounts"]), default=1)
    return sum(changes, ShapeChange()) * amount


def _known(adjectives: list[str], part: str) -> list[ShapeChange]:
    """The changes of adjectives that the table has for a part."""
    table = _table()
    names = [f"{word} {part}".strip() for word in adjectives]
    names = [table["same"].get(name, name) for name in names]
    return [table["changes"][name] for name in names if name in table["changes"]]


def _years(words: list[str]) -> float:
    """Signed years of "20 years younger"; 0 where there are none."""
    if "years" not in words:
        return 0.0
    numbers = _table()["numbers"]
    before = words[: words.index("years")]
    years = [float(word) if word.isdigit() else numbers.get(word, 0.0) for word in before]
    return min(max(years, default=0.0), MOST_YEARS) * (-1 if "younger" in words else 1)
