"""What all viewers of a notebook share (anywidget); without a kernel each is a PNG, so no widget
state needs to be kept.
"""

import base64
import hashlib
import html
import os
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from stkit.cameras import Camera
from stkit.io.images import png
from stkit.viewers.packet import Packet, camera_from

SITE = "STKIT_SITE"  # the folder for viewers' own pages while the site is built
SCRIPT = Path(__file__).parent / "static" / "viewer.js"  # bundled from src/ by `make viewer`


class Viewer(anywidget.AnyWidget):
    """Packed data, the synced camera and control values, the poster.

    `state` holds frame, playing, wipe, overlay ('none' or 'weights'), alpha, b, boundary, sliders
    and pose (yaw, pitch, roll in degrees); set it from Python with `set(frame=3, alpha=8)`.
    """

    _esm = SCRIPT
    header = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    camera = traitlets.Dict().tag(sync=True)

    def __init__(self, packet: Packet, **state: Any):
        self.packet = packet
        data = packet.bytes()
        camera = packet.header.get("camera") or {}
        super().__init__(header=packet.header, data=data, state=state, camera=camera)

    def set(self, **values: Any) -> None:
        """Change control values, as a person at the controls would."""
        self.state = {**self.state, **values}

    def view(self, size: int | None = None) -> Camera:
        """The camera as it was last turned in the browser, optionally for another picture size."""
        camera = camera_from(self.camera)
        return camera.resized(size) if size else camera

    def poster(self) -> np.ndarray:
        """The picture (H, W, 3) uint8 for readers without a kernel, made by the Python renderer."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any):
        if place := os.environ.get(SITE):
            return {"text/html": self._frame(Path(place))}, {}
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        if data is None:
            return data
        poster = base64.b64encode(png(self.poster())).decode()
        alt = {"alt": self.packet.header["alt"]}
        return {**data, "image/png": poster}, {**metadata, "image/png": alt}

    def _frame(self, folder: Path) -> str:
        """A frame with this viewer as a page of its own, which needs no kernel."""
        from stkit.viewers.page import page

        alt = self.packet.header["alt"]
        self.packet.header["state"] = {**self.state, "playing": False}
        text = page(self.packet, "")
        name = f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.html"
        (folder / name).write_text(text, encoding="utf-8")
        title = html.escape(alt, quote=True)
        source = f"../_static/viewers/{name}"
        return f'<iframe class="viewer" title="{title}" src="{source}" loading="lazy"></iframe>'
