"""From a style picture to an art style: colours are measured, the rest is read by a small network.

The network has learned from pictures by the kit's painter alone (`reader_training`), so it is a
stand-in: of a picture by a person's hand it tells what the painter would have done to get there.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stkit.art.art_style import PATTERNS, PROPORTIONS, SMOOTH_TONES, ArtStyle
from stkit.art.gallery import named_style
from stkit.art.gbuffer import GBuffer
from stkit.art.regions import picture_regions
from stkit.art.shading import region_colours
from stkit.capture.detect import still_landmarks
from stkit.capture.mattes import mattes_of
from stkit.errors import RequestError
from stkit.face_models.landmarks import KEPT_66
from stkit.io import video
from stkit.io.tensors import load_tensors

WEIGHTS = Path(__file__).parent / "reader.safetensors"
KIND = "reader of art styles"
CROP = 160  # pixels of the face that the network sees
FACE = 2.9  # eye distances that the crop is wide and high: hair and jaw are in it
BLURS = (0.006, 0.012, 0.02)  # of the width: faces that lines or dots hide show when blurred
TONES = tuple(range(2, SMOOTH_TONES + 1))
LEAST_INK, LEAST_DEPTH = 0.15, 0.12  # what the network reads below this is taken for none
WIDTH_UNIT, PERIOD_UNIT = 0.03, 0.1  # decimetres that count as 1


class ReaderNet(nn.Module):
    """A face (B, 3, 160, 160) to numbers (B, K): see `Reading`."""

    def __init__(self, width: int = 24):
        super().__init__()
        sizes = [3, width, 2 * width, 3 * width, 4 * width]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 5 if a == 3 else 3, stride=2, padding=2 if a == 3 else 1)
            for a, b in zip(sizes, sizes[1:])
        )
        self.norms = nn.ModuleList(nn.GroupNorm(8, n) for n in sizes[1:])
        self.hidden = nn.Linear(4 * width * (1 + 16), 128)
        self.out = nn.Linear(128, Reading.SIZE)

    def forward(self, face: Tensor) -> Tensor:
        """Raw numbers, as `Reading.split` takes them apart."""
        x = 2 * face - 1
        for conv, norm in zip(self.convs, self.norms):
            x = functional.gelu(norm(conv(x)))
        everywhere = x.square().mean((2, 3)).sqrt()  # how strong, wherever it is
        places = functional.adaptive_avg_pool2d(x, 4).flatten(1)
        return self.out(functional.gelu(self.hidden(torch.cat([everywhere, places], 1))))


@dataclass(frozen=True)
class Reading:
    """A network's answer: tones (B, 8) and pattern (B, 6) as logits; numbers (B, 8): ink, width,
    detail, ink's colour (3), log period, depth; proportions (B, 6).
    """

    tones: Tensor
    pattern: Tensor
    numbers: Tensor
    proportions: Tensor
    SIZE = len(TONES) + len(PATTERNS) + 8 + len(PROPORTIONS)

    @staticmethod
    def split(raw: Tensor) -> "Reading":
        """Numbers (B, SIZE) by their names."""
        sizes = [len(TONES), len(PATTERNS), 8, len(PROPORTIONS)]
        return Reading(*raw.split(sizes, 1))


def numbers_of(style: ArtStyle) -> Tensor:
    """The eight numbers of a style, as a network shall read them."""
    return torch.tensor(
        [
            style.ink,
            style.ink_width / WIDTH_UNIT,
            style.detail,
            *style.ink_colour,
            float(np.log(style.period / PERIOD_UNIT)),
            style.depth,
        ]
    )


def style_of(reading: Reading, name: str) -> ArtStyle:
    """The style, without colours, of a reading of one picture."""
    ink, width, detail, red, green, blue, period, depth = reading.numbers[0].tolist()
    pattern = PATTERNS[int(reading.pattern[0].argmax())]
    plain = pattern == "none" or depth < LEAST_DEPTH
    pushed = reading.proportions[0].clamp(-1, 1).tolist()
    colour = (max(red, 0.0), max(green, 0.0), max(blue, 0.0))
    return ArtStyle(
        name,
        tones=TONES[int(reading.tones[0].argmax())],
        ink=0.0 if ink < LEAST_INK else min(ink, 1.0),
        ink_width=min(max(width * WIDTH_UNIT, 0.01), 0.06),
        ink_colour=colour,
        detail=min(max(detail, 0.0), 1.0),
        pattern="none" if plain else pattern,
        period=min(max(PERIOD_UNIT * float(np.exp(period)), 0.03), 0.3),
        depth=0.0 if plain else min(depth, 1.0),
        proportions=dict(zip(PROPORTIONS, pushed)),
    )


def face_crop(picture: Tensor, landmarks: Tensor) -> Tensor:
    """The face (3, 160, 160) of a picture (H, W, 3), upright and of one size, by its 66 landmarks
    (66, 2) in pixels.
    """
    right, left = landmarks[36], landmarks[45]
    middle = 0.5 * (right + left) + 0.35 * (landmarks[8] - 0.5 * (right + left))
    along = left - right
    across = torch.stack([-along[1], along[0]])
    step = (torch.arange(CROP) + 0.5) / CROP - 0.5
    y, x = torch.meshgrid(step, step, indexing="ij")
    at = middle + FACE * (x[..., None] * along + y[..., None] * across)
    height, width = picture.shape[:2]
    grid = 2 * at / torch.tensor([width, height]) - 1
    planes = picture.permute(2, 0, 1)[None]
    return functional.grid_sample(planes, grid[None], align_corners=False, padding_mode="border")[0]


@lru_cache(maxsize=1)
def load_reader(file: Path = WEIGHTS) -> ReaderNet:
    """The network that ships."""
    state, _ = load_tensors(file, KIND)
    net = ReaderNet()
    net.load_state_dict({name: x.float() for name, x in state.items()})
    return net.eval()


@torch.no_grad()
def read_style(picture: Tensor, name: str = "picture", landmarks: Tensor | None = None) -> ArtStyle:
    """The style of a picture (H, W, 3) in [0, 1] that shows a face from the front.

    landmarks (66, 2), pixels: where they are, if MediaPipe cannot find the face. Raises
    RequestError naming the picture where no face is found.
    """
    array = np.ascontiguousarray((picture * 255).round().byte().numpy())
    if landmarks is None:
        blurs = [cv2.GaussianBlur(array, (0, 0), share * array.shape[1]) for share in BLURS]
        found = next((p for p in still_landmarks([array, *blurs]) if p is not None), None)
        if found is None:
            raise RequestError(
                f"{name}: no face was found in this picture; give a portrait from the front, or "
                "its 66 landmarks (`stkit.art.reader.read_style`, landmarks=...)"
            )
        landmarks = torch.from_numpy(found).float()[KEPT_66]
    matte = torch.from_numpy(mattes_of(array[None])[0]).float()[..., None] / 255
    shown = picture * matte + (1 - matte)
    regions = picture_regions(shown, landmarks)
    nothing = torch.zeros_like(picture)
    layers = GBuffer(shown, matte, nothing, nothing, regions, 1.0)
    style = style_of(Reading.split(load_reader()(face_crop(picture, landmarks)[None])), name)
    return replace(style, colours=region_colours(layers))


def read_picture(path: Path) -> Tensor:
    """A picture file (H, W, 3) in [0, 1]. Raises VideoError naming the file where it is none."""
    return torch.from_numpy(video.read_picture(path).astype(np.float32)) / 255


def find_style(text: str) -> ArtStyle:
    """What `--art_style_id` names: a style of the gallery by number or name, or a picture file."""
    known = named_style(text)
    return known or read_style(read_picture(Path(text)), Path(text).name)
