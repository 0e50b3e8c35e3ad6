"""The viewer in headless Chromium against the Python renderer, on the head of a run.

    python benchmarks/viewers.py subject

Prints one line a number. --pictures FOLDER keeps screenshots of the avatar and of the viewers (of
any run; never publish those of real clips). --write keeps benchmarks/viewers.md and the pictures of
the documentation. Needs Chromium and playwright.
"""

import argparse
import base64
import io
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from stkit.heads.gaussian import GaussianHead
from stkit.io.images import sheet
from stkit.metrics.pictures import psnr
from stkit.runs.machine import code_version
from stkit.runs.road import Road
from stkit.viewers import mesh_viewer
from stkit.viewers.browser_twin import browser_gaussians
from stkit.viewers.packet import Packet, camera_from
from stkit.viewers.packing import pack_head
from stkit.viewers.page import page

HERE = Path(__file__).resolve().parent
FIGURES = HERE.parent / "notebooks" / "figures"
SCREEN: ViewportSize = {"width": 920, "height": 720}  # CSS pixels
SOFTWARE_WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
VIEWS = {  # name: yaw and pitch in radians, frame
    "front": (0.0, 0.0, 0),
    "left, frame 17": (0.6, 0.1, 17),
    "right, frame 33": (-0.6, -0.15, 33),
}
MANY = 20_000  # Gaussians
MANY_LIMIT = 10_000_000  # bytes: the motion of so many needs more than a page has
TIMING_SIZE = (
    64  # pixels: what is timed does not depend on it, and without a GPU drawing takes long
)
TIMING = """
const times = [];
for (let k = 0; k < 100; k++) {
  s.state.frame = k % 50;
  s.stage.view.yaw = 0.02 * k;
  s.stage.draw();
  times.push(s.layer.milliseconds);
}
s.stage.gl.finish();
return times.sort((a, b) => a - b)[50];
"""
VIEWER_TITLES = ["mesh, landmarks", "normals", "signed distance", "w of Eq. 8, alpha 5", "1 - w"]


class Tab:
    """A tab of the browser that shows packets and files."""

    def __init__(self, tab: Page, folder: Path):
        self.tab = tab
        self.folder = folder

    def show(self, packet: Packet) -> None:
        """Show a packet in a page of its own."""
        path = self.folder / "viewer.html"
        path.write_text(page(packet, "viewer"))
        self.open(path)

    def open(self, path: Path) -> None:
        """Open a page from disk and wait until its viewer has drawn."""
        self.tab.goto(path.resolve().as_uri())
        self.tab.wait_for_selector("body[data-ready=yes]")
        self.tab.wait_for_function("() => document.querySelector('.stkit').stkit.stage.drawn > 0")

    def run(self, script: str):
        """Run a script in which `s` is the viewer (see scene.js); returns what it returns."""
        find = "const s = document.querySelector('.stkit').stkit;"
        return self.tab.evaluate(f"() => {{ {find} {script} }}")

    def picture(self, script: str = "") -> np.ndarray:
        """The canvas (H, W, 3) uint8 after a script."""
        url = self.run(f"{script} s.stage.draw(); return s.stage.canvas.toDataURL();")
        file = io.BytesIO(base64.b64decode(url.split(",")[1]))
        return np.array(Image.open(file).convert("RGB"))


