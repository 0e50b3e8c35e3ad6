"""Train the text towers: `python -m stkit.studies.text_towers.train --minutes 60`.

Stop it any time; the same command goes on. Pictures are made as the tiny editor's training pictures
are, of other people; a third of the instructions is left out (`facts.HELD_OUT`).
"""

import argparse
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from transformers import VisionTextDualEncoderModel

from stkit.diffusion.byte_pairs import save_tokenizer
from stkit.diffusion.learning import Optimisation, State, millions, optimise, training_record
from stkit.diffusion.tiny.data import PICTURES, Pictures, person_of
from stkit.diffusion.tiny.vocabulary import NOUNS, names
from stkit.metrics.learned import clip_pixels
from stkit.metrics.text_towers import SIZE
from stkit.metrics.text_towers.towers import LENGTH, new_towers
from stkit.progress import bar
from stkit.studies.text_towers.facts import (
    HELD_OUT,
    INSTRUCTIONS,
    Caption,
    caption_of,
    caption_of_person,
    facts_of_edit,
    facts_of_person,
    labels,
)

FIRST_SEED = 7_000_000
START_SCALE, START_BIAS = 10.0, -10.0  # of the logits, as in SigLIP
SMALLEST_CROP = 0.75  # of a picture's side
CAPTIONS_FOR_WORDS = 4000  # drawn to learn the tokenizer's words
TAUGHT = tuple(name for name in INSTRUCTIONS if name not in HELD_OUT)


@dataclass(frozen=True)
class Settings:
    """Where, how much, and how fast. A batch is half edited and half unedited pictures."""

    folder: Path
    first: int = FIRST_SEED
    people: int = 300
    edits: int = 8
    steps: int = 3000
    batch: int = 64
    rate: float = 1e-3
    decay: float = 0.05
    seed: int = 0


