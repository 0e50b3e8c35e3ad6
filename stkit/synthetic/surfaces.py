"""Colours of a person's surfaces, pixel by pixel: skin, cloth, eyes and the mouth's inside."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from stkit.face_models.makehuman import makehuman
from stkit.face_models.makehuman.head import PARTS
from stkit.space import FramePose
from stkit.synthetic import chart, eyes, mouth
from stkit.synthetic.body import CLOTH, Body
from stkit.synthetic.clothes import cloth_colour
from stkit.synthetic.colours import from_srgb
from stkit.synthetic.light import Lit, head_up

SKIN, MOUTH, EYE_L, EYE_R, TEETH_U, TEETH_L, TONGUE = (PARTS.index(name) for name in PARTS[:7])
# how far light travels below the skin, for each colour: it blurs the sky, and reaches around edges
SKIN_SOFTNESS, SKIN_WRAP = torch.tensor([0.45, 0.18, 0.10]), torch.tensor([0.32, 0.13, 0.08])
HARD = torch.zeros(3)
FACING = 0.028  # how much skin mirrors that is seen squarely
BROAD, NARROW = 14.0, 55.0  # powers of the two highlights of skin
LEAST_WRINKLE = 0.02  # of an action, below which a fold is not drawn
WRINKLES = {  # the actions that deepen each family of folds
    "forehead": {"browInnerUp": 0.6, "browOuterUpLeft": 0.4, "browOuterUpRight": 0.4},
    "frown": {"browDownLeft": 0.6, "browDownRight": 0.6},
    "crow": {
        "cheekSquintLeft": 0.4,
        "cheekSquintRight": 0.4,
        "eyeSquintLeft": 0.3,
        "eyeSquintRight": 0.3,
        "mouthSmileLeft": 0.2,
        "mouthSmileRight": 0.2,
    },
    "nasolabial": {
        "mouthSmileLeft": 0.6,
        "mouthSmileRight": 0.6,
        "noseSneerLeft": 0.3,
        "noseSneerRight": 0.3,
    },
    "nose": {"noseSneerLeft": 0.7, "noseSneerRight": 0.7},
}


@dataclass(frozen=True)
class Pixels:
    """What N pixels show: place on the mean head `mean` (N, 3), unit `normal` (N, 3) in the world,
    `part` (N,), how little lids shade an eye there `rim` (N,), and the light.
    """

    mean: Tensor
    normal: Tensor
    part: Tensor
    rim: Tensor
    lamp: Lit

    def of(self, *parts: int) -> tuple[Tensor, "Pixels"]:
        """The numbers of the pixels that show these parts, and those pixels."""
        at = torch.isin(self.part, torch.tensor(parts)).nonzero()[:, 0]
        lamp = self.lamp.of(at)
        return at, Pixels(self.mean[at], self.normal[at], self.part[at], self.rim[at], lamp)


def shade(body: Body, frame: FramePose, pixels: Pixels) -> Tensor:
    """Linear colours (N, 3)."""
    out = torch.zeros_like(pixels.mean)
    at, some = pixels.of(SKIN)
    out[at] = _skin(body, frame, some)
    at, some = pixels.of(CLOTH)
    out[at] = _cloth(body, some)
    for number in (EYE_L, EYE_R):
        at, some = pixels.of(number)
        if len(at):
            out[at] = eyes.shade(
                body.person, PARTS[number], some.mean, some.normal, some.rim, some.lamp
            )
    for number in (TEETH_U, TEETH_L):
        at, some = pixels.of(number)
        jaw = PARTS[number].removeprefix("teeth_")
        out[at] = mouth.shade_teeth(jaw, some.mean, some.normal, some.lamp)
    at, some = pixels.of(MOUTH, TONGUE)
    out[at] = mouth.shade_soft(some.mean, some.normal, some.lamp)
    return out


def _skin(body: Body, frame: FramePose, pixels: Pixels) -> Tensor:
    """Skin with its relief and its shine."""
    slopes = chart.slopes(_relief(body, frame.beta))
    textures = torch.cat([body.skin.colour, body.skin.gloss, slopes])
    colour, gloss, slope = chart.look_up(textures, pixels.mean).split([3, 1, 2], 1)
    normal, lamp = pixels.normal, pixels.lamp
    up = head_up(frame).expand_as(normal)
    across = normalize(torch.linalg.cross(up, normal), dim=1)
    upward = torch.linalg.cross(normal, across)
    bumped = normalize(normal - slope[:, :1] * across - slope[:, 1:] * upward, dim=1)
    softer = normalize(0.45 * normal + 0.55 * bumped, dim=1)  # light below the skin evens it out
    out = lamp.diffuse(softer, colour, SKIN_SOFTNESS, SKIN_WRAP)
    shine = 0.6 + 0.8 * body.person.skin.shine
    broad = 0.55 * lamp.specular(bumped, BROAD, FACING)
    narrow = 0.45 * lamp.specular(bumped, NARROW, FACING)
    return out + shine * gloss * (broad + narrow) + 0.006 * shine * lamp.sheen(normal)


def _relief(body: Body, beta: Tensor) -> Tensor:
    """The skin's relief (SIZE, SIZE) with the folds that an expression (64,) deepens."""
    names, relief = makehuman().expression_names, body.skin.relief
    for family, actions in WRINKLES.items():
        shares = (w * float(beta[names.index(name)].clamp(0, 1.2)) for name, w in actions.items())
        amount = sum(shares)
        if amount > LEAST_WRINKLE:
            relief = relief + amount * body.skin.wrinkles[family]
    return relief


def _cloth(body: Body, pixels: Pixels) -> Tensor:
    weave = chart.look_up(body.weave[None], pixels.mean)[:, 0]
    colour = from_srgb(cloth_colour(body.person.clothes, pixels.mean, weave))
    fuzz = 0.02 * pixels.lamp.sheen(pixels.normal)
    return pixels.lamp.diffuse(pixels.normal, colour, HARD, HARD) + fuzz