@contextmanager
def opened_tab() -> Iterator[Tab]:
    """A tab of headless Chromium without a network."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as p, tempfile.TemporaryDirectory() as folder:
        browser = p.chromium.launch(executable_path=chromium, args=SOFTWARE_WEBGL)
        yield Tab(browser.new_context(offline=True, viewport=SCREEN).new_page(), Path(folder))
        browser.close()


def repeated(head: GaussianHead, count: int) -> GaussianHead:
    """The head with Gaussians repeated, or left out, until there are `count`: for timing only."""
    index = torch.arange(count) * len(head.xyz) // count
    values = {
        name: value if name == "landmarks" or "." in name else value[index]
        for name, value in head.state_dict().items()
    }
    resized = GaussianHead(head.settings, count)
    resized.load_state_dict(values)
    resized.refresh()
    return resized


def compare(tab: Tab, packet: Packet) -> dict[str, float]:
    """PSNR (dB) of the browser's pictures against the Python renderer's, by view and look."""
    scores = {}
    for name, (yaw, pitch, frame) in VIEWS.items():
        for look, title in enumerate(packet.header["looks"]):
            turn = f"Object.assign(s.stage.view, {{yaw: {yaw}, pitch: {pitch}}});"
            state = f"Object.assign(s.state, {{frame: {frame}, wipe: {1 - look}}});"
            drawn = torch.from_numpy(tab.picture(turn + state)).float() / 255
            camera = camera_from(tab.run("return s.camera();"))
            with torch.no_grad():
                truth = browser_gaussians(packet, frame, look).render(camera)[0].clamp(0, 1)
            scores[f"webgl_psnr {name}, {title}"] = psnr(drawn, truth)
    return scores


def measure(road: Road, tab: Tab) -> dict[str, float]:
    """All numbers by name."""
    head, edited, capture = road.gaussian_head(), road.current_edit(), road.capture()
    packet = pack_head(head, capture, edited, alt="A head.")
    packet.header["size"] = capture.camera.width
    numbers = {
        "gaussians": len(head.xyz),
        "avatar_mb": avatar_page(road).stat().st_size / 1e6,
        "avatar_psnr_mean": road.numbers("animate")["avatar.psnr"],
    }
    begun = time.monotonic()
    tab.show(packet)
    numbers["first_paint_s"] = time.monotonic() - begun
    numbers |= compare(tab, packet)
    numbers["cpu_ms_median"] = tab.run(TIMING)
    alt = f"{MANY} Gaussians."
    many = pack_head(repeated(head, MANY), capture, limit=MANY_LIMIT, alt=alt)
    many.header["size"] = TIMING_SIZE
    tab.show(many)
    numbers[f"cpu_ms_median of {MANY} Gaussians"] = tab.run(TIMING)
    return numbers


def avatar_page(road: Road) -> Path:
    """The run's avatar.html."""
    return road.folder / "animate" / "avatar.html"


def photograph(road: Road, tab: Tab, folder: Path) -> None:
    """Write avatar.png, a screenshot, and viewers.png, what the viewers' canvases show."""
    folder.mkdir(parents=True, exist_ok=True)
    tab.open(avatar_page(road))
    tab.tab.get_by_role("button", name="Pause").click()
    tab.run("s.stage.view.yaw = 0.25; s.change('wipe', 0.5);")
    tab.tab.get_by_label("frame", exact=True).fill("20")
    tab.tab.wait_for_timeout(800)
    tab.tab.screenshot(path=str(folder / "avatar.png"))
    Image.fromarray(sheet([viewer_pictures(road, tab)], VIEWER_TITLES)).save(folder / "viewers.png")


def viewer_pictures(road: Road, tab: Tab) -> list[np.ndarray]:
    """What the viewers' canvases show, one picture for each of VIEWER_TITLES."""
    mesh, capture = road.mesh_head(), road.capture()
    pictures = []
    show_large(tab, mesh_viewer(mesh, capture).packet)
    pictures.append(tab.picture("s.stage.view.yaw = 0.5;"))
    pictures.append(tab.picture("s.state.overlay = 'normals';"))
    show_large(tab, mesh_viewer(mesh, capture, slice_sdf=True).packet)
    pictures.append(tab.picture("s.state.landmarks = false;"))
    show_large(tab, pack_head(road.gaussian_head(), capture, road.current_edit(), alt="A head."))
    weights = "Object.assign(s.state, {overlay: 'weights', frame: 0, wipe: 1});"
    pictures.append(tab.picture(weights))
    pictures.append(tab.picture("s.state.b = 0.2;"))
    return pictures


def show_large(tab: Tab, packet: Packet) -> None:
    """Show a packet on a canvas of 512 pixels."""
    packet.header["size"] = 512
    tab.show(packet)


def report(road: Road, numbers: dict[str, float]) -> str:
    """benchmarks/viewers.md."""
    rows = "".join(f"| {name} | {value:.2f} |\n" for name, value in numbers.items())
    return (
        "# The viewer in a browser\n\n"
        f"`python benchmarks/viewers.py {road.run} --write` at {code_version()}, "
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, Chromium with SwiftShader (no GPU), "
        f"head of `{road.plan.source.text}`. PSNR in dB; milliseconds are those of sorting and "
        f"expression in JavaScript, without drawing.\n\n| | |\n|---|---|\n{rows}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="keep screenshots there")
    help_write = "keep benchmarks/viewers.md and the pictures of the documentation"
    parser.add_argument("--write", action="store_true", help=help_write)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    road = Road(arguments.run, quiet=True)
    pictures = FIGURES if arguments.write else arguments.pictures
    with opened_tab() as tab:
        numbers = measure(road, tab)
        if pictures is not None:
            photograph(road, tab, pictures)
    for name, value in numbers.items():
        print(f"{name.replace(' ', '_').replace(',', '')} {value:.2f}")
    if arguments.write:
        (HERE / "viewers.md").write_text(report(road, numbers))


if __name__ == "__main__":
    main()
