"""From an instruction to captions of the picture before and after, which CLIP's scores need."""

import re

BEFORE = "a photo of a person"
# an instruction's form, and the caption of what it makes
FORMS = (
    (r"(?:please )?(?:turn|make|change) .+? into (.+)", "a photo of {}"),
    (r"(?:please )?give (?:him|her|them|the \w+) (.+)", "a photo of a person with {}"),
    (r"(?:please )?make (?:him|her|them|the \w+) (?:look )?(.+)", "a photo of a person who is {}"),
)


def captions(prompt: str) -> tuple[str, str]:
    """Captions before and after an edit: 'turn her into a clown' gives 'a photo of a clown'.

    An instruction of another form stands behind the caption of the picture before.
    """
    words = prompt.strip().rstrip(".!").lower()
    for form, caption in FORMS:
        found = re.fullmatch(form, words)
        if found:
            return BEFORE, caption.format(found[1])
    return BEFORE, f"{BEFORE}, {words}"
