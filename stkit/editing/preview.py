"""A first answer to a sentence within about a second: few views, few denoising steps, few of Adam.

Three views of the neutral frame are edited once at strength b and written into the head's features
and colour net under Eq. 8. What Eq. 8 gives no weight is held where it was. The full optimisation
(`loop.edit_head`) edits more pictures, many times, and moves everything; it can go on from here.
"""

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stkit.capture.capture import Capture
from stkit.diffusion.latent_editor import LatentEditor
from stkit.diffusion.protocols import Editor
from stkit.editing.settings import EditSettings
from stkit.editing.shots import Shot, shot_landmarks
from stkit.editing.weights import landmark_set, point_weights, share, weight_image
from stkit.errors import RequestError
from stkit.geometry import generator
from stkit.heads.gaussian import GaussianHead
from stkit.render.gaussians import Gaussians
from stkit.training import cosine

# Chosen on one made-up person; `studies.previews` measures on others.
AZIMUTHS = (0.0, -25.0, 25.0)  # degrees: the edited views
DENOISING_STEPS = 3
STEPS = 30  # of Adam, one view after the other
FEATURE_RATE, NET_RATE, LAST_RATE = 0.03, 5e-4, 0.1  # the last as a share of the first
CLOSENESS = 0.65  # how much of the way to the edited view: many edits at many b end before it
LEAST_WEIGHT = 0.05  # Gaussians of less keep their features
STRONG = 0.7  # the usual b of a preview


@dataclass(frozen=True)
class Base:
    """What previews of one head share: the head and capture, its Gaussians at rest, and shots."""

    head: GaussianHead
    capture: Capture
    rest: Gaussians
    shots: tuple[Shot, ...]

    @staticmethod
    @torch.no_grad()
    def of(head: GaussianHead, capture: Capture) -> "Base":
        """Of a head as it is, with the landmarks of its capture."""
        frame = capture.frame_pose(capture.neutral)
        rest = head.canonical(frame.beta, frame.pose)
        shots = []
        for azimuth, camera in zip(AZIMUTHS, capture.orbit_cameras(AZIMUTHS)):
            picture = head.place(rest, frame).render(camera)[0].clamp(0, 1)
            shots.append(Shot(f"view {azimuth:+.0f} deg", camera, frame, picture, picture))
        return Base(head, capture, rest, tuple(shots))


def preview(base: Base, editor: Editor, settings: EditSettings, b: float = STRONG) -> GaussianHead:
    """The head after a first look at an edit; `base.head` stays as it is.

    settings: prompt, alpha, boundary, landmarks and seed count. Raises the editor's PromptError,
    or RequestError where the editor edits all views together only.
    """
    editor.check(settings.prompt)
    if editor.wants_depth:
        raise RequestError(f"{editor.name} edits all views together: a preview cannot use it")
    head = copy.deepcopy(base.head)
    w = point_weights(head, landmark_set(base.capture, settings.landmarks), settings.alpha)
    counted = share(w, b, settings.b_boundary)
    targets = edited_views(base, editor, settings, b)
    _fit(head, base, targets, counted)
    return head


def edited_views(base: Base, editor: Editor, settings: EditSettings, b: float) -> list[Tensor]:
    """A target (H, W, 3) for each shot: `CLOSENESS` of the way to the shot edited at strength b."""
    quick = editor.quicker(DENOISING_STEPS) if isinstance(editor, LatentEditor) else editor
    noise = generator(settings.seed, "preview")
    targets = []
    for shot in base.shots:
        points = shot_landmarks(base.head, shot).cpu()
        before = shot.original.cpu()
        edited = quick.edit(before, settings.prompt, b, before, noise, landmarks=points)
        targets.append((before + CLOSENESS * (edited - before)).to(shot.original.device))
    return targets


def _fit(head: GaussianHead, base: Base, targets: list[Tensor], counted: Tensor) -> None:
    """Fit features and colour net to targets, by the share (N,) that each Gaussian counts."""
    nets = [*head.color.parameters()]
    groups = [{"params": [head.feature], "lr": FEATURE_RATE}, {"params": nets, "lr": NET_RATE}]
    adam = torch.optim.Adam(groups)
    rates = [group["lr"] for group in adam.param_groups]
    maps = [weight_image(base.head, counted, s.camera, s.frame) for s in base.shots]
    held = counted < LEAST_WEIGHT
    for k in range(STEPS):
        for group, rate in zip(adam.param_groups, rates):
            group["lr"] = rate * cosine(k, STEPS, LAST_RATE)
        turn = k % len(targets)
        shot, m = base.shots[turn], maps[turn]
        picture = _picture(head, base.rest, shot)
        miss, moved = (picture - targets[turn]).abs(), (picture - shot.original).abs()
        loss = (m * miss + (1 - m) * moved).mean()
        adam.zero_grad()
        loss.backward()
        if head.feature.grad is not None:
            head.feature.grad[held] = 0
        adam.step()


def _picture(head: GaussianHead, rest: Gaussians, shot: Shot) -> Tensor:
    """The shot (H, W, 3) with the head's present colours; all else is at rest."""
    frame = shot.frame
    colours = head.color(head.feature, head.share, head.known(frame.beta), frame.pose)
    return head.place(replace(rest, colors=colours), frame).render(shot.camera)[0]
