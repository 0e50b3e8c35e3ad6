"""avatar.html: the animatable, edited head in one file that opens from disk with no network."""

import base64
import gzip
import html
import json
from dataclasses import dataclass
from pathlib import Path

import torch

from stkit.capture.capture import Capture
from stkit.driving.motion import Motion
from stkit.heads.gaussian import GaussianHead
from stkit.metrics import psnr
from stkit.viewers.pack import Packet, browser_gaussians, pack_head
from stkit.viewers.widgets import SCRIPT

LIMIT = 3_000_000  # bytes


@dataclass(frozen=True)
class Avatar:
    """What `save_avatar` wrote: the file, its bytes, how coarsely the motion is rounded, and PSNR (dB) of each frame against the head's own rendering."""

    path: Path
    bytes: int
    fault: float
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
    limit: int = LIMIT,
) -> Avatar:
    """Write a self-contained page with playback, sliders, before/after wipe and weight overlay; at most `limit` bytes.

    The motion is rounded more coarsely until it fits. Raises ValueError if it does not.
    """
    alt = f"A talking head of {len(head.xyz)} 3D Gaussians" + (
        f", before and after the edit {prompt!r}." if prompt else "."
    )
    script = len(SCRIPT.read_bytes()) + 20_000
    packet = pack_head(
        head, capture, edited, motion, frames, limit=int((limit - script) * 3 / 4), alt=alt
    )
    if prompt:
        packet.header["looks"] = ["head", prompt][: len(packet.header["looks"])]
    packet.header["state"] = {"playing": True, "wipe": 0.5}
    text = page(packet, title, prompt, editor, provenance)
    if len(text.encode()) > limit:
        raise ValueError(
            f"{path}: {len(text.encode()) / 1e6:.2f} MB, more than {limit / 1e6:.2f}: give fewer frames, shorter texts or a larger limit"
        )
    temporary = Path(path).with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return Avatar(
        Path(path),
        len(text.encode()),
        packet.header["fault"],
        quality(packet, edited or head, capture, motion, frames),
    )


@torch.no_grad()
def quality(
    packet: Packet, head: GaussianHead, capture: Capture, motion: Motion | None, frames: int
) -> list[float]:
    """PSNR (dB) of what the browser draws (its Gaussians, by the Python renderer) against the head itself, frame by frame."""
    import numpy as np

    from stkit.driving.motion import own_motion, part, play

    motion = motion or own_motion(capture)
    index = np.linspace(0, len(motion) - 1, min(frames, len(motion))).round().astype(int).tolist()
    truth = play(head, capture, part(motion, index))
    look = len(packet.header["looks"]) - 1
    return [
        psnr(
            browser_gaussians(packet, k, look).render(capture.camera)[0].clamp(0, 1),
            torch.from_numpy(truth[k]).float() / 255,
        )
        for k in range(len(index))
    ]


def page(
    packet: Packet, title: str, prompt: str = "", editor: str = "", provenance: str = ""
) -> str:
    """The page's text: script, style and data inside, everything else forbidden by its content security policy."""
    data = base64.b64encode(gzip.compress(packet.bytes(), 9, mtime=0)).decode()
    script = (
        SCRIPT.read_text(encoding="utf-8")
        .replace("export default", "const widget =")
        .replace("export async function", "async function")
    )
    header = json.dumps(packet.header).replace("<", "\\u003c")
    e = html.escape
    said = (
        f"<p>Edited with the words <b>{e(prompt)}</b>"
        + (f" by {e(editor)}" if editor else "")
        + ".</p>"
        if prompt
        else ""
    )
    count = len(packet.header.get("components", ()))
    linear = (
        f" Expressions move on a linear basis of the head's answers ({count} components), so extremes are approximate."
        if count
        else ""
    )
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{e(title)}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:900px;margin:1.5rem auto;padding:0 1rem;color:#1b1b1b}}h1{{font-size:1.5rem;margin:0}}p{{margin:.4em 0}}</style></head>
<body><h1>{e(title)}</h1>{said}<main id="view"></main>
<p class="note">{e(provenance)}{linear}</p>
<script type="text/plain" id="data">{data}</script>
<script type="module">{script}
mount(document.getElementById("view"), {header}, document.getElementById("data").textContent)
  .then(() => document.body.dataset.ready = "yes")
  .catch(e => document.getElementById("view").append("This page could not start: " + e.message));
</script></body></html>"""
