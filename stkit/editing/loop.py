"""Stage 05's optimisation: edit the renders, fit the head to the edits, weigh by Eq. 8, repeat (Sec. 3.3)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from stkit.capture.capture import Capture
from stkit.diffusion.depth import disparity
from stkit.diffusion.protocols import Editor
from stkit.diffusion.together import edit_together
from stkit.editing.generations import Generations
from stkit.editing.methods import get_method, region_mask, trace_region
from stkit.editing.weights import ALPHA, landmark_set, point_weights, weight_image
from stkit.geometry import generator
from stkit.heads.fit_gaussians import frame_arguments
from stkit.heads.gaussian import GaussianHead, draw
from stkit.render import rasterize
from stkit.space import to_world
from stkit.training import run_steps
from stkit.views import Views


@dataclass(frozen=True)
class EditSettings:
    """The paper's alpha 5 and boundary 0.5; an edit every 10 steps, all of them again every 2,500 (reading 21).

    mode: 'pixel' multiplies the per-pixel loss by the splatted w; 'grad' leaves the loss and scales each Gaussian's
    gradients. frames: how many video frames join the views. method: an entry of `methods.METHODS`; region: where a masked
    method may act, by name or by a function of picture (H, W, 3) and landmarks (66, 2) that gives a mask (H, W, 1). Rates are the Gaussian stage's, times lr_factor.
    """

    prompt: str
    method: str = "ours"
    region: str | Callable[[Tensor, Tensor], Tensor] = "face"
    steps: int = 600
    alpha: float = ALPHA
    b_boundary: float = 0.5
    landmarks: str = "66"
    mode: str = "pixel"
    sampler: str = "truncate"
    edit_every: int = 10
    refresh_every: int = 2500
    frames: int = 18
    lr_color: float = 5e-3
    lr_xyz: float = 5e-5
    lr_scales: float = 1e-3
    lr_nets: float = 4e-4
    seed: int = 0


@dataclass
class Shot:
    """One training image of the edit stage: its camera, what the head does in it, the unedited truth and the edited target."""

    name: str
    camera: object
    frame: dict[str, Tensor]
    original: Tensor
    target: Tensor
    b: float

    def to(self, device: torch.device | str) -> "Shot":
        """The shot with its tensors on another device."""
        frame = {k: v.to(device) for k, v in self.frame.items()}
        return replace(
            self,
            camera=self.camera.to(device),
            frame=frame,
            original=self.original.to(device),
            target=self.target.to(device),
        )


def make_shots(capture: Capture, views: Views | None, frames: list[int], count: int) -> list[Shot]:
    """The views at the neutral frame and `count` video frames spread over `frames` (reading 20)."""
    shots = []
    if views is not None:
        neutral = frame_arguments(capture, capture.neutral)
        for camera, image, azimuth in zip(views.cameras, views.images, views.azimuths):
            shots.append(Shot(f"view {azimuth:+.0f} deg", camera, neutral, image, image, 0.0))
    for k in torch.linspace(0, len(frames) - 1, min(count, len(frames))).round().long().tolist():
        t = frames[k]
        shots.append(
            Shot(
                f"frame {t}",
                capture.camera,
                frame_arguments(capture, t),
                capture.image(t),
                capture.image(t),
                0.0,
            )
        )
    return shots


@torch.no_grad()
def shot_landmarks(head: GaussianHead, shot: Shot) -> Tensor:
    """The 66 landmarks (66, 2) in the shot's pixels, from the head itself."""
    place = {k: v for k, v in shot.frame.items() if k != "beta"}
    moved = head.landmarks + head.deformation(
        head.landmarks,
        torch.ones_like(head.landmarks[:, 0]),
        shot.frame["beta"],
        shot.frame["pose"],
    )
    return shot.camera.project(to_world(moved, **place))