class Examples:
    """Pictures with what is known of them, the taught instructions only.

    images (N, 3, S, S) uint8 with `people` (N, F) facts; `edits` by instruction: numbers into
    `edited` (E, 3, S, S) uint8.
    """

    def __init__(self, seeds: range, edits: int, folder: Path, progress=lambda x, **k: x):
        pictures = Pictures(seeds, edits, folder, progress)
        self.images = pictures.images
        self.people = np.repeat([facts_of_person(person_of(s)) for s in seeds], PICTURES, axis=0)
        self.edited = pictures.edited.flatten(0, 1)
        number = {name: k for k, name in enumerate(names())}
        which = pictures.which.reshape(-1)
        self.edits = {name: np.flatnonzero(which == number[name]) for name in INSTRUCTIONS}

    def draw(self, batch: int, rng: random.Random) -> tuple[Tensor, np.ndarray, list[Caption]]:
        """Pictures (B, 3, S, S) uint8, their facts (B, F), and a caption of each."""
        asked = [rng.choice(TAUGHT) for _ in range(batch // 2)]
        shown = [int(rng.choice(self.edits[name])) for name in asked]
        people = [rng.randrange(len(self.images)) for _ in range(batch - len(asked))]
        rows = np.stack([*map(facts_of_edit, asked), *self.people[people]])
        captions = [caption_of(name, rng.choice(NOUNS[name][1]), rng) for name in asked]
        captions += [caption_of_person(self.people[k], rng) for k in people]
        return torch.cat([self.edited[shown], self.images[people]]), rows, captions


class Logits(nn.Module):
    """The towers with SigLIP's scale and bias (Zhai et al. 2023, arXiv 2303.15343, Algorithm 1)."""

    towers: VisionTextDualEncoderModel

    def __init__(self, towers: VisionTextDualEncoderModel):
        super().__init__()
        self.towers = towers
        self.log_scale = nn.Parameter(torch.tensor(START_SCALE).log())
        self.bias = nn.Parameter(torch.tensor(START_BIAS))

    def forward(self, pixels: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """How well pictures (B, 3, S, S) and captions (C, L) fit, as logits (B, C)."""
        found = self.towers(input_ids=ids, attention_mask=mask, pixel_values=pixels)
        cosines = found.image_embeds @ found.text_embeds.T
        return self.log_scale.exp() * cosines + self.bias


def pair_loss(logits: Tensor, fits: Tensor) -> Tensor:
    """Sigmoid loss over all pairs whose label (B, C) is 1 or -1; those of 0 do not count."""
    known = fits != 0
    return -(nn.functional.logsigmoid(fits * logits) * known).sum() / len(logits)


def prepared(pictures: Tensor, rng: random.Random) -> Tensor:
    """Pictures (B, 3, S, S) uint8 as the towers take them: some mirrored, all cropped alike."""
    side = pictures.shape[-1]
    crop = round(side * rng.uniform(SMALLEST_CROP, 1))
    top, left = rng.randint(0, side - crop), rng.randint(0, side - crop)
    cut = pictures[..., top : top + crop, left : left + crop].movedim(1, -1).float() / 255
    mirrored = torch.tensor([rng.random() < 0.5 for _ in cut]).view(-1, 1, 1, 1)
    return clip_pixels(torch.where(mirrored, cut.flip(2), cut), SIZE)


def sentences(examples: Examples, rng: random.Random) -> list[str]:
    """Captions of training, to learn the tokenizer's words from."""
    found = []
    for _ in range(CAPTIONS_FOR_WORDS):
        found.append(caption_of_person(examples.people[rng.randrange(len(examples.people))], rng))
        name = rng.choice(TAUGHT)
        found.append(caption_of(name, rng.choice(NOUNS[name][1]), rng))
    return [caption.text for caption in found]


def train(
    settings: Settings, examples: Examples, deadline: float, progress=lambda x, **k: x
) -> tuple[Path, bool]:
    """The folder of the towers, and whether all steps are done."""
    accelerator = Accelerator(cpu=True)
    torch.manual_seed(settings.seed)
    folder = settings.folder / "towers"
    words = sentences(examples, random.Random(settings.seed))
    tokenizer = save_tokenizer(folder, words, LENGTH)
    model = Logits(new_towers(tokenizer))
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.rate, weight_decay=settings.decay, fused=True
    )
    state = State(settings.folder / "text_towers", model=model, optimiser=optimiser)
    rng = random.Random(repr((settings.seed, state.step)))

    def loss_of(step: int) -> Tensor:
        pictures, rows, captions = examples.draw(settings.batch, rng)
        tokens = tokenizer([c.text for c in captions], padding=True, return_tensors="pt")
        logits = model(prepared(pictures, rng), tokens.input_ids, tokens.attention_mask)
        return pair_loss(logits, torch.from_numpy(labels(rows, captions)))

    plan = Optimisation(
        "text_towers",
        model,
        optimiser,
        accelerator,
        settings.steps,
        settings.rate,
        warm_up=100,
        floor=0.02,
    )
    done = optimise(plan, state, loss_of, deadline, progress)
    model.towers.half().save_pretrained(folder, safe_serialization=True)
    record = {
        "first": settings.first,
        "people": settings.people,
        "pictures": PICTURES,
        "batch": settings.batch,
        "held_out": HELD_OUT,
        "millions": millions(*model.towers.children()),
        **training_record(settings.folder, "text_towers"),
    }
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    return folder, done


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/text_towers"))
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after this long")
    parser.add_argument("--people", type=int, default=Settings.people)
    parser.add_argument("--steps", type=int, default=Settings.steps)
    a = parser.parse_args(arguments)
    settings = Settings(a.folder, people=a.people, steps=a.steps)
    seeds = range(settings.first, settings.first + settings.people)
    examples = Examples(seeds, settings.edits, settings.folder / "data", bar)
    folder, done = train(settings, examples, time.monotonic() + 60 * a.minutes, bar)
    print(f"towers in {folder}" + ("" if done else "; time is up, the same command goes on"))


if __name__ == "__main__":
    main()
