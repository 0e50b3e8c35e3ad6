"""Train the reader of style pictures: `python -m stkit.art.reader_training --people 60`.

Made-up people are painted in random styles by the kit's painter; the network learns to say which
numbers the painter had. Three quarters of an hour on one core.
"""

import argparse
import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stkit.art.art_style import PATTERNS, PROPORTIONS, ArtStyle, Colours
from stkit.art.gbuffer import GBuffer
from stkit.art.painter import true_layers
from stkit.art.proportions import shape_weights
from stkit.art.random_styles import random_proportions, random_style
from stkit.art.reader import KIND, TONES, WEIGHTS, ReaderNet, Reading, face_crop, numbers_of
from stkit.art.shading import region_colours, restyle
from stkit.cameras import front_camera
from stkit.face_models.landmarks import KEPT_66
from stkit.io.tensors import save_tensors
from stkit.progress import bar
from stkit.synthetic.subject import make_subject

PEOPLE_FROM = 5000  # seeds of the people who are painted
SIZE = 256  # pixels of a picture
SHAKE = 0.02  # of the eye distance: how far landmarks are off, as a detector's are
BATCH, RATE = 48, 2e-3
# how much each of a style's numbers counts, in the order of `numbers_of`
NUMBER_WEIGHTS = torch.tensor([3.0, 1.0, 0.5, 1.0, 1.0, 1.0, 2.0, 3.0])
PROPORTION_WEIGHT = 1.0


@dataclass(frozen=True)
class Sitter:
    """A made-up person, ready to be painted: layers, own colours, landmarks (66, 2) in pixels, and
    the proportions that the person was given.
    """

    layers: GBuffer
    own: dict[str, Colours]
    landmarks: Tensor
    proportions: dict[str, float]


def sitter(seed: int) -> Sitter:
    """Somebody with random proportions, in a random moment of a performance."""
    rng = np.random.default_rng((seed, 1))
    proportions = random_proportions(rng)
    subject = make_subject(seed, 20)
    person = subject.person.reshaped(**shape_weights(proportions))
    subject = replace(subject, person=person)
    t, camera = int(rng.integers(20)), front_camera(SIZE)
    layers = true_layers(subject, t, camera)
    landmarks = camera.project(subject.landmarks(t))[KEPT_66]
    return Sitter(layers, region_colours(layers), landmarks, proportions)


def example(who: Sitter, style: ArtStyle, draw: torch.Generator) -> Tensor:
    """A painted face (3, 160, 160); its landmarks are a little off."""
    picture = restyle(who.layers, style, who.own, 1.0, 1.0)
    eye = float((who.landmarks[36] - who.landmarks[45]).norm())
    off = SHAKE * eye * torch.randn(2, 2, generator=draw)
    landmarks = who.landmarks.clone()
    landmarks[[36, 45]] += off
    return face_crop(picture, landmarks)


@dataclass(frozen=True)
class Examples:
    """Faces (N, 3, 160, 160) as bytes, and what the painter had: tones and pattern (N,) by number,
    numbers (N, 8), proportions (N, 6).
    """

    faces: Tensor
    tones: Tensor
    pattern: Tensor
    numbers: Tensor
    proportions: Tensor

    def take(self, rows: list[int]) -> "Examples":
        """Some of them."""
        return Examples(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def examples(people: range, styles_each: int, first_style: int, progress=bar) -> Examples:
    """Each person in so many styles; no style twice."""
    draw = torch.Generator().manual_seed(first_style)
    rows: list[tuple[Tensor, ...]] = []
    for k, seed in enumerate(progress(people, desc="painting people")):
        who = sitter(seed)
        pushed = torch.tensor([who.proportions.get(name, 0.0) for name in PROPORTIONS])
        for j in range(styles_each):
            style = random_style(first_style + k * styles_each + j)
            face = (example(who, style, draw) * 255).round().byte()
            tones, pattern = TONES.index(style.tones), PATTERNS.index(style.pattern)
            numbers = numbers_of(style)
            rows.append((face, torch.tensor(tones), torch.tensor(pattern), numbers, pushed))
    return Examples(*(torch.stack(column) for column in zip(*rows)))


def reading_loss(found: Reading, truth: Examples) -> Tensor:
    """Cross entropy of tones and pattern, squared errors of the numbers. Width, detail and colour
    of lines count as far as there is ink, period and depth as far as there is a pattern.
    """
    ink = truth.numbers[:, :1]
    patterned = (truth.pattern > 0).float()[:, None]
    counts = torch.cat([torch.ones_like(ink), ink.repeat(1, 5), patterned, torch.ones_like(ink)], 1)
    error = functional.smooth_l1_loss(found.numbers, truth.numbers, reduction="none")
    return (
        functional.cross_entropy(found.tones, truth.tones)
        + functional.cross_entropy(found.pattern, truth.pattern)
        + (error * counts * NUMBER_WEIGHTS).mean() * 4
        + PROPORTION_WEIGHT * functional.mse_loss(found.proportions, truth.proportions)
    )


def train(data: Examples, steps: int, seed: int = 0, progress=bar) -> ReaderNet:
    """A network that has learned from the examples."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    net = ReaderNet()
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in progress(range(steps), desc="reading"):
        batch = data.take(rng.sample(range(len(data.faces)), BATCH))
        loss = reading_loss(Reading.split(net(batch.faces.float() / 255)), batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval()


@torch.no_grad()
def reading_scores(net: ReaderNet, data: Examples) -> dict[str, float]:
    """Shares of tones and patterns that are read right, and correlations of the numbers."""
    raw = torch.cat([net(part.float() / 255) for part in data.faces.split(64)])
    found = Reading.split(raw)
    inked, patterned = data.numbers[:, 0] > 0, data.pattern > 0
    tones = (found.tones.argmax(1) - data.tones).abs()
    return {
        "tones": float((tones == 0).float().mean()),
        "tones_within_one": float((tones <= 1).float().mean()),
        "pattern": float((found.pattern.argmax(1) == data.pattern).float().mean()),
        "ink": _correlation(found.numbers[:, 0], data.numbers[:, 0]),
        "ink_width": _correlation(found.numbers[inked, 1], data.numbers[inked, 1]),
        "period": _correlation(found.numbers[patterned, 6], data.numbers[patterned, 6]),
        "depth": _correlation(found.numbers[:, 7], data.numbers[:, 7]),
        "proportions": _correlation(found.proportions.flatten(), data.proportions.flatten()),
    }


def _correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--styles", type=int, default=120, help="of each person")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--write", type=Path, default=WEIGHTS)
    a = parser.parse_args(arguments)
    known = examples(range(PEOPLE_FROM, PEOPLE_FROM + a.people), a.styles, first_style=0)
    net = train(known, a.steps)
    people = range(PEOPLE_FROM + a.people, PEOPLE_FROM + a.people + 6)
    print(reading_scores(net, examples(people, 20, first_style=900_000)))
    state = {name: x.half() for name, x in net.state_dict().items()}
    save_tensors(a.write, state, {KIND: 1})


if __name__ == "__main__":
    main()
