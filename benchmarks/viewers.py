"""The viewer in headless Chromium against the Python renderer, on the head of a run: `python benchmarks/viewers.py subject`.

Prints one line a number. --pictures FOLDER keeps screenshots of the avatar and of the viewers (of any run; never publish those of real
clips). --write keeps benchmarks/viewers.md and the README's two pictures. Needs Chromium and playwright.
"""

import argparse
import base64
import io
import json
import platform
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import sync_playwright
from stkit.viewers.pack import browser_gaussians, camera_from, pack_head

from stkit.heads.gaussian import GaussianHead
from stkit.io.images import sheet
from stkit.io.tensors import read_json
from stkit.metrics import psnr
from stkit.runs.machine import code_version
from stkit.runs.road import Road
from stkit.runs.store import run_folder
from stkit.viewers import mesh_viewer
from stkit.viewers.page import page

HERE = Path(__file__).resolve().parent
VIEWS = {
    "front": (0.0, 0.0, 0),
    "left, frame 17": (0.6, 0.1, 17),
    "right, frame 33": (-0.6, -0.15, 33),
}
SCREEN = {"width": 920, "height": 720}


def grown(head: GaussianHead, count: int) -> GaussianHead:
    """The head with Gaussians repeated, or left out, until there are `count`: for timing only."""
    index = torch.arange(count) * len(head.xyz) // count
    out = GaussianHead(head.settings, count)
    out.load_state_dict(
        {k: v if k == "landmarks" or "." in k else v[index] for k, v in head.state_dict().items()}
    )
    out.refresh()
    return out


def measure(run: str, pictures: Path | None) -> dict[str, float]:
    folder = run_folder(run)
    capture = Road(run, quiet=True).capture()
    head = GaussianHead.load(folder / "gaussians" / "gaussian_head.safetensors")
    edited = GaussianHead.load(folder / "edit" / "edited_head.safetensors")
    packet = pack_head(head, capture, edited, alt="A head.")
    packet.header["size"] = capture.camera.width
    out: dict[str, float] = {
        "gaussians": len(head.xyz),
        "avatar_mb": (folder / "animate" / "avatar.html").stat().st_size / 1e6,
    }
    out["avatar_psnr_mean"] = read_json(folder / "animate" / "results.json")["avatar.psnr"]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as p, tempfile.TemporaryDirectory() as work:
        browser = p.chromium.launch(
            executable_path=chromium,
            args=["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"],
        )
        tab = browser.new_context(offline=True, viewport=SCREEN).new_page()
        path = Path(work) / "same.html"
        path.write_text(page(packet, "same"))
        begun = time.monotonic()
        open_page(tab, path)
        out["first_paint_s"] = time.monotonic() - begun

        def do(script):
            return tab.evaluate(
                f"() => {{ const s = document.querySelector('.stkit').stkit; {script} }}"
            )

        for name, (yaw, pitch, frame) in VIEWS.items():
            for look in (0, 1):
                url = do(
                    f"Object.assign(s.stage.view, {{yaw: {yaw}, pitch: {pitch}}}); Object.assign(s.state, {{frame: {frame}, wipe: {1 - look}}}); s.stage.draw();"
                    "return s.stage.canvas.toDataURL();"
                )
                seen = np.asarray(
                    Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")
                )
                camera = camera_from(do("return s.camera();"))
                with torch.no_grad():
                    truth = browser_gaussians(packet, frame, look).render(camera)[0].clamp(0, 1)
                out[f"webgl_psnr {name}, {packet.header['looks'][look]}"] = psnr(
                    torch.from_numpy(seen.copy()).float() / 255, truth
                )
        timing = (
            "const o = []; for (let k = 0; k < 100; k++) { s.state.frame = k % 50; s.stage.view.yaw = 0.02 * k; s.stage.draw(); o.push(s.layer.milliseconds); } s.stage.gl.finish();"
            "return o.sort((a, b) => a - b)[50];"
        )
        out["cpu_ms_median"] = do(timing)
        many = pack_head(
            grown(head, 20_000), capture, limit=10_000_000, alt="Twenty thousand Gaussians."
        )
        many.header["size"] = (
            64  # what is timed does not depend on it, and without a GPU drawing takes long
        )
        path.write_text(page(many, "many"))
        open_page(tab, path)
        out["cpu_ms_median of 20000 Gaussians"] = do(timing)
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            open_page(tab, folder / "animate" / "avatar.html")
            do("s.stage.toggle(); s.stage.view.yaw = 0.25; s.change('wipe', 0.5);")
            tab.get_by_label("frame", exact=True).fill("20")
            tab.wait_for_timeout(800)
            tab.screenshot(path=str(pictures / "avatar.png"))
            Image.fromarray(
                sheet(
                    [views(tab, do, path, Road(run, quiet=True).mesh_head(), capture, packet)],
                    VIEWED,
                )
            ).save(pictures / "viewers.png")
        browser.close()
    return out


VIEWED = ["mesh, landmarks", "normals", "signed distance", "w of Eq. 8, alpha 5", "1 - w"]


def views(tab, do, path: Path, mesh, capture, packet) -> list[np.ndarray]:
    """What the viewers' canvases show, one picture for each of VIEWED."""
    packet.header["size"] = 512
    steps = [
        (mesh_viewer(mesh, capture).packet, "s.stage.view.yaw = 0.5;"),
        (None, "s.state.overlay = 'normals';"),
        (mesh_viewer(mesh, capture, slice_sdf=True).packet, "s.state.landmarks = false;"),
        (packet, "Object.assign(s.state, {overlay: 'weights', frame: 0, wipe: 1});"),
        (None, "s.state.b = 0.2;"),
    ]
    out = []
    for show, script in steps:
        if show is not None:
            path.write_text(page(show, "viewers"))
            open_page(tab, path)
        url = do(f"{script} s.stage.draw(); return s.stage.canvas.toDataURL();")
        out.append(
            np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))
        )
    return out


def open_page(tab, path: Path) -> None:
    tab.goto(path.resolve().as_uri())
    tab.wait_for_selector("body[data-ready=yes]")
    tab.wait_for_function("() => document.querySelector('.stkit').stkit.stage.drawn > 0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="keep screenshots there")
    parser.add_argument(
        "--write", action="store_true", help="keep benchmarks/viewers.md and the README's pictures"
    )
    a = parser.parse_args()
    torch.set_num_threads(1)
    numbers = measure(a.run, HERE.parent / "notebooks" / "figures" if a.write else a.pictures)
    lines = [
        f"{name.replace(' ', '_').replace(',', '')} {value:.2f}" for name, value in numbers.items()
    ]
    print("\n".join(lines))
    if a.write:
        source = json.loads((run_folder(a.run) / "metrics.json").read_text())["computed_on"][
            "source"
        ]
        text = f"# The viewer in a browser\n\n`python benchmarks/viewers.py {a.run} --write` at {code_version()}, {time.strftime('%Y-%m-%d')}, {platform.machine()}, Chromium with SwiftShader (no GPU), "
        text += f"head of `{source}`. PSNR in dB; milliseconds are those of sorting and expression in JavaScript, without drawing.\n\n| | |\n|---|---|\n"
        (HERE / "viewers.md").write_text(
            text + "".join(f"| {name} | {value:.2f} |\n" for name, value in numbers.items())
        )


if __name__ == "__main__":
    main()
