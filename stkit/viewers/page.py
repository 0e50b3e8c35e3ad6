"""avatar.html: the animatable, edited head in one file that opens from disk with no network."""

import base64
import gzip
import html
import json
from dataclasses import dataclass
from pathlib import Path

import torch

from stkit.capture.capture import Capture
from stkit.driving.motion import Motion, own_motion, play
from stkit.errors import RequestError
from stkit.heads.gaussian import GaussianHead
from stkit.io.tensors import write_text
from stkit.metrics.pictures import psnr
from stkit.viewers.art_packing import ArtLook
from stkit.viewers.browser_twin import browser_gaussians
from stkit.viewers.packet import Packet
from stkit.viewers.packing import FPS, clip_frames, pack_head
from stkit.viewers.viewer import SCRIPT

LIMIT = 3_000_000  # bytes
FRAME_BYTES = 20_000  # of a page beside its script and data: header, texts, markup
BASE64_SHARE = 3 / 4  # three bytes become four characters

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data:"
)
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:900px;margin:1.5rem auto;padding:0 1rem;"
    "color:#1b1b1b}h1{font-size:1.5rem;margin:0}p{margin:.4em 0}"
)


@dataclass(frozen=True)
class Avatar:
    """What `save_avatar` wrote.

    path and bytes of the file; rounding: how coarsely the motion is rounded, in tolerances (see
    `motion_basis`); psnr (dB) of each frame against the head's own rendering.
    """

    path: Path
    bytes: int
    rounding: float
    psnr: list[float]


def save_avatar(
    head: GaussianHead,
    capture: Capture,
    path: Path,
    edited: GaussianHead | None = None,
    motion: Motion | None = None,
    title: str = "stkit avatar",
    prompt: str = "",
    editor: str = "",
    provenance: str = "",
    frames: int = 50,
    fps: float = FPS,
    sound: str = "",
    limit: int = LIMIT,
    art: ArtLook | None = None,
) -> Avatar:
    """Write a self-contained page with playback, sliders, before/after wipe and weight overlay; at
    most `limit` bytes.

    frames: of the motion that are kept, evenly, shown `fps` a second. sound: a data URL of what the
    head says meanwhile; then nothing plays before a person asks for it. art: styles that the page
    offers.

    The motion is rounded more coarsely until it fits. Raises ValueError if it does not.
    """
    subject = f"A talking head of {len(head.xyz)} 3D Gaussians"
    alt = f"{subject}, before and after the edit {prompt!r}." if prompt else f"{subject}."
    room = int((limit - len(SCRIPT.read_bytes()) - FRAME_BYTES - len(sound)) * BASE64_SHARE)
    packet = pack_head(head, capture, edited, motion, frames, limit=room, alt=alt, fps=fps, art=art)
    if prompt:
        packet.header["looks"] = ["head", prompt][: len(packet.header["looks"])]
    if sound:
        packet.header["clip"]["sound"] = sound
    packet.header.setdefault("state", {}).update(playing=not sound, wipe=0.5)
    text = page(packet, title, prompt, editor, provenance)
    size = len(text.encode())
    if size > limit:
        raise RequestError(
            f"{path}: {size / 1e6:.2f} MB, more than {limit / 1e6:.2f}: "
            "give fewer frames, shorter texts or a larger limit"
        )
    write_text(Path(path), text)
    scores = quality(packet, edited or head, capture, motion, frames)
    return Avatar(Path(path), size, packet.header["rounding"], scores)


@torch.no_grad()
def quality(
    packet: Packet, head: GaussianHead, capture: Capture, motion: Motion | None, frames: int
) -> list[float]:
    """PSNR (dB) of what the browser draws (its Gaussians, by the Python renderer) against the head
    itself, frame by frame.
    """
    motion = motion or own_motion(capture)
    index = clip_frames(len(motion), frames).tolist()
    look = len(packet.header["looks"]) - 1
    scores = []
    for k, frame in enumerate(play(head, capture, motion.subset(index))):
        shown = browser_gaussians(packet, k, look).render(capture.camera)[0].clamp(0, 1)
        scores.append(psnr(shown, torch.from_numpy(frame).float() / 255))
    return scores


def page(
    packet: Packet, title: str, prompt: str = "", editor: str = "", provenance: str = ""
) -> str:
    """The page's text: script, style and data inside, everything else forbidden by its content
    security policy.
    """
    components = len(packet.header.get("components", ()))
    below = html.escape(provenance) + _linearity_note(components)
    return _document(packet, title, _edit_note(prompt, editor), below, POLICY, "mount")


def served_page(packet: Packet, title: str, note: str, token: str) -> str:
    """A page that may ask the server that it came from, and nobody else; note: HTML."""
    policy = f"{POLICY}; connect-src 'self'"
    return _document(packet, title, "", note, policy, "mountServed", token)


def _document(
    packet: Packet, title: str, above: str, below: str, policy: str, call: str, *more: str
) -> str:
    """A viewer's page. The module stands in it as it is; code after it in the same script calls one
    of its functions with the element, the header, the data, and what else it takes.
    """
    data = base64.b64encode(gzip.compress(packet.bytes(), 9, mtime=0)).decode()
    script = SCRIPT.read_text(encoding="utf-8")
    header = json.dumps(packet.header).replace("<", "\\u003c")
    title = html.escape(title)
    rest = "".join(f", {json.dumps(x)}" for x in more)
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{title}</title>
<style>{STYLE}</style></head>
<body><h1>{title}</h1>{above}<main id="view"></main>
<p class="note">{below}</p>
<script type="text/plain" id="data">{data}</script>
<script type="module">{script}
{call}(document.getElementById("view"), {header}, document.getElementById("data").textContent{rest})
  .then(() => document.body.dataset.ready = "yes")
  .catch(e => document.getElementById("view").append("This page could not start: " + e.message));
</script></body></html>"""


def _edit_note(prompt: str, editor: str) -> str:
    if not prompt:
        return ""
    by = f" by {html.escape(editor)}" if editor else ""
    return f"<p>Edited with the words <b>{html.escape(prompt)}</b>{by}.</p>"


def _linearity_note(components: int) -> str:
    if not components:
        return ""
    return (
        " Expressions move on a linear basis of the head's answers "
        f"({components} components), so extremes are approximate."
    )
