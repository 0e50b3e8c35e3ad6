"""Eyes: sclera, iris with its limbus, pupil, the shade of the lids, and the wet highlight."""

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from stkit.cameras import Camera
from stkit.face_models.makehuman import makehuman
from stkit.synthetic.light import Lit
from stkit.synthetic.person import Person

IRIS, PUPIL = 0.40, 0.15  # radii as sines of the angle from the eye's axis
SCLERA = torch.tensor([0.66, 0.62, 0.58])  # linear RGB
LIMBUS = 0.05  # how wide the iris's dark border is
RIM = 0.05  # decimetres that lids shade the eye
SOFTNESS, WRAP = torch.tensor([0.4, 0.3, 0.25]), torch.tensor([0.25, 0.2, 0.2])
BULGE = 0.45  # how much the cornea bends a reflection more than the eyeball


def shade(
    person: Person, part: str, mean: Tensor, normal: Tensor, rim: Tensor, lamp: Lit
) -> Tensor:
    """Linear colours (N, 3) of one eye's pixels; rim (N,): how little the lids shade each."""
    centre = makehuman().middle_of(part, makehuman().mean)
    axis = normalize(torch.tensor([0.06 if part == "eye_l" else -0.06, 0.0, 1.0]), dim=0)
    d = normalize(mean - centre, dim=1)
    across = d - (d @ axis)[:, None] * axis
    radius = torch.where(d @ axis > 0, across.norm(dim=1), 1.0)
    colour = _colour(person, radius, torch.atan2(across[:, 1], across[:, 0]))
    open_sky = rim[:, None]
    soft = Lit(lamp.env, lamp.view, 0.15 + 0.85 * open_sky, lamp.lit * open_sky[:, 0])
    out = soft.diffuse(normal, colour, SOFTNESS, WRAP)
    on_iris = torch.sigmoid((IRIS - radius) / 0.02)
    middle = normalize((normal * on_iris[:, None]).sum(0) + 1e-6 * normal.mean(0), dim=0)
    cornea = normalize(normal + BULGE * on_iris[:, None] * (normal - middle), dim=1)
    wet = 5.0 * soft.specular(cornea, 900.0, 0.03) + 1.2 * soft.specular(cornea, 120.0, 0.02)
    return out + wet * open_sky


def _colour(person: Person, radius: Tensor, angle: Tensor) -> Tensor:
    """Linear colours (N, 3) by radius and angle (N,) around the eye's axis."""
    shown = torch.tensor(person.iris)
    iris = shown**2.2
    rays = sum(torch.sin(k * angle + person.seed * k) * (0.35 / k**0.5) for k in (9, 17, 31, 43))
    rays = rays * ((radius - PUPIL) / (IRIS - PUPIL)).clamp(0, 1)
    ring = 0.35 * torch.exp(-(((radius - PUPIL - 0.06) / 0.05) ** 2))
    inner = iris * (1 + 0.35 * rays + ring)[:, None].clamp_min(0.3)
    limbus = torch.sigmoid((radius - IRIS + LIMBUS) / 0.018)
    inner = inner * (1 - 0.75 * limbus)[:, None]
    veins = 0.10 * torch.sigmoid((radius - 0.75) / 0.08)
    white = SCLERA * (1 - veins[:, None] * torch.tensor([0.2, 1.0, 1.0]))
    out = torch.lerp(white, inner, torch.sigmoid((IRIS - radius) / 0.012)[:, None])
    return out * (1 - 0.97 * torch.sigmoid((PUPIL - radius) / 0.012))[:, None]


def rim_shade(eye: Tensor, camera: Camera) -> Tensor:
    """How little lids shade each pixel (H, W) of an eye's mask (H, W); 1 elsewhere."""
    if not eye.any():
        return torch.ones(eye.shape)
    per_decimetre = float(camera.K[0, 0]) / float(camera.viewmat[2, 3].clamp_min(1))
    size = max(int(RIM * per_decimetre), 1)
    rows, columns = torch.nonzero(eye).unbind(1)
    top, left = int(rows.min()), int(columns.min())
    cut = eye[top : int(rows.max()) + 1, left : int(columns.max()) + 1].float()
    padded = pad(cut[None], (size, size, 2 * size, 0))
    sums = pad(padded.cumsum(1).cumsum(2), (1, 0, 1, 0))
    k = 2 * size + 1
    box = sums[:, k:, k:] - sums[:, :-k, k:] - sums[:, k:, :-k] + sums[:, :-k, :-k]
    shade = ((box[0] / k**2 - 0.25) / 0.6).clamp(0, 1)
    out = torch.ones(eye.shape)
    out[rows, columns] = shade[rows - top, columns - left]
    return out
