"""How well the tiny editor learned: `python -m stkit.studies.tiny_editor FOLDER`, on unseen people.

The judge was not trained at all. It paints every instruction on the same person, as the teacher
does, and names the one whose block colours come nearest to the edited picture. How often it is
right about the teacher's own edits, seen through the autoencoder, is printed beside.
"""

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stkit.diffusion.instruct_pix2pix import InstructPix2PixEditor
from stkit.diffusion.tiny import PICTURE_GUIDANCE, SIZE, TEXT_GUIDANCE, WEIGHTS, vocabulary
from stkit.diffusion.tiny.data import disturb, paint, sittings
from stkit.io.images import sheet
from stkit.metrics.pictures import psnr
from stkit.progress import bar
from stkit.studies.tiny_editor_card import card

FIRST_SEED = 5_000_000  # far from the training seeds
BLOCKS = 16  # on a side, whose colours the judge compares
FULL, WEAK = 0.98, 0.02  # strengths b
UNCHANGED = 0.02  # largest change of a colour where the teacher is said to change nothing
CLOWN, NOTHING = "turn him into a clown", "do nothing"
TEXT_GUIDANCES = (0.0, 1.0, 2.0, 4.0)
PICTURE_GUIDANCES = (0.0, 0.4, 0.8, 1.2, 2.0, 3.0)
SHOWN = (
    "clown",
    "bronze statue",
    "red hair",
    "zombie",
    "lipstick",
    "beard",
    "blue skin",
    "nothing",
)

Pictures = dict[str, Tensor]  # each instruction's picture (SIZE, SIZE, 3) of one person


def people(count: int) -> list[Pictures]:
    """`count` unseen people, each with the teacher's picture of every instruction.

    The one of 'nothing' is the picture before.
    """
    out = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        [sitting] = sittings(seed)
        painted = [paint(sitting, name, seed) for name in vocabulary.names()]
        pictures = disturb(painted, sitting.matte, seed)
        out.append(dict(zip(vocabulary.names(), pictures)))
    return out


def judge(picture: Tensor, by_teacher: Pictures) -> str:
    """The instruction whose teacher's picture is nearest to this one (SIZE, SIZE, 3), by blocks."""
    blocks = _blocks(picture)
    distance = {n: float((_blocks(p) - blocks).abs().mean()) for n, p in by_teacher.items()}
    return min(distance, key=lambda name: distance[name])


def _blocks(picture: Tensor) -> Tensor:
    """Mean colours (3, 16, 16) of blocks of a picture (H, W, 3)."""
    return torch.nn.functional.adaptive_avg_pool2d(picture.permute(2, 0, 1), BLOCKS)


@torch.no_grad()
def through(editor: InstructPix2PixEditor, picture: Tensor) -> Tensor:
    """The picture (SIZE, SIZE, 3) encoded and decoded, unedited."""
    vae = editor.pipe.vae
    latent = vae.encode(picture.permute(2, 0, 1)[None] * 2 - 1).latent_dist.mode()
    return (vae.decode(latent).sample[0] / 2 + 0.5).clamp(0, 1).permute(1, 2, 0)


def edited(editor: InstructPix2PixEditor, picture: Tensor, prompt: str, b: float = FULL) -> Tensor:
    """The picture (SIZE, SIZE, 3) after an instruction, always with the same noise."""
    return editor.edit(picture, prompt, b, picture, torch.Generator().manual_seed(0))


@dataclass
class _Answers:
    """What came out of one edit after the other."""

    right: list[bool] = field(default_factory=list)
    right_on_teacher: list[bool] = field(default_factory=list)
    outside_change: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    by_instruction: dict[str, list[bool]] = field(
        default_factory=lambda: {name: [] for name in vocabulary.names()}
    )


