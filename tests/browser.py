"""A real browser for the viewers' tests: pages opened from disk, offline, and their pictures."""

import base64
import io
import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stkit.viewers.packet import Packet, camera_from
from stkit.viewers.page import page

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
SOFTWARE_WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
ANY_VIEWER_DREW = """() => [...document.querySelectorAll('.stkit')].some(
    e => !e.stkit || e.stkit.stage.drawn > 0)"""


@contextmanager
def offline_tab(browser, **options):
    """A tab without a network; at the end nothing was asked of one, and nothing complained."""
    complaints: list[str] = []
    context = browser.new_context(offline=True, **options)
    tab = context.new_page()
    tab.on("request", lambda r: complaints.append(r.url) if r.url.startswith("http") else None)
    tab.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda e: complaints.append(str(e)))
    yield tab
    context.close()
    assert complaints == []


def decode_data_url(url: str) -> np.ndarray:
    """The picture (H, W, 3) uint8 of a canvas's data URL."""
    return decode_picture(base64.b64decode(url.split(",")[1]))


def decode_picture(file: bytes) -> np.ndarray:
    """A picture file as (H, W, 3) uint8, writable."""
    return np.array(Image.open(io.BytesIO(file)).convert("RGB"))


def as_float(picture: np.ndarray) -> torch.Tensor:
    """A uint8 picture as float32 in [0, 1]."""
    return torch.from_numpy(picture).float() / 255


class OpenedPage:
    """A page from disk, offline; collects what it complains about and what it requests."""

    def __init__(self, browser, path: Path):
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.context = browser.new_context(offline=True, viewport={"width": 1000, "height": 1000})
        self.page = self.context.new_page()
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note_request)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
        self.page.wait_for_function(ANY_VIEWER_DREW)

    def _note_message(self, message) -> None:
        if message.type in ("error", "warning") and "GPU stall" not in message.text:
            self.complaints.append(message.text)

    def _note_request(self, request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.requests.append(request.url)

    def run(self, script: str):
        """Run a script in which `s` is the first viewer (see scene.js); returns what it returns."""
        find = "const s = document.querySelector('.stkit').stkit;"
        return self.page.evaluate(f"async () => {{ {find} {script} }}")

    def shot(self, **state) -> np.ndarray:
        """The canvas (H, W, 3) after setting the state."""
        return decode_data_url(
            self.run(
                f"Object.assign(s.state, {json.dumps(state)}); s.stage.draw();"
                "return s.stage.canvas.toDataURL('image/png');"
            )
        )

    def turn(self, yaw: float, pitch: float) -> None:
        """Turn the camera (radians)."""
        self.run(f"s.stage.view.yaw = {yaw}; s.stage.view.pitch = {pitch};")

    def camera(self):
        """The camera as it stands."""
        return camera_from(self.run("return s.camera();"))

    def close(self) -> None:
        self.context.close()


def write_page(path: Path, packet: Packet, title: str, *texts: str) -> Path:
    """Write a packet's page; returns its path."""
    path.write_text(page(packet, title, *texts))
    return path
