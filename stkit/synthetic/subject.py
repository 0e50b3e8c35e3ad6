"""The synthetic subject: the built-in head with a look and a scripted performance, where every stage can meet the truth."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import Camera, front_camera
from stkit.geometry import generator
from stkit.render import render_mesh
from stkit.space import FramePose, to_world
from stkit.synthetic.appearance import Style, albedo, normals_of, random_style, shade
from stkit.synthetic.performance import UNIT, Performance, perform, rest_pose

DEMO_SEED = 10  # the subject of 'synthetic' without a seed


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
        """Image (H, W, 3) over white and matte (H, W, 1) of frame t (or of a given beta and pose), truth for any camera."""
        p = self.performance
        beta = p.beta[t] if beta is None else beta
        pose = p.pose[t] if pose is None else pose
        torso = p.torso[t] if t is not None else torch.zeros(6)
        head = face_models.get("builtin")
        canonical = head.verts(self.identity, beta)
        world = to_world(canonical, FramePose(beta, pose, torso, UNIT, rest_pose()))
        colours = shade(
            albedo(head.surface, self.style),
            normals_of(world, head.faces),
            head.surface,
            self.style,
        )
        out = render_mesh(
            world, head.faces, colours, camera.resized(2 * camera.width), background=1.0
        )
        half = lambda x: torch.nn.functional.avg_pool2d(x.permute(2, 0, 1), 2).permute(1, 2, 0)
        return half(out.image).clamp(0, 1), half(out.mask).clamp(0, 1)

    def landmarks(self, t: int) -> Tensor:
        """True 68 landmarks of frame t in the world (68, 3), decimetres."""
        head = face_models.get("builtin")
        points = head.verts(self.identity, self.performance.beta[t])[head.landmarks]
        return to_world(points, self.performance.frame_pose(t))


def make_subject(seed: int, frames: int = 150, seconds: float | None = None) -> Subject:
    """A subject and a performance of `frames` frames over `seconds` (default: 25 a second), from a seed."""
    g = generator(seed, "identity")
    identity = torch.randn(80, generator=g) * 0.55
    identity[40:] *= 0.3
    identity = identity.clamp(-1.3, 1.3)
    return Subject(seed, identity, random_style(seed), perform(seed, frames, seconds))


def backdrop(size: int, seed: int) -> Tensor:
    """A plain room behind the subject (S, S, 3): two walls and light, so that matting has something to remove."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    tint = torch.rand(3, generator=generator(seed, "backdrop")) * 0.25
    base = torch.tensor([0.50, 0.56, 0.60]) - 0.1 + tint
    return (base * (0.75 + 0.30 * (1 - y) + 0.10 * x)[..., None]).clamp(0, 1)


def film(subject: Subject, size: int, t: int) -> Tensor:
    """Frame t as a camera would record it (S, S, 3): the subject before the backdrop, in [0, 1]."""
    image, matte = subject.render(t, front_camera(size))
    return image - (1 - matte) + (1 - matte) * backdrop(size, subject.seed)


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
        raise ValueError(
            f"{text!r}: write 'synthetic' or 'synthetic:SEED' with a whole number"
        ) from e


def named_subject(text: str, frames: int) -> Subject:
    """The subject that 'synthetic' or 'synthetic:SEED' names, filmed for 6 seconds in `frames` frames."""
    seed = synthetic_seed(text)
    if seed is None:
        raise ValueError(f"{text!r} names no synthetic subject")
    return make_subject(seed, frames, seconds=6.0)
