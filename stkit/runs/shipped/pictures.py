"""Pictures of made-up people and their edits, for the lesson that trains an editor:
`python -m stkit.runs.shipped.pictures` makes the file, about five minutes.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from stkit.diffusion.tiny.data import disturb, paint, sittings
from stkit.progress import bar

INSTRUCTIONS = ("green skin", "clown", "nothing")
PEOPLE, PICTURES = 22, 4  # four pictures of each
FIRST_SEED = 9_000_000  # far from the people that the kit's own editor learned from
JPEG_QUALITY = 95
FILE = Path(__file__).parent / "pictures.npz"


def lesson_pictures(instructions: tuple[str, ...], people: int) -> Tensor:
    """Pictures (people * 4, 1 + instructions, 128, 128, 3) in [0, 1]: each before and after every
    instruction.

    The instructions that ship are read from the file, others are painted now.
    """
    if instructions != INSTRUCTIONS or people > PEOPLE:
        return torch.cat([_of_person(k, instructions) for k in bar(range(people), desc="people")])
    with np.load(FILE, allow_pickle=False) as data:
        coded = [data[name] for name in sorted(data.files)]
    decoded = [cv2.cvtColor(cv2.imdecode(x, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB) for x in coded]
    pictures = torch.from_numpy(np.stack(decoded)).float() / 255
    return pictures.unflatten(0, (PEOPLE * PICTURES, -1))[: people * PICTURES]


def _of_person(k: int, instructions: tuple[str, ...]) -> Tensor:
    """Four pictures of one person (4, 1 + instructions, 128, 128, 3)."""
    number, found = FIRST_SEED + k, []
    for shot, sitting in enumerate(sittings(number, PICTURES)):
        painted = [paint(sitting, name, number) for name in ("nothing", *instructions)]
        found.append(torch.stack(disturb(painted, sitting.matte, PICTURES * number + shot)))
    return torch.stack(found)


def main() -> None:
    """Write the file."""
    people = [_of_person(k, INSTRUCTIONS) for k in bar(range(PEOPLE), desc="people")]
    flat = (torch.cat(people).flatten(0, 1) * 255).round().byte().numpy()
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    coded = {
        f"picture_{k:04}": cv2.imencode(".jpg", cv2.cvtColor(x, cv2.COLOR_RGB2BGR), quality)[1]
        for k, x in enumerate(flat)
    }
    np.savez(FILE, **coded)
    print(f"{FILE}: {FILE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
