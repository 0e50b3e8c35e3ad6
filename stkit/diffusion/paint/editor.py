"""The editor itself: it paints by recipe, and imitates what a strength b does in a diffusion model.

Below b = 0.3 the edit is hardly visible, and editing the result again adds nothing. Above that it
comes fast, and beyond 0.62, where all of it is there, it spills past the face and washes identity
out.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from stkit.diffusion.paint.canvas import Canvas
from stkit.diffusion.paint.prompts import find_recipe
from stkit.diffusion.regions import find_regions
from stkit.errors import RequestError
from stkit.face_models.landmarks import KEPT_66

# The kit's, chosen by eye.
FULL = 0.62  # b at which all of the paint is on the face, and from which on it spills
STRENGTH_RANGE = 0.36  # from there to the strongest b that is drawn, 0.98
HALF, SHARPNESS = 0.42, 0.05  # b at which half of the paint is on the face, and how fast it comes
JITTER = 0.02  # largest random change of the colour at b = 1
VISIBLE_CHANGE = 0.12  # sum over RGB from which on a pixel counts as painted
SPILL, BLUR = 0.55, 0.75  # how much of spilled colour, and of lost detail, at the strongest b


class PaintEditor:
    """Paints face regions by rules; there is no network in it. See the module."""

    name = "paint (rule-based stand-in, no diffusion)"
    stand_in = "the rule-based paint editor instead of InstructPix2Pix"
    wants_depth = False

    def check(self, prompt: str) -> None:
        """Raise PromptError if no recipe fits the prompt."""
        find_recipe(prompt)

    def edit(
        self,
        image: Tensor,
        prompt: str,
        b: float,
        condition: Tensor,
        generator: torch.Generator,
        landmarks: Tensor | None = None,
        text_guidance: float = 1.0,
    ) -> Tensor:
        """Paint over the condition (the unedited frame), and mix with the render by strength.

        Arguments as those of `protocols.Editor.edit`; `text_guidance` has no counterpart here.
        Without `landmarks` the face is looked for in the condition; ValueError where there is none.
        """
        _, recipe = find_recipe(prompt)
        if landmarks is None:
            landmarks = detect_landmarks(condition)
        points = landmarks.numpy().astype(np.float64)
        frame = condition.numpy().astype(np.float64)
        canvas = Canvas(frame, find_regions(frame, points), points)
        recipe(canvas)
        painted = overdo(canvas, b) if b > FULL else canvas.picture
        jitter = JITTER * (torch.rand(3, generator=generator).numpy() - 0.5) * b
        target = painted + jitter * canvas.regions["foreground"][..., None]
        out = towards(target, image.numpy(), frame, amount_of(b))
        return torch.from_numpy(np.clip(out, 0, 1).astype(np.float32))


def amount_of(b: float) -> float:
    """How much of the paint a strength b puts on, in [0, 1]."""
    return float(1 / (1 + np.exp((HALF - b) / SHARPNESS)))


def towards(target: np.ndarray, render: np.ndarray, frame: np.ndarray, amount: float) -> np.ndarray:
    """The render (H, W, 3), moved until `amount` of the way from frame to target is behind it.

    Where a render is that far already, it stays: edits of an edited head do not add up.
    """
    way = target - frame
    done = ((render - frame) * way).sum(-1) / np.maximum((way**2).sum(-1), 1e-6)
    done = np.clip(done, 0, 1)
    share = np.clip((amount - done) / np.maximum(1 - done, 1e-3), 0, 1)
    return render + share[..., None] * (target - render)


def overdo(canvas: Canvas, b: float) -> np.ndarray:
    """The painted picture (H, W, 3) at a strength b above `FULL`: colour spills, detail goes."""
    painted, foreground = canvas.picture, canvas.regions["foreground"]
    spill = (b - FULL) / STRENGTH_RANGE
    changed = np.abs(painted - canvas.source).sum(-1) > VISIBLE_CHANGE
    if changed.any():
        tone = painted[changed].mean(0)
        grey = canvas.grey / max(canvas.grey[foreground > 0.5].mean(), 0.1)
        inside = cv2.GaussianBlur(changed.astype(np.float32), (0, 0), 0.03 * canvas.eye)
        outside = foreground * (1 - inside)
        tinted = np.clip(tone * grey[..., None], 0, 1)
        painted = painted + (SPILL * spill * outside)[..., None] * (tinted - painted)
    colour_sigma, space_sigma = 0.15 + 0.2 * spill, 0.04 * canvas.eye
    soft = cv2.bilateralFilter(painted.astype(np.float32), 0, colour_sigma, space_sigma)
    return painted + BLUR * spill * foreground[..., None] * (soft - painted)


def detect_landmarks(image: Tensor) -> Tensor:
    """66 landmarks (66, 2), pixels, by MediaPipe on an image (H, W, 3).

    ValueError where no face is found.
    """
    from stkit.capture.detect import still_landmarks  # av and mediapipe

    points = still_landmarks([(image.clamp(0, 1) * 255).byte().numpy()])[0]
    if points is None:
        raise RequestError(
            "the paint editor found no face in the image; pass landmarks, or use a frontal frame"
        )
    return torch.from_numpy(points).float()[KEPT_66]
