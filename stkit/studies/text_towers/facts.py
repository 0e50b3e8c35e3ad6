"""What a picture shows, as facts that captions can state, and the captions themselves."""

import random
from dataclasses import dataclass

import numpy as np

from stkit.diffusion.tiny.vocabulary import BECOMING, NOUNS
from stkit.synthetic.person import Person

# a third of the instructions, whose pictures no training sees; the first seven are words that
# captions of unedited people have as well
HELD_OUT = (
    "blond hair",
    "grey hair",
    "beard",
    "moustache",
    "glasses",
    "freckles",
    "old",
    "purple hair",
    "silver statue",
    "joker",
    "green skin",
    "mime",
)
INSTRUCTIONS = tuple(name for name in NOUNS if name != "nothing")
BECOMES = tuple(name for name in INSTRUCTIONS if NOUNS[name][0] is BECOMING)
HAIR_COLOURS = tuple(name for name in INSTRUCTIONS if name.endswith(" hair")) + ("brown hair",)
# facts of unedited people, with a caption's words
ATTRIBUTES = {
    "man": "a man",
    "woman": "a woman",
    "old": "an old person",
    "young": "a young person",
    "bald": "a bald head",
    "long hair": "long hair",
    "short hair": "short hair",
    "curly hair": "curly hair",
    "blond hair": "blond hair",
    "brown hair": "brown hair",
    "black hair": "black hair",
    "red hair": "red hair",
    "grey hair": "grey hair",
    "beard": "a beard",
    "moustache": "a moustache",
    "glasses": "glasses",
    "freckles": "freckles",
    "dark skin": "dark skin",
    "light skin": "light skin",
}
WHO = ("man", "woman", "old", "young")  # the attributes that name somebody; others belong to one
# whether an unedited person is or has one of these cannot be read off the person's numbers
UNDECIDED = ("pale", "tan", "lipstick", "make-up", "sunburn")
FACTS = tuple(dict.fromkeys((*INSTRUCTIONS, *ATTRIBUTES)))

BECOMING_FORMS = ("a photo of {}", "a picture of {}", "{}", "the face of {}", "a person as {}")
HAVING_FORMS = (
    "a photo of a person with {}",
    "a picture of somebody with {}",
    "a person with {}",
    "a face with {}",
    "{}",
)
# kept for the judge
UNSEEN_BECOMING_FORMS = ("a portrait of {}", "an image of {}")
UNSEEN_HAVING_FORMS = ("a portrait of a person with {}", "an image of a face with {}")


@dataclass(frozen=True)
class Caption:
    """A sentence and the numbers of the facts that it states."""

    text: str
    facts: tuple[int, ...]


def facts_of_person(person: Person) -> np.ndarray:
    """What holds (1), does not hold (-1), or is unknown (0) of an unedited picture; (F,) int8."""
    holds = _attributes(person)
    row = np.full(len(FACTS), -1, np.int8)
    row[[FACTS.index(name) for name in ATTRIBUTES if holds[name] is True]] = 1
    unknown = [name for name in ATTRIBUTES if holds[name] is None]
    row[[FACTS.index(name) for name in (*UNDECIDED, *unknown)]] = 0
    return row


def facts_of_edit(name: str) -> np.ndarray:
    """The same for an edited picture: what it was edited to, and what excludes that; (F,) int8.

    What else shows of the person is left unknown.
    """
    decided = [x for x in INSTRUCTIONS if x not in ATTRIBUTES and x not in UNDECIDED]
    if name in BECOMES:  # a joker's hair is green
        excluded = [x for x in decided if x not in HAIR_COLOURS]
    elif name in HAIR_COLOURS:
        excluded = [*decided, *HAIR_COLOURS]
    else:
        excluded = decided
    row = np.zeros(len(FACTS), np.int8)
    row[[FACTS.index(x) for x in excluded]] = -1
    row[FACTS.index(name)] = 1
    return row


