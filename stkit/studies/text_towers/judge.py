"""How well the text towers learned: `python -m stkit.studies.text_towers.judge FOLDER`.

Each picture, edited by the paint editor, is matched against captions of all instructions, in
sentences that no training had. Instructions that training never showed are counted apart.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from stkit.diffusion.tiny.data import Pictures
from stkit.diffusion.tiny.vocabulary import NOUNS, names
from stkit.metrics.learned import clip_pixels
from stkit.metrics.text_towers import SIZE, WEIGHTS
from stkit.metrics.text_towers.towers import towers
from stkit.progress import bar
from stkit.studies.captions import BEFORE
from stkit.studies.text_towers.facts import (
    ATTRIBUTES,
    BECOMES,
    HELD_OUT,
    INSTRUCTIONS,
    UNSEEN_BECOMING_FORMS,
    UNSEEN_HAVING_FORMS,
)

FIRST_SEED = 8_000_000  # far from the training seeds
EDITS = 8  # of each picture
AT_ONCE = 100  # pictures
READ_OFF = tuple(name for name in HELD_OUT if name in ATTRIBUTES)  # words of unedited people


@dataclass(frozen=True)
class Embedded:
    """Unit embeddings of pictures before (N, D) and after (N, D) an edit, and the instructions'
    numbers (N,) in `INSTRUCTIONS`.
    """

    before: Tensor
    after: Tensor
    which: np.ndarray


@torch.no_grad()
def embed_captions(folder: Path, texts: list[str]) -> Tensor:
    """Unit embeddings (C, D)."""
    model, tokenizer = towers(folder)
    tokens = tokenizer(texts, padding=True, return_tensors="pt")
    return nn.functional.normalize(model.get_text_features(**tokens).pooler_output, dim=-1)


@torch.no_grad()
def embed_pictures(folder: Path, pictures: Tensor) -> Tensor:
    """Unit embeddings (N, D) of pictures (N, 3, S, S), uint8."""
    model, _ = towers(folder)
    parts = [clip_pixels(x.movedim(1, -1).float() / 255, SIZE) for x in pictures.split(AT_ONCE)]
    found = [model.get_image_features(pixel_values=x).pooler_output for x in parts]
    return nn.functional.normalize(torch.cat(found), dim=-1)


def class_embeddings(folder: Path) -> Tensor:
    """One unit embedding of each instruction (I, D): mean over its nouns and new sentences."""
    found = []
    for name in INSTRUCTIONS:
        forms = UNSEEN_BECOMING_FORMS if name in BECOMES else UNSEEN_HAVING_FORMS
        texts = [form.format(noun) for form in forms for noun in NOUNS[name][1]]
        found.append(embed_captions(folder, texts).mean(0))
    return nn.functional.normalize(torch.stack(found), dim=-1)


def embedded(folder: Path, people: int, data: Path) -> Embedded:
    """Pictures of unseen people before and after the paint editor's edits."""
    pictures = Pictures(range(FIRST_SEED, FIRST_SEED + people), EDITS, data, bar)
    asked = np.array([INSTRUCTIONS.index(n) if n in INSTRUCTIONS else -1 for n in names()])
    which = asked[pictures.which.reshape(-1)]
    before = embed_pictures(folder, pictures.images).repeat_interleave(EDITS, 0)
    after = embed_pictures(folder, pictures.edited.flatten(0, 1))
    keep = torch.from_numpy(which >= 0)
    return Embedded(before[keep], after[keep], which[which >= 0])


def shares_right(cosines: Tensor, which: np.ndarray) -> dict[str, float]:
    """How often the right caption (of I) fits best, cosines (N, I), by kind of instruction."""
    hit = cosines.argmax(1).numpy() == which
    held_out = [INSTRUCTIONS.index(name) for name in HELD_OUT]
    read_off = [INSTRUCTIONS.index(name) for name in READ_OFF]
    is_held, is_read = np.isin(which, held_out), np.isin(which, read_off)
    among = np.array(held_out)[cosines[:, held_out].argmax(1).numpy()] == which
    return {
        "taught": float(hit[~is_held].mean()),
        "held_out": float(hit[is_held].mean()),
        "held_out_words_of_people": float(hit[is_read].mean()),
        "held_out_other_words": float(hit[is_held & ~is_read].mean()),
        "held_out_among_held_out": float(among[is_held].mean()),
    }


def judge(folder: Path, people: int, data: Path) -> dict:
    """Shares of pictures whose own caption fits best: by the picture, and by its change."""
    found = embedded(folder, people, data)
    classes, before = class_embeddings(folder), embed_captions(folder, [BEFORE])
    change = nn.functional.normalize(found.after - found.before, dim=-1)
    words = nn.functional.normalize(classes - before, dim=-1)
    cosines = change @ words.T
    hit = cosines.argmax(1).numpy() == found.which
    return {
        "people": people,
        "pictures": len(found.which),
        "captions": len(INSTRUCTIONS),
        "by_picture": shares_right(found.after @ classes.T, found.which),
        "by_change": shares_right(cosines, found.which),
        "by_change_each": {
            name: float(hit[found.which == k].mean()) for k, name in enumerate(INSTRUCTIONS)
        },
    }


def main(arguments: list[str] | None = None) -> None:
    """Write scores.json beside the weights and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=WEIGHTS)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--data", type=Path, default=Path("runs/text_towers/data"))
    a = parser.parse_args(arguments)
    text = json.dumps(judge(a.folder, a.people, a.data), indent=1)
    (a.folder / "scores.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
