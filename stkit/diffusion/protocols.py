"""What an editor and a provider of views must offer."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from stkit.capture import Capture
from stkit.errors import RequestError
from stkit.heads.mesh import MeshHead
from stkit.views import FRONTAL, Views


class PromptError(RequestError):
    """The editor cannot follow this instruction; the message says which it can."""


@runtime_checkable
class Editor(Protocol):
    """Edits one picture by a sentence.

    name: for captions. stand_in: what takes the place of which published model, in words; empty for
    the model itself. wants_depth: conditions are depth pictures, and only all views together can be
    edited (see `JointEditor`).
    """

    name: str
    stand_in: str
    wants_depth: bool

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
        text_guidance: float = 1.0,
    ) -> Tensor:
        """A picture (H, W, 3) in [0, 1], edited at strength b in [0.02, 0.98].

        `image` and `condition`, the unedited frame, are (H, W, 3) in [0, 1] on the CPU, and so is
        what comes back. `landmarks` (66, 2) pixels help editors that work by regions;
        `text_guidance` multiplies the editor's own. Raises ValueError if the edited picture is not
        finite.
        """
        ...


@runtime_checkable
class JointEditor(Protocol):
    """An editor that can also edit several views of one moment in agreement (GaussCtrl)."""

    def edit_together(
        self,
        images: list[Tensor],
        prompt: str,
        conditions: list[Tensor],
        generator: torch.Generator,
        text_guidance: float = 1.0,
    ) -> list[Tensor]:
        """All pictures (H, W, 3) in [0, 1], edited at full strength; see `Editor.edit`."""
        ...


@runtime_checkable
class ViewProvider(Protocol):
    """Makes views of a capture's neutral frame.

    stand_in: as an `Editor`'s.
    """

    stand_in: str

    def __call__(
        self, capture: Capture, head: MeshHead, azimuths: tuple[float, ...] = FRONTAL
    ) -> Views:
        """Views over white at azimuths in degrees, positive to the subject's left.

        Raises ValueError where an azimuth cannot be served.
        """
        ...
