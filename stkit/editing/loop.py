"""The edit stage: edit the renders, fit the head to the edits, weigh by Eq. 8, repeat (Sec.
3.3).
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from stkit.capture import Capture
from stkit.capture.rig import Rig
from stkit.diffusion.depth import disparity
from stkit.diffusion.protocols import Editor, JointEditor
from stkit.editing.generations import Generations
from stkit.editing.methods import Method, get_method
from stkit.editing.region import region_mask, trace_region
from stkit.editing.settings import EditSettings
from stkit.editing.shots import Shot, make_shots, rendered, shot_landmarks
from stkit.editing.targets import Shifts, Targets
from stkit.editing.weights import landmark_set, point_weights, share, weight_image
from stkit.errors import RequestError
from stkit.face_models.makehuman.shape_words import read_shape
from stkit.geometry import generator
from stkit.heads.gaussian import GaussianHead
from stkit.heads.reshaping import reshaped
from stkit.render.gaussians import Gaussians
from stkit.training import Training, reproducible, run_steps
from stkit.views import Views

FORGET_EVERY = 100  # steps between two evaluations of the frozen deformation: points hardly move


@dataclass(frozen=True)
class EditResult:
    """The edited head, the loss and b of every step, the shots with their last targets, and every
    edit (step, shot, b).
    """

    head: GaussianHead
    history: dict[str, list[float]]
    shots: list[Shot]
    log: list[dict]


@reproducible()
def edit_head(
    head: GaussianHead,
    capture: Capture,
    views: Views | None,
    editor: Editor,
    settings: EditSettings,
    frames: list[int],
    checkpoint: Path | None = None,
    progress=lambda x, **k: x,
    rig: Rig | None = None,
    watch: Callable[[int, GaussianHead], None] | None = None,
    unedited: GaussianHead | None = None,
) -> EditResult:
    """An edited copy of `head`, which stays as it is.

    What learns is the method's choice (ours: all Gaussian attributes, the colour and attribute
    nets); the deformation stays frozen, so that the edited head is animated as before (reading 25).
    With a rig its true pictures take the place of the views. Where the shape has changed, renders
    of the head take the place of all pictures, since nobody has filmed it: of `unedited`, where the
    head goes on from an edit. watch: called with each step's number and the head after it. Raises
    the editor's PromptError, or ValueError where method, mode and editor do not go together, before
    any step.
    """
    method = get_method(settings.method)
    check_request(method, editor, settings)
    if settings.shape:
        head, capture = reshaped(head, capture, read_shape(settings.shape))
    if settings.only_shape:
        return EditResult(head, {}, [], [])
    shots = make_shots(capture, views and views.to(capture.device), frames, settings.frames, rig)
    if len(head.moved):
        shots = rendered(unedited or head, shots)
    edit = Edit(copy.deepcopy(head), capture, shots, editor, method, settings)
    training = Training("edit", settings.steps, edit.watched(watch), edit.state())
    history = run_steps(training, checkpoint, progress)
    return EditResult(edit.head, history, shots, edit.targets.log)


def check_request(method: Method, editor: Editor, settings: EditSettings) -> None:
    """Raise ValueError with the remedy if method, mode, prompt and editor do not go together."""
    if settings.only_shape:
        return
    editor.check(settings.prompt)
    if settings.mode == "grad" and method.weighting != "eq8":
        raise RequestError(
            f"mode 'grad' scales gradients by Eq. 8; method {method.name!r} does not weigh by it: "
            "take mode 'pixel'"
        )
    if method.together and not isinstance(editor, JointEditor):
        raise RequestError(
            f"method {method.name!r} works in a diffusion model's attention, and the editor is "
            f"{editor.name}: take --editor tiny or an InstructPix2Pix folder"
        )
    if editor.wants_depth and not method.together:
        raise RequestError(
            f"{editor.name} edits all views together under their depth: take the method "
            f"'gaussctrl', not {method.name!r}"
        )


class Edit:
    """The state of one optimisation: head, targets, optimiser and random numbers."""

    def __init__(
        self,
        head: GaussianHead,
        capture: Capture,
        shots: list[Shot],
        editor: Editor,
        method: Method,
        settings: EditSettings,
    ):
        self.head, self.editor, self.method, self.settings = head, editor, method, settings
        self.shots, self.targets, self.shifts = shots, Targets(shots), Shifts(head)
        self.generator = generator(settings.seed, "edit")
        self.w = point_weights(head, landmark_set(capture, settings.landmarks), settings.alpha)
        self.weight_maps = [weight_image(head, self.w, s.camera, s.frame) for s in shots]
        head.deformation.requires_grad_(False)
        self.optimiser = torch.optim.Adam(self._groups(), eps=1e-15, fused=True)
        self.generations = self._generations() if method.region else None

    def _groups(self) -> list[dict]:
        """What the method lets learn, and how fast."""
        head, s = self.head, self.settings
        parts = {
            "feature": ([head.feature], s.lr_color),
            "xyz": ([head.xyz], s.lr_xyz),
            "log_scales": ([head.log_scales], s.lr_scales),
            "quats": ([head.quats], s.lr_scales),
            "opacity_logits": ([head.opacity_logits], s.lr_opacity),
            "nets": ([*head.color.parameters(), *head.attributes.parameters()], s.lr_nets),
        }
        return [{"params": parts[name][0], "lr": parts[name][1]} for name in self.method.moves]

    def _generations(self) -> Generations:
        chosen = self.settings.region or self.method.region
        masks = [
            region_mask(s.original.cpu(), shot_landmarks(self.head, s).cpu(), chosen).to(
                s.original.device
            )
            for s in self.shots
        ]
        region = trace_region(self.head, self.shots, masks)
        return Generations(self.head, self.optimiser, region, self.method.anchor)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps. Generations come first: a checkpoint's head may have more
        points.
        """
        grown = {"generations": self.generations} if self.generations else {}
        return grown | {
            "head": self.head,
            "optimiser": self.optimiser,
            "generator": self.generator,
            "targets": self.targets,
            "shifts": self.shifts,
        }

    def watched(
        self, watch: Callable[[int, GaussianHead], None] | None
    ) -> Callable[[int], dict[str, float]]:
        """`step`, with somebody who looks at the head after each."""

        def step(k: int) -> dict[str, float]:
            done = self.step(k)
            if watch:
                watch(k, self.head)
            return done

        return step

    def step(self, k: int) -> dict[str, float]:
        """Edit what is due, then one step of Adam on one shot."""
        self._densify(k)
        self._edit_what_is_due(k)
        index = self._pick()
        shot = self.shots[index]
        image = self._gaussians(shot).render(shot.camera)[0]
        difference = (image - shot.target).abs()  # Eq. 7
        if self.settings.mode == "pixel":
            w = self.weight_maps[index]
            difference = self.method.weigh(difference, w, shot.b, self.settings.b_boundary)
        loss = self.method.w_picture * difference.mean()
        if self.generations:
            loss = loss + self.generations.loss()
        self.optimiser.zero_grad()
        loss.backward()
        if self.generations:
            self.generations.mask_gradients()
        self.optimiser.step()
        return {"loss": loss.item(), "b": shot.b}

    def _pick(self) -> int:
        return int(torch.randint(len(self.shots), (1,), generator=self.generator))

    def _densify(self, k: int) -> None:
        every = self.method.densify
        due = bool(self.generations and every and k and k % every == 0)
        if self.generations and due:
            self.generations.densify(self.generator)
        if due or k % FORGET_EVERY == 0:
            self.shifts.known.clear()

    def _edit_what_is_due(self, k: int) -> None:
        if self.method.together and k == 0:
            self._edit_together()
        s = self.settings
        if self.method.refresh and k % self.method.refresh_steps(s.refresh_every, s.steps) == 0:
            for shot in self.shots:
                self._edit(shot, k)
        elif self.method.edit_is_due(k, s.steps, s.edit_every, len(self.shots)):
            self._edit(self.shots[self._pick()], k)

    def _edit(self, shot: Shot, k: int) -> None:
        """A new target for one shot: its present render, edited at a strength b drawn anew."""
        with torch.no_grad():
            render = self.head.render(shot.camera, shot.frame)[0].clamp(0, 1)
        b = self.method.draw(self.settings.sampler, self.generator)
        edited = self.editor.edit(
            render.cpu(),
            self.settings.prompt,
            b,
            shot.original.cpu(),
            self.generator,
            landmarks=shot_landmarks(self.head, shot).cpu(),
            text_guidance=self.method.text_guidance,
        )
        self.targets.set(shot, edited.to(render.device), b, k)

    @torch.no_grad()
    def _edit_together(self) -> None:
        """New targets for all shots at once, at full strength."""
        renders, conditions = [], []
        for shot in self.shots:
            gaussians = self.head.gaussians(shot.frame)
            renders.append(gaussians.render(shot.camera)[0].clamp(0, 1).cpu())
            depth = disparity(*gaussians.depth(shot.camera)) if self.editor.wants_depth else None
            conditions.append((shot.original if depth is None else depth).cpu())
        editor = cast(JointEditor, self.editor)  # `check_request` has made sure
        edited = editor.edit_together(
            renders,
            self.settings.prompt,
            conditions,
            self.generator,
            text_guidance=self.method.text_guidance,
        )
        for shot, target in zip(self.shots, edited):
            self.targets.set(shot, target.to(shot.original.device), 1.0, 0)

    def _gaussians(self, shot: Shot) -> Gaussians:
        """The shot's Gaussians; in 'grad' mode each passes on only w or 1 - w of its gradient.

        The hooks sit on generated outputs, because the shared nets would not see hooks on leaf
        parameters (reading 1).
        """
        frame = shot.frame
        shift = self.shifts.of(shot)
        gaussians = self.head.place(self.head.canonical(frame.beta, frame.pose, shift), frame)
        if self.settings.mode == "grad":
            part = share(self.w, shot.b, self.settings.b_boundary)
            for value in gaussians.tensors():
                if value.requires_grad:
                    value.register_hook(lambda grad: grad * _column(part, grad))
        return gaussians


def _column(part: Tensor, like: Tensor) -> Tensor:
    """part (N,) with as many axes as `like` (N, ...)."""
    return part.view(-1, *[1] * (like.ndim - 1))
