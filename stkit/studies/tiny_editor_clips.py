"""The tiny editor on real faces, which it never learned from, with the paint editor as the ruler.

    python -m stkit.studies.tiny_editor_clips CLIP.mp4 ... --write docs/results/tiny_clips.json

A frame of each clip is edited with ten instructions. An edit counts as right if it changes what the
paint editor changes (the right region), and changes it towards the same colours (the direction).
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stkit.capture.detect import detect
from stkit.diffusion.instruct_pix2pix import InstructPix2PixEditor
from stkit.diffusion.paint import PaintEditor
from stkit.diffusion.paint.editor import FULL
from stkit.diffusion.tiny import PICTURE_GUIDANCE, SIZE, TEXT_GUIDANCE, WEIGHTS, vocabulary
from stkit.face_models.landmarks import KEPT_66, MEDIAPIPE_68
from stkit.io.images import sheet
from stkit.io.tensors import write_text
from stkit.io.video import read_video
from stkit.runs.machine import circumstances, machine

ASKED = (
    "clown",
    "bronze statue",
    "marble statue",
    "red hair",
    "blue hair",
    "lipstick",
    "zombie",
    "masked hero",
    "mime",
    "blue skin",
)
FRAMES = 24  # of each clip, of which the middle one is edited
STRENGTH = 0.98
PAINTED = 0.12  # change of a colour from which on the paint editor is said to change a pixel
LEAST_RATIO = 2.0  # of the mean change inside that region to the one outside
LEAST_COSINE = 0.5  # between the two editors' changes inside that region


@dataclass(frozen=True)
class Answer:
    """One edit of one clip's frame.

    inside, outside: mean absolute change of colour where the paint editor changes something, and
    elsewhere; cosine: between both editors' changes inside.
    """

    clip: str
    instruction: str
    inside: float
    outside: float
    cosine: float

    @property
    def right(self) -> bool:
        """Whether the right region changed in the right direction."""
        return self.inside >= LEAST_RATIO * self.outside and self.cosine >= LEAST_COSINE


@dataclass(frozen=True)
class Face:
    """A clip's frame over white (S, S, 3) in [0, 1] and its landmarks (66, 2) in pixels."""

    image: Tensor
    landmarks: Tensor


def face_of(clip: Path) -> Face:
    """The middle one of the clip's frames, cropped and matted like those of a run."""
    frames, _ = read_video(clip, FRAMES)
    found = detect(frames, SIZE, clip.name)
    t = len(found.kept) // 2
    matte = torch.from_numpy(found.mattes[t]).float()[..., None] / 255
    image = torch.from_numpy(found.frames[t]).float() / 255
    points = torch.from_numpy(found.points[t][MEDIAPIPE_68]).float()
    return Face(image * matte + 1 - matte, points[KEPT_66])


def painted(face: Face, name: str) -> Tensor:
    """The paint editor's picture (S, S, 3)."""
    generator = torch.Generator().manual_seed(0)
    editor = PaintEditor()
    return editor.edit(face.image, name, FULL, face.image, generator, landmarks=face.landmarks)


def compare(clip: str, name: str, before: Tensor, by_paint: Tensor, by_tiny: Tensor) -> Answer:
    """The tiny editor's picture (S, S, 3) beside the paint editor's, and the picture before."""
    wanted, change = by_paint - before, by_tiny - before
    region = wanted.abs().amax(-1) > PAINTED
    a, b = wanted[region].flatten(), change[region].flatten()
    cosine = float(torch.nn.functional.cosine_similarity(a, b, dim=0))
    size = change.abs().mean(-1)
    return Answer(clip, name, float(size[region].mean()), float(size[~region].mean()), cosine)


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--folder", type=Path, default=WEIGHTS)
    parser.add_argument("--write", type=Path, help="keep the numbers in this file")
    parser.add_argument("--grid", type=Path, help="write a picture of the edits; it shows people")
    a = parser.parse_args(arguments)
    torch.set_num_threads(1)
    editor = InstructPix2PixEditor(
        str(a.folder), s_T=TEXT_GUIDANCE, s_I=PICTURE_GUIDANCE, device="cpu"
    )
    answers, rows = [], []
    for clip in a.clips:
        face = face_of(clip)
        teacher, tiny = [face.image], [face.image]
        for name in ASKED:
            teacher.append(painted(face, name))
            noise = torch.Generator().manual_seed(0)
            phrase = vocabulary.phrases(name, held_out=True)[0]
            tiny.append(editor.edit(face.image, phrase, STRENGTH, face.image, noise))
            answers.append(compare(clip.stem, name, face.image, teacher[-1], tiny[-1]))
            one = answers[-1]
            print(
                f"{one.clip} {one.instruction:14} inside {one.inside:.3f} outside "
                f"{one.outside:.3f} cosine {one.cosine:.2f} {'right' if one.right else 'WRONG'}"
            )
        rows += [teacher, tiny]
    share = float(np.mean([one.right for one in answers]))
    print(f"right: {share:.1%} of {len(answers)}")
    if a.grid:
        labels = [label for clip in a.clips for label in (f"{clip.stem} paint", "tiny")]
        Image.fromarray(sheet(rows, ["frame", *ASKED], labels, height=SIZE)).save(a.grid)
    if a.write:
        record = {
            "right": share,
            "edits": [{**asdict(one), "right": one.right} for one in answers],
            "machine": machine(),
            "computed": circumstances(),
        }
        write_text(a.write, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
