"""The camera of a browser moves a head: pictures come in, the head's expression and place go out.

Pictures are looked at in memory and forgotten; nothing is stored, and nothing leaves the machine.
"""

import base64
import binascii
import io
import time
from collections import deque
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stkit.capture.capture import Capture
from stkit.capture.live import CALIBRATION_FRAMES, LiveTracker
from stkit.driving.live import LiveRetarget, resting_sitter
from stkit.driving.live_link_stream import LiveLinkListener
from stkit.driving.motion import Motion, own_motion
from stkit.errors import RequestError
from stkit.heads.gaussian import GaussianHead
from stkit.space import FramePose
from stkit.viewers.answering import AnsweringViewer
from stkit.viewers.packing import MAX_COMPONENTS, pack_head, rigid_row
from stkit.viewers.splats import SplatViewer

ALT = "A head of 3D Gaussians that follows the face before the camera."
OWN_FRAMES = 24  # of the head's clip, that its basis is learned from
PUSHED = 0.8  # of each action, on its own
RIDGE = 1e-3
LARGEST_PICTURE = 2_000_000  # pixels of a frame that is accepted
RATE_FRAMES = 20  # the rate that is shown is the mean over these


class LiveBasis:
    """A packet whose components span all expressions, and what an expression's coefficients are."""

    def __init__(self, head: GaussianHead, capture: Capture):
        if capture.face_model != "makehuman":
            raise RequestError(
                "a camera moves heads that were tracked with the built-in face model; this one "
                f"has {capture.face_model!r}"
            )
        motion = _all_actions(capture)
        self.packet = pack_head(
            head,
            capture,
            motion=motion,
            frames=len(motion),
            components=MAX_COMPONENTS,
            sliders=(),
            alt=ALT,
            caption="Look straight and calmly for two seconds, then move.",
        )
        self.packet.header["puppet"] = True
        self.packet.header["state"] = {"frame": 0}
        self.packet.header["clip"] = None  # what the basis was learned from is not shown
        self.capture = capture
        rest = capture.beta[capture.neutral]
        x, y = motion.beta - rest, torch.from_numpy(self.packet.arrays["coefficients"])
        hold = RIDGE * torch.eye(x.shape[1])
        self.matrix = torch.linalg.solve(x.T @ x + hold, x.T @ y)
        self.rest = rest

    def coefficients(self, beta: Tensor) -> list[float]:
        """Of the packet's components for an expression (64,)."""
        return ((beta - self.rest) @ self.matrix).tolist()

    def answer(self, frame: FramePose) -> dict[str, list[float]]:
        """What the viewer draws a frame from."""
        rigid = rigid_row(self.capture, frame.pose, frame.torso)
        return {"coefficients": self.coefficients(frame.beta), "motion": rigid.tolist()}


def _all_actions(capture: Capture) -> Motion:
    """The neutral frame, each of ARKit's actions on its own, and some frames of the head's clip."""
    own = own_motion(capture)
    rest = own.subset([capture.neutral])
    actions = rest.beta[0].repeat(capture.face().bounded, 1)
    actions += PUSHED * torch.eye(*actions.shape)
    some = own.subset(np.linspace(0, len(own) - 1, OWN_FRAMES).round().astype(int).tolist())
    beta = torch.cat([rest.beta, actions.clamp(max=1.0), some.beta])
    count = len(beta)
    return Motion(beta, rest.pose.expand(count, -1), rest.torso.expand(count, -1))


class PuppeteerSession:
    """Answers messages of kind `frame` (a JPEG, base64) and `forget`; see src/puppet.js.

    With a listener frames come from Live Link Face instead of the camera.
    """

    def __init__(
        self, head: GaussianHead, capture: Capture, listener: LiveLinkListener | None = None
    ):
        self.basis = LiveBasis(head, capture)
        self.tracker = LiveTracker()
        self.listener = listener
        if listener:
            self.basis.packet.header["puppet"] = "stream"
            self.basis.packet.header["caption"] = "Send Live Link Face's stream to this machine."
        self.retarget: LiveRetarget | None = None
        self.times: deque[float] = deque(maxlen=RATE_FRAMES)

    def answer(self, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """`status` in words; `coefficients` and `motion` where the sitter is known and seen."""
        try:
            if message["kind"] == "forget":
                self.tracker.forget()
                self.retarget = None
                return {"status": "look straight and calmly for two seconds"}, b""
            if message["kind"] == "frame" and self.listener:
                return self.follow_stream(self.listener), b""
            if message["kind"] == "frame":
                return self.follow(decoded(message["picture"])), b""
        except (RequestError, KeyError, TypeError) as e:
            return {"status": f"error: {e}"}, b""
        return {"status": "error: unknown message"}, b""

    def follow(self, picture: np.ndarray) -> dict[str, Any]:
        """The answer to a picture (H, W, 3) uint8."""
        begun = time.monotonic()
        seen = self.tracker(picture)
        sitter = self.tracker.sitter
        if sitter is None:
            return {"status": f"calibrating: {len(self.tracker.collected)} of {CALIBRATION_FRAMES}"}
        if seen is None:
            return {"status": "no face in sight"}
        if self.retarget is None:
            self.retarget = LiveRetarget(self.basis.capture, sitter)
        answer = self.basis.answer(self.retarget(seen))
        spent = time.monotonic() - begun
        self.times.append(time.monotonic())
        status = f"{1000 * spent:.0f} ms a frame here, {self._rate():.0f} a second"
        return {**answer, "status": status}

    def follow_stream(self, listener: LiveLinkListener) -> dict[str, Any]:
        """The answer to what came over the network last."""
        frame = listener.received.frame
        if frame is None:
            return {"status": f"nothing has come to UDP port {listener.port} yet"}
        if self.retarget is None:
            self.retarget = LiveRetarget(self.basis.capture, resting_sitter(self.basis.capture))
        status = f"{listener.received.count} frames came"
        return {**self.basis.answer(self.retarget(frame)), "status": status}

    def _rate(self) -> float:
        if len(self.times) < 2:
            return 0.0
        return (len(self.times) - 1) / max(self.times[-1] - self.times[0], 1e-6)

    def end(self) -> None:
        """Give detector and port up."""
        self.tracker.close()
        if self.listener:
            self.listener.close()


def decoded(text: str) -> np.ndarray:
    """A picture (H, W, 3) uint8 of a base64-coded JPEG or PNG. RequestError where it is none."""
    try:
        data = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (binascii.Error, ValueError) as e:
        raise RequestError(f"the picture is not base64: {e}") from e
    try:
        with Image.open(io.BytesIO(data.tobytes()), formats=("JPEG", "PNG")) as picture:
            if picture.width * picture.height > LARGEST_PICTURE:
                raise RequestError("the picture is too large")
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:
        raise RequestError(f"the picture cannot be read: {e}") from e


class Puppeteer(AnsweringViewer):
    """`Puppeteer(head, capture)` in a notebook: the browser's camera moves the head."""

    def __init__(self, head: GaussianHead, capture: Capture):
        self.session = PuppeteerSession(head, capture)
        self.subject = (head, capture)
        super().__init__(self.session.basis.packet, self.session)

    def poster(self) -> np.ndarray:
        """The head in its neutral frame (H, W, 3) uint8."""
        return SplatViewer(*self.subject).poster()
