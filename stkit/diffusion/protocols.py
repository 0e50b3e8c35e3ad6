"""What an editor and a provider of views must offer."""

from typing import Protocol

import torch
from torch import Tensor

from stkit.capture.capture import Capture
from stkit.heads.mesh import MeshHead
from stkit.views import FRONTAL, Views


class PromptError(ValueError):
    """The editor cannot follow this instruction; the message says which it can."""


class Editor(Protocol):
    """Edits one image by a sentence. `stand_in` is True where the result is not a diffusion model's."""

    name: str
    stand_in: bool

    def check(self, prompt: str) -> None:
        """Raise PromptError if the instruction cannot be followed."""
        ...

    def edit(
        self,
        image: Tensor,
        prompt: str,
        b: float,
        condition: Tensor,
        generator: torch.Generator,
        landmarks: Tensor | None = None,
    ) -> Tensor:
        """Edited image (H, W, 3) in [0, 1] of `image`, at strength b in [0.02, 0.98], conditioned on the unedited frame.

        `landmarks` (66, 2) pixels help editors that work by regions.
        """
        ...


class ViewProvider(Protocol):
    """Makes views of a capture's neutral frame at the given azimuths (degrees; positive to the subject's left)."""

    def __call__(
        self, capture: Capture, head: MeshHead, azimuths: tuple[float, ...] = FRONTAL
    ) -> Views: ...
