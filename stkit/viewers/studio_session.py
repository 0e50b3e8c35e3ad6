"""What a studio does, without its controls: previews, undo, and the optimisation that goes on.

The notebook's widget and the page of `stkit studio` both ask by messages and show the answers.
"""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from stkit.capture.capture import Capture
from stkit.diffusion.protocols import Editor
from stkit.editing.preview import STRONG, Base, preview
from stkit.editing.settings import EditSettings
from stkit.errors import RequestError
from stkit.face_models.makehuman.shape_words import divide, read_shape
from stkit.heads.gaussian import GaussianHead
from stkit.heads.reshaping import reshaped
from stkit.viewers.background_edit import Optimisation, Step
from stkit.viewers.explorer import parameter_line
from stkit.viewers.packet import Packet
from stkit.views import Views

MAX_UINT8 = 255

LONGEST_SENTENCE = 500  # letters


class StudioSession:
    """A head under edit. `steps`: the head as it was, then each request that was not undone."""

    def __init__(
        self,
        head: GaussianHead,
        capture: Capture,
        views: Views | None,
        editor: Editor,
        settings: EditSettings,
    ):
        self.views, self.editor, self.settings = views, editor, settings
        self.steps = [Step(head, head, capture)]
        self.order = head.share.argsort(descending=True, stable=True)  # the viewer's
        self.base: Base | None = None
        self.work: Optimisation | None = None
        self.shown: GaussianHead = head

    # ---- messages
    def answer(self, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The answer to a message of the controls: JSON with `status`, and the bytes of a look
        where the head has changed (its arrays are in `look`).

        Errors of the request are in `status`, and change nothing.
        """
        asked = {
            "preview": self._preview,
            "undo": self._undo,
            "keep": self._keep,
            "stop": self._stop,
            "news": self._news,
            "parameters": self._parameters,
        }
        try:
            status = asked[message["kind"]](message)
        except (RequestError, KeyError, TypeError, ValueError, OverflowError) as e:
            return self._state(f"error: {e}"), b""
        return self._shown(status)

    def _state(self, status: str) -> dict[str, Any]:
        busy = self.work is not None and self.work.running()
        return {"status": status, "busy": busy, "steps": len(self.steps) - 1}

    def _shown(self, status: str) -> tuple[dict[str, Any], bytes]:
        """The state, with the look of the present head where another is shown."""
        state, now = self._state(status), self._present()
        if now is self.shown:
            return state, b""
        self.shown = now
        packet = pack_look(now, self.steps[-1].capture, self.order)
        data = packet.bytes()
        return state | {"look": packet.header["arrays"]}, data

    def _present(self) -> GaussianHead:
        newest = self.work.newest() if self.work else None
        return newest or self.steps[-1].head

    def end(self) -> None:
        """Stop what goes on."""
        if self.work is not None and self.work.running():
            self.work.stop()

    # ---- what can be asked
    def _preview(self, message: dict[str, Any]) -> str:
        self._not_while_working()
        begun = time.monotonic()
        sentence = str(message["sentence"])
        if len(sentence) > LONGEST_SENTENCE:
            raise RequestError(f"a sentence has at most {LONGEST_SENTENCE} letters")
        prompt, shape = divide(sentence)
        if not (prompt or shape):
            raise RequestError("write what shall change, such as 'turn her into a clown'")
        settings = replace(
            self.settings,
            prompt=prompt,
            shape=shape,
            alpha=float(message.get("alpha", self.settings.alpha)),
            b_boundary=float(message.get("boundary", self.settings.b_boundary)),
        )
        b = min(max(float(message.get("b", STRONG)), 0.02), 0.98)
        if prompt:
            self.editor.check(prompt)
        step = self._reshaped(self.steps[-1], shape)
        head = step.head
        if prompt:
            start = head if message.get("on_top") else step.plain
            head = preview(self._base_of(start, step.capture), self.editor, settings, b)
        self.steps.append(Step(head, step.plain, step.capture, prompt, shape, b, settings))
        return f"{_understood(prompt, shape)}: {time.monotonic() - begun:.1f} s"

    def _base_of(self, head: GaussianHead, capture: Capture) -> Base:
        """What previews of a head share; that of the last head is kept."""
        if self.base is None or self.base.head is not head or self.base.capture is not capture:
            self.base = Base.of(head, capture)
        return self.base

    @staticmethod
    def _reshaped(step: Step, shape: str) -> Step:
        """A step whose heads are in another shape."""
        if not shape:
            return step
        change = read_shape(shape)
        plain, capture = reshaped(step.plain, step.capture, change)
        same = step.head is step.plain
        head = plain if same else reshaped(step.head, step.capture, change)[0]
        return replace(step, head=head, plain=plain, capture=capture)

    def _undo(self, message: dict[str, Any]) -> str:
        self._not_while_working()
        if len(self.steps) == 1:
            raise RequestError("there is nothing to undo")
        self.steps.pop()
        return "undone"

    def _keep(self, message: dict[str, Any]) -> str:
        self._not_while_working()
        step = self.steps[-1]
        if step.settings is None:
            raise RequestError("there is no edit to keep: ask for one first")
        if not step.prompt:
            return "kept: a change of shape is finished as it is"
        settings = replace(step.settings, shape="")
        self.work = Optimisation(step, self.views, self.editor, settings)
        return self.work.status()

    def _stop(self, message: dict[str, Any]) -> str:
        if self.work is None or not self.work.running():
            raise RequestError("nothing is being optimised")
        self.work.stop()
        return self._finished()

    def _news(self, message: dict[str, Any]) -> str:
        if self.work is None:
            return ""
        return self.work.status() if self.work.running() else self._finished()

    def _finished(self) -> str:
        """Take over what the optimisation has reached."""
        if self.work is None:
            return ""
        work, self.work = self.work, None
        status = work.status()
        if head := work.newest():
            self.steps[-1] = replace(self.steps[-1], head=head)
        return status

    def _parameters(self, message: dict[str, Any]) -> str:
        """The last request as parameters of notebook 15, quoted for a shell."""
        step = self.steps[-1]
        if step.settings is None:
            raise RequestError("there is no edit yet")
        shape = ", ".join(s.shape for s in self.steps if s.shape)
        values = {
            "prompt": step.prompt,
            "shape": shape,
            "b": step.b,
            "alpha": step.settings.alpha,
            "b_boundary": step.settings.b_boundary,
        }
        return parameter_line({name: x for name, x in values.items() if x != ""})

    def _not_while_working(self) -> None:
        if self.work is not None and self.work.running():
            raise RequestError("the optimisation is running: stop it first")
        if self.work is not None:
            self._finished()


def _understood(prompt: str, shape: str) -> str:
    parts = [f"edit '{prompt}'" if prompt else "", f"shape '{shape}'" if shape else ""]
    return ", ".join(part for part in parts if part)


@torch.no_grad()
def pack_look(head: GaussianHead, capture: Capture, order: torch.Tensor) -> Packet:
    """A head in the neutral frame as arrays that take the place of a viewer's look."""
    frame = capture.frame_pose(capture.neutral)
    g = head.swing(head.canonical(frame.beta, frame.pose), frame.lattice).select(order)
    rgba = torch.cat([g.colors, g.opacities[:, None]], 1).clamp(0, 1)
    arrays: dict[str, np.ndarray] = {
        "means": g.means.numpy().astype(np.float32),
        "log_scales": g.scales.log().numpy().astype(np.float32),
        "quats": g.quats.numpy().astype(np.float32),
        "rgba": (MAX_UINT8 * rgba).round().numpy().astype(np.uint8),
    }
    return Packet({}, arrays)