def edit_head(
    head: GaussianHead,
    capture: Capture,
    views: Views | None,
    editor: Editor,
    settings: EditSettings,
    frames: list[int],
    checkpoint: Path | None = None,
    progress=lambda x, **k: x,
) -> tuple[dict[str, list[float]], list[Shot], list[dict]]:
    """Edit `head` in place. Returns loss histories, the shots with their last targets, and a log of every edit (step, b).

    What learns is the method's choice (ours: all Gaussian attributes, the colour and attribute nets); the deformation stays frozen, so that the edited head
    is animated as before (reading 25). Raises the editor's PromptError before any step if it cannot do the prompt.
    """
    if settings.mode not in ("pixel", "grad"):
        raise ValueError(f"mode {settings.mode!r} is not 'pixel' or 'grad'")
    editor.check(settings.prompt)
    method = get_method(settings.method)
    if settings.mode == "grad" and method.weighting != "eq8":
        raise ValueError(
            f"mode 'grad' scales gradients by Eq. 8; method {method.name!r} does not weigh by it: take mode 'pixel'"
        )
    if method.together and not hasattr(editor, "predict"):
        raise ValueError(
            f"method {method.name!r} works in a diffusion model's attention, and the editor is {editor.name}: take --editor tiny or an InstructPix2Pix folder"
        )
    if getattr(editor, "wants_depth", False) and not method.together:
        raise ValueError(
            f"{editor.name} edits all views together under their depth: take the method 'gaussctrl', not {method.name!r}"
        )
    gen = generator(settings.seed, "edit")
    shots = make_shots(capture, views and views.to(capture.device), frames, settings.frames)
    w = point_weights(head, landmark_set(capture, settings.landmarks), settings.alpha)
    maps = {id(s): weight_image(head, w, s.camera, s.frame) for s in shots}
    head.deformation.requires_grad_(False)
    nets = [*head.color.parameters(), *head.attributes.parameters()]
    parts = {
        "feature": ([head.feature], settings.lr_color),
        "xyz": ([head.xyz], settings.lr_xyz),
        "log_scales": ([head.log_scales], settings.lr_scales),
        "quats": ([head.quats], settings.lr_scales),
        "opacity_logits": ([head.opacity_logits], 2 * settings.lr_scales),
        "nets": (nets, settings.lr_nets),
    }
    groups = [{"params": parts[name][0], "lr": parts[name][1]} for name in method.moves]
    optimiser = torch.optim.Adam(groups, eps=1e-15, fused=True)
    generations = None
    if method.region:
        find = (
            settings.region
            if callable(settings.region)
            else partial(region_mask, region=settings.region)
        )
        masks = [
            find(s.original.cpu(), shot_landmarks(head, s).cpu()).to(capture.device) for s in shots
        ]
        generations = Generations(head, optimiser, trace_region(head, shots, masks), method.anchor)
    store, shifts = _Store(shots), _Shifts(head)
    log = store.log

    def edit(shot: Shot, k: int) -> None:
        with torch.no_grad():
            render = head.render(shot.camera, **shot.frame)[0].clamp(0, 1)
        b = method.draw(settings.sampler, gen)
        edited = editor.edit(
            render.cpu(),
            settings.prompt,
            b,
            shot.original.cpu(),
            gen,
            landmarks=shot_landmarks(head, shot).cpu(),
        )
        shot.target = edited.to(render.device)
        shot.b = b
        log.append({"step": k, "shot": shot.name, "b": round(b, 4)})

    def edit_all() -> None:
        with torch.no_grad():
            renders = [head.render(s.camera, **s.frame)[0].clamp(0, 1).cpu() for s in shots]
            conditions = [
                _depth(head, s) if getattr(editor, "wants_depth", False) else s.original
                for s in shots
            ]
        for shot, target in zip(
            shots,
            edit_together(editor, renders, settings.prompt, [c.cpu() for c in conditions], gen),
        ):
            shot.target, shot.b = target.to(capture.device), 1.0
            log.append({"step": 0, "shot": shot.name, "b": 1.0})

    def step(k: int) -> dict[str, float]:
        if generations and method.densify and k and k % method.densify == 0:
            generations.densify(gen)
            shifts.known.clear()
        if k % 100 == 0:
            shifts.known.clear()
        if method.together and k == 0:
            edit_all()
        if method.refresh and k % settings.refresh_every == 0:
            for shot in shots:
                edit(shot, k)
        elif method.rolling and k % settings.edit_every == 0:
            edit(shots[int(torch.randint(len(shots), (1,), generator=gen))], k)
        shot = shots[int(torch.randint(len(shots), (1,), generator=gen))]
        image = _render(head, shot, w, settings, shifts)
        difference = (image - shot.target).abs()  # Eq. 7
        if settings.mode == "pixel":
            difference = method.weigh(difference, maps[id(shot)], shot.b, settings.b_boundary)
        loss = difference.mean()
        if generations:
            loss = loss + generations.loss()
        optimiser.zero_grad()
        loss.backward()
        if generations:
            generations.mask_gradients()
        optimiser.step()
        return {"loss": loss.item(), "b": shot.b}

    grown = (
        {"generations": generations} if generations else {}
    )  # first: a checkpoint's head may have more points
    state = grown | {
        "head": head,
        "optimiser": optimiser,
        "generator": gen,
        "targets": store,
        "shifts": shifts,
    }
    guidance = getattr(editor, "s_T", None)
    if guidance is not None and method.s_T is not None:
        editor.s_T = guidance * method.s_T / 7.5
    try:
        history = run_steps(
            settings.steps, step, state, checkpoint, progress=progress, title="edit"
        )
    finally:
        if guidance is not None:
            editor.s_T = guidance
    return history, shots, log


