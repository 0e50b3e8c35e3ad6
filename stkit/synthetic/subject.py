"""The synthetic subject: a made-up person and a performance; every stage can meet the truth."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera
from stkit.errors import RequestError
from stkit.face_models.makehuman import makehuman
from stkit.geometry import generator
from stkit.space import FramePose, to_world
from stkit.synthetic.backdrop import backdrop
from stkit.synthetic.body import Body, embody
from stkit.synthetic.performance import UNIT, Performance, perform, rest_pose
from stkit.synthetic.person import Person, random_person
from stkit.synthetic.picture import Picture, draw

CAST = {"mara": 63, "walter": 43, "zola": 29, "sami": 67}  # the made-up people of the docs
DEMO_SEED = CAST["mara"]  # the subject of 'synthetic' without a seed
NOISE = 0.006  # standard deviation of a film's noise
NAMED_SECONDS = 6.0  # how long a subject that is named by its seed performs


@dataclass(frozen=True)
class Subject:
    """A made-up person who performs; scale is 1, so canonical decimetres are world decimetres.

    `shape` (V, 3): vertices at rest of the face model's, where they are not the person's own.
    """

    person: Person
    performance: Performance
    shape: Tensor | None = None

    @cached_property
    def body(self) -> Body:
        """The person ready to be drawn; takes about two seconds."""
        return embody(self.person, self.shape)

    def render(
        self, t: int | None, camera: Camera, beta: Tensor | None = None, pose: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Image (H, W, 3) over white and matte (H, W, 1), the truth for any camera, in [0, 1].

        t: the frame; `beta` (64,) and `pose` (6,) stand in for the performance's, and must both be
        given where t is None: the chest then rests.
        """
        picture = self.picture(t, camera, beta, pose)
        return picture.image + (1 - picture.matte), picture.matte

    def picture(
        self, t: int | None, camera: Camera, beta: Tensor | None = None, pose: Tensor | None = None
    ) -> Picture:
        """The same with depth and parts, and without a background."""
        return draw(self.body, self._frame_pose(t, beta, pose), camera)

    def landmarks(self, t: int) -> Tensor:
        """True 68 landmarks of frame t in the world (68, 3), decimetres."""
        verts = self.body.canonical(self.performance.beta[t])
        return to_world(verts[makehuman().landmarks], self.performance.frame_pose(t))

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


LONGEST_SEED = 18  # digits: the number fits a generator of torch


def synthetic_seed(text: str) -> int | None:
    """The seed that 'synthetic', 'synthetic:SEED' or 'synthetic:NAME' names; None for another text.

    Names are those of `CAST`. Raises ValueError where the seed is no name and no whole number.
    """
    word, colon, seed = text.partition(":")
    if word != "synthetic":
        return None
    if not colon:
        return DEMO_SEED
    if seed in CAST:
        return CAST[seed]
    if not (seed.isascii() and seed.isdigit() and len(seed) <= LONGEST_SEED):
        raise RequestError(
            f"{text[:60]!r}: write 'synthetic', or 'synthetic:' and a whole number or one of "
            f"{', '.join(CAST)}; a number has at most {LONGEST_SEED} digits"
        )
    return int(seed)


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
    return Subject(random_person(seed), perform(seed, frames, seconds))


def film(subject: Subject, size: int, t: int) -> Tensor:
    """Frame t as a camera would record it (S, S, 3), in [0, 1]: the subject before a backdrop, with
    the sensor's noise.
    """
    picture = subject.picture(t, front_camera(size))
    behind = backdrop(size, subject.person.seed)
    clean = picture.image + (1 - picture.matte) * behind
    noise = NOISE * torch.randn(clean.shape, generator=generator(subject.person.seed, "noise", t))
    return (clean + noise).clamp(0, 1)