def evaluate(
    editor: InstructPix2PixEditor, count: int, b: float = FULL, progress=lambda x, **k: x
) -> dict:
    """The scores that the model card shows, over `count` people and all instructions."""
    groups = people(count)
    answers = _Answers()
    for k, by_teacher in enumerate(progress(groups, desc="people")):
        _ask_everything(editor, k, by_teacher, b, answers)
    first = groups[0]["nothing"]
    weak = [
        psnr(edited(editor, t["nothing"], CLOWN, WEAK), through(editor, t["nothing"]))
        for t in groups
    ]
    by_picture_guidance = {
        prompt: {str(s): distance_at(editor, first, prompt, s) for s in PICTURE_GUIDANCES}
        for prompt in (CLOWN, NOTHING)
    }
    return {
        "people": count,
        "instructions": len(vocabulary.names()),
        "named_right": float(np.mean(answers.right)),
        "judge_on_teacher": float(np.mean(answers.right_on_teacher)),
        "outside_change": float(np.mean(answers.outside_change)),
        "seconds_per_edit": float(np.median(answers.seconds)),
        "psnr_b_0.02": float(np.mean(weak)),
        "change_by_s_T": {str(s): change_at(editor, first, s) for s in TEXT_GUIDANCES},
        "distance_by_s_I": by_picture_guidance,
        "by_instruction": {n: float(np.mean(v)) for n, v in answers.by_instruction.items()},
    }


def _ask_everything(
    editor: InstructPix2PixEditor, k: int, by_teacher: Pictures, b: float, answers: _Answers
) -> None:
    """All instructions to person number k, each in other words than to the person before."""
    original = by_teacher["nothing"]
    unedited = through(editor, original)
    for j, name in enumerate(vocabulary.names()):
        phrases = vocabulary.phrases(name, held_out=True)
        begun = time.monotonic()
        picture = edited(editor, original, phrases[(7 * k + j) % len(phrases)], b)
        answers.seconds.append(time.monotonic() - begun)
        right = judge(picture, by_teacher) == name
        answers.right.append(right)
        answers.by_instruction[name].append(right)
        decoded = through(editor, by_teacher[name])
        answers.right_on_teacher.append(judge(decoded, by_teacher) == name)
        outside = (by_teacher[name] - original).abs().amax(-1) < UNCHANGED
        if outside.any():
            change = (picture - unedited).abs().mean(-1)[outside]
            answers.outside_change.append(float(change.mean()))


def change_at(editor: InstructPix2PixEditor, picture: Tensor, s_T: float) -> float:
    """Mean change by 'turn him into a clown' at full strength, at a text guidance."""
    before, editor.s_T = editor.s_T, s_T
    try:
        return _change(editor, picture, CLOWN)
    finally:
        editor.s_T = before


def distance_at(editor: InstructPix2PixEditor, picture: Tensor, prompt: str, s_I: float) -> float:
    """Mean distance to the picture after an instruction at full strength, at a picture guidance."""
    before, editor.s_I = editor.s_I, s_I
    try:
        return _change(editor, picture, prompt)
    finally:
        editor.s_I = before


def _change(editor: InstructPix2PixEditor, picture: Tensor, prompt: str) -> float:
    return float((edited(editor, picture, prompt) - through(editor, picture)).abs().mean())


def save_grid(editor: InstructPix2PixEditor, path: Path) -> None:
    """A picture of three unseen people: the teacher's edits above the tiny editor's."""
    rows: list[list[Tensor]] = []
    labels: list[str] = []
    for k, by_teacher in enumerate(people(3)):
        generator = torch.Generator().manual_seed(k)
        original = by_teacher["nothing"]
        rows.append([original, *(by_teacher[name] for name in SHOWN)])
        prompts = [vocabulary.phrases(name)[0] for name in SHOWN]
        by_tiny = [editor.edit(original, p, FULL, original, generator) for p in prompts]
        rows.append([through(editor, original), *by_tiny])
        labels += ["teacher", "tiny"]
    Image.fromarray(sheet(rows, ["person", *SHOWN], labels, height=128)).save(path)


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=WEIGHTS)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--s-T", type=float, default=TEXT_GUIDANCE)
    parser.add_argument("--s-I", type=float, default=PICTURE_GUIDANCE)
    parser.add_argument(
        "--write", action="store_true", help="keep the scores and the model card in the folder"
    )
    parser.add_argument("--grid", type=Path, help="write a picture: originals, teacher, editor")
    a = parser.parse_args(arguments)
    torch.set_num_threads(1)
    editor = InstructPix2PixEditor(str(a.folder), s_T=a.s_T, s_I=a.s_I, device="cpu")
    settings = {"size": SIZE, "s_T": a.s_T, "s_I": a.s_I}
    scores = settings | evaluate(editor, a.people, progress=bar)
    print(json.dumps(scores, indent=1))
    if a.write:
        training = json.loads((a.folder / "training.json").read_text())
        (a.folder / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")
        (a.folder / "README.md").write_text(card(scores, training))
    if a.grid:
        save_grid(editor, a.grid)


if __name__ == "__main__":
    main()
