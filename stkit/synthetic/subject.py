"""The synthetic subject: the built-in head with a look and a performance; every stage can meet the
truth.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from stkit import face_models
from stkit.cameras import Camera, front_camera
from stkit.errors import RequestError
from stkit.geometry import generator
from stkit.render import render_mesh
from stkit.space import FramePose, to_world
from stkit.synthetic.appearance import Style, albedo, normals_of, random_style, shade
from stkit.synthetic.performance import UNIT, Performance, perform, rest_pose

DEMO_SEED = 10  # the subject of 'synthetic' without a seed
NAMED_SECONDS = 6.0  # how long a subject that is named by its seed performs

# identities: standard deviations along the head's identity directions; chosen by eye
IDENTITY_SPREAD = 0.55
ASYMMETRY_FROM = 40  # of the 80 directions: from here on they are finer, and move less
ASYMMETRY_SHARE = 0.3
IDENTITY_LIMIT = 1.3


@dataclass(frozen=True)
class Subject:
    """A person made from a seed; scale is 1, so canonical decimetres are world decimetres."""

    seed: int
    identity: Tensor
    style: Style
    performance: Performance

    def render(
        self, t: int | None, camera: Camera, beta: Tensor | None = None, pose: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Image (H, W, 3) over white and matte (H, W, 1), the truth for any camera, in [0, 1].

        t: the frame; `beta` (64,) and `pose` (6,) stand in for the performance's, and must both be
        given where t is None: the chest then rests.
        """
        frame = self._frame_pose(t, beta, pose)
        head = face_models.builtin()
        world = to_world(head.verts(self.identity, frame.beta), frame)
        base = albedo(head.surface, self.style)
        colours = shade(base, normals_of(world, head.faces), head.surface, self.style)
        large = camera.resized(2 * camera.width)  # rendered twice as large, against aliasing
        out = render_mesh(world, head.faces, colours, large, background=1.0)
        return _halved(out.image).clamp(0, 1), _halved(out.mask).clamp(0, 1)

    def landmarks(self, t: int) -> Tensor:
        """True 68 landmarks of frame t in the world (68, 3), decimetres."""
        head = face_models.builtin()
        points = head.verts(self.identity, self.performance.beta[t])[head.landmarks]
        return to_world(points, self.performance.frame_pose(t))

    def _frame_pose(self, t: int | None, beta: Tensor | None, pose: Tensor | None) -> FramePose:
        """Frame t with another beta or pose, or these alone."""
        if t is not None:
            own = self.performance.frame_pose(t)
            beta = own.beta if beta is None else beta
            pose = own.pose if pose is None else pose
            return FramePose(beta, pose, own.torso, own.scale, own.rest)
        if beta is None or pose is None:
            raise RequestError("without a frame number both beta and pose are needed")
        return FramePose(beta, pose, torch.zeros(6), UNIT, rest_pose())


def synthetic_seed(text: str) -> int | None:
    """The seed that 'synthetic' or 'synthetic:SEED' names; None for any other text.

    Raises ValueError where the seed is no whole number.
    """
    word, colon, seed = text.partition(":")
    if word != "synthetic":
        return None
    if not colon:
        return DEMO_SEED
    try:
        return int(seed)
    except ValueError as e:
        raise RequestError(
            f"{text!r}: write 'synthetic' or 'synthetic:SEED' with a whole number"
        ) from e


def named_subject(source: str, frames: int) -> Subject:
    """The subject that 'synthetic' or 'synthetic:SEED' names, with 6 seconds in `frames` frames.

    Raises ValueError for every other source.
    """
    seed = synthetic_seed(source)
    if seed is None:
        raise RequestError(f"{source!r} names no synthetic subject")
    return make_subject(seed, frames, seconds=NAMED_SECONDS)


def make_subject(seed: int, frames: int = 150, seconds: float | None = None) -> Subject:
    """A subject and a performance of `frames` frames over `seconds` (default: 25 a second)."""
    identity = torch.randn(80, generator=generator(seed, "identity")) * IDENTITY_SPREAD
    identity[ASYMMETRY_FROM:] *= ASYMMETRY_SHARE
    identity = identity.clamp(-IDENTITY_LIMIT, IDENTITY_LIMIT)
    return Subject(seed, identity, random_style(seed), perform(seed, frames, seconds))


def backdrop(size: int, seed: int) -> Tensor:
    """A plain room behind the subject (S, S, 3): two walls and light, for matting to remove."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    tint = torch.rand(3, generator=generator(seed, "backdrop")) * 0.25
    base = torch.tensor([0.50, 0.56, 0.60]) - 0.1 + tint
    return (base * (0.75 + 0.30 * (1 - y) + 0.10 * x)[..., None]).clamp(0, 1)


def film(subject: Subject, size: int, t: int) -> Tensor:
    """Frame t as a camera would record it (S, S, 3), in [0, 1]: the subject before the backdrop."""
    image, matte = subject.render(t, front_camera(size))
    return image - (1 - matte) + (1 - matte) * backdrop(size, subject.seed)


def _halved(picture: Tensor) -> Tensor:
    """A picture (2H, 2W, C) at half its size (H, W, C), by the mean of every four pixels."""
    return avg_pool2d(picture.permute(2, 0, 1), 2).permute(1, 2, 0)