def caption_of(name: str, noun: str, rng: random.Random, unseen: bool = False) -> Caption:
    """A caption that states one instruction's fact, `noun` being one of its nouns."""
    becoming = UNSEEN_BECOMING_FORMS if unseen else BECOMING_FORMS
    having = UNSEEN_HAVING_FORMS if unseen else HAVING_FORMS
    form = rng.choice(becoming if name in BECOMES else having)
    return Caption(form.format(noun), (FACTS.index(name),))


def caption_of_person(row: np.ndarray, rng: random.Random) -> Caption:
    """A caption that states one to three of the attributes that hold; `row` is of
    `facts_of_person`.
    """
    true = [name for name in ATTRIBUTES if row[FACTS.index(name)] == 1]
    chosen = rng.sample(true, min(len(true), rng.randint(1, 3)))
    who = next((name for name in chosen if name in WHO), None)
    rest = [ATTRIBUTES[name] for name in chosen if name not in WHO]
    stated = [name for name in chosen if name not in WHO or name == who]
    words = ATTRIBUTES[who] if who else "a person"
    with_ = f" with {' and '.join(rest)}" if rest else ""
    form = rng.choice(("a photo of {}", "a picture of {}", "{}"))
    return Caption(form.format(words + with_), tuple(FACTS.index(name) for name in stated))


def labels(rows: np.ndarray, captions: list[Caption]) -> np.ndarray:
    """Whether each picture (N, F) fits each caption: 1, -1, or 0 where it is unknown; (N, C)."""
    columns = []
    for caption in captions:
        stated = rows[:, list(caption.facts)]
        fits = (stated == 1).all(1).astype(np.int8)
        columns.append(np.where((stated == -1).any(1), -1, fits))
    return np.stack(columns, 1)


def _attributes(person: Person) -> dict[str, bool | None]:
    """Each attribute, or None where the person is between two."""
    hair, skin, traits = person.hair, person.skin, person.traits
    bald = hair.style == "bald"
    return {
        "man": _between(traits.male, 0.35, 0.65),
        "woman": _between(1 - traits.male, 0.35, 0.65),
        "old": _between(traits.age, 0.35, 0.5),
        "young": _between(1 - traits.age, 0.75, 0.88),
        "bald": bald,
        "long hair": hair.style in ("long", "wavy"),
        "short hair": hair.style in ("short", "swept", "parted", "buzz", "coils"),
        "curly hair": hair.style in ("curly", "afro", "coils"),
        **dict.fromkeys(("blond hair", "brown hair", "black hair", "red hair", "grey hair"), False),
        **({} if bald else _hair_colour(person)),
        "beard": hair.beard == "short",
        "moustache": None if hair.beard == "short" else hair.beard == "moustache",
        "glasses": person.glasses,
        "freckles": _between(skin.freckles, 0.1, 0.5),
        "dark skin": _between(skin.melanin, 0.35, 0.5),
        "light skin": _between(1 - skin.melanin, 0.65, 0.8),
    }


def _hair_colour(person: Person) -> dict[str, bool | None]:
    """The one colour of a person's hair, or None for those that it is between."""
    hair = person.hair
    if hair.grey > 0.6:
        return {"grey hair": True}
    if hair.grey > 0.3:
        return dict.fromkeys(("grey hair", "blond hair", "brown hair", "black hair"))
    if hair.red > 0.6 and hair.melanin < 0.7:
        return {"red hair": True}
    if hair.red > 0.3 and hair.melanin < 0.7:
        return dict.fromkeys(("red hair", "brown hair", "blond hair"))
    if hair.melanin < 0.3:
        return {"blond hair": True}
    if hair.melanin < 0.4:
        return dict.fromkeys(("blond hair", "brown hair"))
    if hair.melanin < 0.75:
        return {"brown hair": True}
    if hair.melanin < 0.88:
        return dict.fromkeys(("brown hair", "black hair"))
    return {"black hair": True}


def _between(x: float, low: float, high: float) -> bool | None:
    """True above `high`, False below `low`, None between."""
    return True if x > high else False if x < low else None
