"""Seconds from Enter to changed pixels in the studio: `python benchmarks/studio.py --runs q-mara`.

Chromium without a window, WebGL in software, the program and the browser on the same cores. Each
sentence is asked of each head; what counts is the time from the key to the end of the first drawing
with the new look. With --camera a made-up film is played by Chromium's fake camera instead, and the
rate and latency of `stkit puppet` are read.

    for s in mara sami walter zola; do stkit run synthetic:$s --name q-$s; done
    RUNS="q-mara q-sami q-walter q-zola"
    python benchmarks/studio.py --runs $RUNS --write docs/results/studio.json
"""

import argparse
import json
import re
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from stkit.diffusion.editors import get_editor
from stkit.io.images import u8
from stkit.io.tensors import write_json
from stkit.runs.edits import base_of
from stkit.runs.machine import circumstances, machine
from stkit.studies.previews import SENTENCES
from stkit.synthetic.subject import CAST, film, make_subject
from stkit.viewers.page_server import PageServer
from stkit.viewers.puppeteer import PuppeteerSession
from stkit.viewers.studio import studio_packet
from stkit.viewers.studio_session import StudioSession

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), "chromium")
WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
SIZE = 256  # pixels of the drawing
WATCH = """(size) => {
  const { stage, layer } = document.querySelector('.stkit').stkit;
  stage.header.size = size;
  const replace = layer.replaceLook.bind(layer);
  window.changed = 0;
  layer.replaceLook = (...x) => { replace(...x); window.due = true; };
  const draw = stage.draw.bind(stage);
  stage.draw = () => {
    draw();
    if (window.due) { stage.gl.finish(); window.changed = performance.now(); window.due = false; }
  };
}"""
PRESSED = """() => { document.querySelector('.studio input[type=text]').addEventListener(
  'keydown', () => { window.pressed = performance.now(); }); }"""
SET_SIZE = "(n) => { document.querySelector('.stkit').stkit.stage.header.size = n; }"
CAMERA_SECONDS = 12.0


@contextmanager
def opened(server: PageServer, *more: str):
    """A page of the server in Chromium."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=[*WEBGL, *more])
        page = browser.new_page(viewport={"width": 1000, "height": 1000})
        page.goto(server.url)
        page.wait_for_selector("body[data-ready=yes]")
        yield page
        browser.close()
    server.shutdown()
    server.server_close()


def studio_seconds(run: str, editor_name: str) -> list[float]:
    """From Enter to changed pixels, for each sentence."""
    base, editor = base_of(run), get_editor(editor_name)
    settings = base.road.plan.edit_settings("")
    session = StudioSession(base.head, base.capture, base.views, editor, settings)
    packet = studio_packet(base.head, base.capture, editor)
    found = []
    with opened(PageServer(session, packet, run, "")) as page:
        page.evaluate(WATCH, SIZE)
        page.evaluate(PRESSED)
        line = page.get_by_label("sentence")
        for sentence in SENTENCES:
            before = page.evaluate("window.changed")
            line.fill(sentence)
            line.press("Enter")
            while page.evaluate("window.changed") == before:
                time.sleep(0.01)
            found.append(page.evaluate("(window.changed - window.pressed) / 1000"))
            while page.get_by_role("button", name="Undo").is_disabled():
                time.sleep(0.01)
    return found


def camera_numbers(run: str, folder: Path) -> dict[str, float]:
    """Pictures a second and milliseconds of `stkit puppet` before a made-up film."""
    subject = make_subject(CAST["walter"], 90, 6.0)
    calm = int(subject.performance.beta[:, :52].abs().sum(1).argmin())
    place = folder / "camera.y4m"
    with place.open("wb") as file:
        file.write(f"YUV4MPEG2 W{SIZE} H{SIZE} F30:1 Ip A1:1 C420jpeg\n".encode())
        for t in [calm] * 60 + list(range(90)):
            planes = cv2.cvtColor(u8(film(subject, SIZE, t)), cv2.COLOR_RGB2YUV_I420)
            file.write(b"FRAME\n" + planes.tobytes())
    base = base_of(run)
    session = PuppeteerSession(base.head, base.capture)
    fake = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={place}",
    ]
    server = PageServer(session, session.basis.packet, run, "")
    said = []
    with opened(server, *fake) as page:
        page.evaluate(
            "(n) => { document.querySelector('.stkit').stkit.stage.header.size = n; }", SIZE
        )
        page.get_by_role("button", name="Start the camera").click()
        end = time.monotonic() + CAMERA_SECONDS
        while time.monotonic() < end:
            said.append(page.locator(".studio .note").inner_text())
            time.sleep(0.1)
    session.end()
    pattern = r"(\d+) ms a frame here, (\d+) a second; from camera to picture (\d+) ms"
    rows = [[float(x) for x in m.groups()] for m in map(re.compile(pattern).match, said) if m]
    here, rate, latency = np.median(rows[len(rows) // 3 :], axis=0)
    return {"ms_in_python": here, "pictures_a_second": rate, "latency_ms": latency}


def main() -> None:
    """The commands in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", nargs="+", required=True)
    parser.add_argument("--editors", nargs="+", default=["paint", "tiny"])
    parser.add_argument("--write", type=Path)
    a = parser.parse_args()
    out: dict = {"seconds": {}, "puppet": {}}
    for editor in a.editors:
        rows = {run: studio_seconds(run, editor) for run in a.runs}
        every = [x for row in rows.values() for x in row]
        out["seconds"][editor] = {
            "median": float(np.median(every)),
            "slowest": max(every),
            "runs": rows,
        }
    with tempfile.TemporaryDirectory() as folder:
        for run in a.runs:
            out["puppet"][run] = camera_numbers(run, Path(folder)) | {
                "gaussians": len(base_of(run).head.xyz)
            }
    print(
        json.dumps(
            {e: {k: v for k, v in s.items() if k != "runs"} for e, s in out["seconds"].items()}
        )
    )
    print(json.dumps(out["puppet"], indent=1))
    if a.write:
        write_json(a.write, out | {"machine": machine(), **circumstances()})


if __name__ == "__main__":
    main()