def _depth(head: GaussianHead, shot: Shot) -> Tensor:
    """The head's disparity (H, W, 3) in a shot."""
    g, c = head.gaussians(**shot.frame), shot.camera
    depth, alpha, _ = rasterize(
        g["means"],
        g["quats"],
        g["scales"],
        g["opacities"],
        g["colors"],
        c.viewmat[None],
        c.K[None],
        c.width,
        c.height,
        render_mode="ED",
    )
    return disparity(depth[0], alpha[0])


def _render(
    head: GaussianHead, shot: Shot, w: Tensor, settings: EditSettings, shifts: "_Shifts"
) -> Tensor:
    """The shot's image; in 'grad' mode every Gaussian's outputs pass on only w or 1 - w of their gradient.

    The hooks sit on generated outputs, because the shared nets would not see hooks on leaf parameters (reading 1).
    """
    place = {k: v for k, v in shot.frame.items() if k != "beta"}
    beta, pose = shot.frame["beta"], shot.frame["pose"]
    g = head.place(head.canonical(beta, pose, shifts(shot.name, beta, pose)), **place)
    if settings.mode == "grad":
        share = w if shot.b >= settings.b_boundary else 1 - w
        for value in g.values():
            if value.requires_grad:
                value.register_hook(lambda grad: grad * share.view(-1, *[1] * (grad.ndim - 1)))
    return draw(g, shot.camera)[0]


class _Store:
    """Targets, strengths and log in the shape that a checkpoint can hold."""

    def __init__(self, shots: list[Shot]):
        self.shots, self.log = shots, []

    def state_dict(self) -> dict:
        return {
            "targets": [s.target for s in self.shots],
            "b": [s.b for s in self.shots],
            "log": self.log,
        }

    def load_state_dict(self, state: dict) -> None:
        for shot, target, b in zip(self.shots, state["targets"], state["b"]):
            shot.target, shot.b = target, b
        self.log[:] = state["log"]


class _Shifts:
    """What the frozen deformation does to the points in each shot, in the shape that a checkpoint can hold: points hardly move."""

    def __init__(self, head: GaussianHead):
        self.head, self.known = head, {}

    def __call__(self, shot: str, beta: Tensor, pose: Tensor) -> Tensor:
        if shot not in self.known:
            self.known[shot] = self.head.shift(beta, pose)
        return self.known[shot]

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.known)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.known = dict(state)
