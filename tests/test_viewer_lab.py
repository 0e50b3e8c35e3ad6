"""Viewers in JupyterLab, in a real browser and without the network."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import numpy as np
import pytest
from browser import decode_data_url

from stkit.assets import repository

pytest_plugins = ["viewer_fixtures"]

NOTEBOOK = """
import torch
from stkit.cameras import front_camera
from stkit.render.gaussians import Gaussians
from stkit.viewers import SplatViewer
g = torch.Generator().manual_seed(0)
n = 400
scene = Gaussians(
    means=torch.randn(n, 3, generator=g) * 0.4,
    quats=torch.nn.functional.normalize(torch.randn(n, 4, generator=g), dim=-1),
    scales=0.05 + 0.1 * torch.rand(n, 3, generator=g),
    opacities=torch.rand(n, generator=g),
    colors=torch.rand(n, 3, generator=g),
)
viewer = SplatViewer(scene, camera=front_camera(128), distance=scene.means.norm(dim=1),
                     alt="Coloured blobs.", state={"overlay": "weights"})
viewer
"""

WEIGHTS_IN_PYTHON = """
import numpy as np
from stkit.editing.weights import weight
from stkit.viewers.browser_twin import browser_gaussians
packet = viewer.packet
d = torch.from_numpy(packet.arrays["distance"].astype(np.float32)) * packet.header["distanceStep"]
g = browser_gaussians(packet, viewer.state.get("frame", 0), 0)
w = weight(d, viewer.state["alpha"])
np.save("w.npy", g.splat(w[:, None], viewer.view()).numpy())
print("w drawn for alpha", viewer.state["alpha"])
"""

DRAWN = "() => document.querySelector('.stkit').stkit.stage.drawn"
BOOK = "jupyterapp.shell.currentWidget.content"
KERNEL_ANSWERS = """
  const context = jupyterapp.shell.currentWidget.sessionContext;
  await context.ready;
  await context.session.kernel.info;"""
PICTURE = """() => {
  const s = document.querySelector('.stkit').stkit;
  s.stage.draw();
  return s.stage.canvas.toDataURL();
}"""
SHOW_RAW_WEIGHTS = """() => {
  const s = document.querySelector('.stkit').stkit;
  s.stage.header.size = s.stage.header.camera.width;
  s.change('overlay', 'raw');
}"""
FIND_VIEWER = f"""() => {BOOK}.widgets.findIndex(
    c => c.model.sharedModel.source.includes('viewer = SplatViewer'))"""
SYNCED = 800  # milliseconds; the state is synced 150 ms after the last move
JUPYTERS_OWN = ("Failed to load resource", "restore the debugger state")


def write_notebooks(folder) -> None:
    """A notebook with one viewer; notebook 06 with one cell more, that draws w in Python."""
    code = nbformat.v4.new_code_cell
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    state = code("print('alpha is', viewer.state.get('alpha'))")
    book = nbformat.v4.new_notebook(cells=[code(NOTEBOOK.strip()), state], metadata=kernel)
    nbformat.write(book, folder / "viewer.ipynb")
    lesson = nbformat.read(repository() / "notebooks" / "06_weigh_landmarks.ipynb", 4)
    lesson.cells.append(code(WEIGHTS_IN_PYTHON.strip()))
    nbformat.write(lesson, folder / "lesson.ipynb")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(done, seconds: float = 60) -> None:
    """Ask `done` four times a second."""
    for _ in range(int(seconds / 0.25)):
        if done():
            return
        time.sleep(0.25)
    raise AssertionError(f"nothing came within {seconds:.0f} s")


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab server on the two notebooks."""
    write_notebooks(tmp_path)
    port = free_port()
    folders = {
        "HOME": tmp_path,
        "JUPYTER_CONFIG_DIR": tmp_path / "config",
        "JUPYTER_RUNTIME_DIR": tmp_path / "runtime",
        "STKIT_RUNS": tmp_path / "runs",
    }
    environment = os.environ | {k: str(v) for k, v in folders.items()} | {"STKIT_QUIET": "1"}
    options = [
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--ip=127.0.0.1",
        "--IdentityProvider.token=",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--ServerApp.root_dir={tmp_path}",
    ]
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-m", "jupyterlab", *options]
    server = subprocess.Popen(command, env=environment, **nowhere)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(f"{address}/api"))
        yield address
    finally:
        server.terminate()
        server.wait(20)


class LabTab:
    """A tab that reaches nothing but this machine; collects complaints and other requests."""

    def __init__(self, context):
        self.complaints: list[str] = []
        self.outside: list[str] = []
        context.route(self._is_outside, self._refuse)
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._note_message)
        # a slow machine may be asked which kernel to take, or something else before the first click
        self.page.add_locator_handler(
            self.page.locator(".jp-Dialog"),
            lambda dialog: dialog.locator("button.jp-mod-accept").first.click(),
        )

    @staticmethod
    def _is_outside(url: str) -> bool:
        return "127.0.0.1" not in url and not url.startswith(("data:", "blob:"))

    def _refuse(self, route) -> None:
        self.outside.append(route.request.url)
        route.abort()

    def _note_message(self, message) -> None:
        if message.type == "error" and not any(text in message.text for text in JUPYTERS_OWN):
            self.complaints.append(message.text)

    def open(self, address: str) -> None:
        """Open a notebook and wait until its kernel is idle."""
        self.page.goto(address)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
        idle = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
        self.page.wait_for_selector(idle, timeout=60_000)
        self.execute(KERNEL_ANSWERS)

    def run_cell(self, k: int) -> None:
        """Run cell k; asked again where JupyterLab, still starting, did not listen."""
        cell = self.page.locator(".jp-Notebook .jp-Cell").nth(k)
        for _ in range(10):
            cell.locator(".cm-content").click()
            self.page.keyboard.press("Control+Enter")
            self.page.wait_for_timeout(1500)
            if cell.locator(".jp-InputPrompt").first.inner_text() != "[ ]:":
                return
        raise AssertionError(f"JupyterLab did not run cell {k}")

    def execute(self, script: str) -> None:
        self.page.evaluate(f"async () => {{ {script} }}")

    def wait_for_viewer(self, timeout: int) -> None:
        self.page.wait_for_selector(".stkit canvas", timeout=timeout)
        self.page.wait_for_function(f"({DRAWN})() > 0")

    def picture(self) -> np.ndarray:
        """The viewer's canvas (H, W, 3), drawn now."""
        return decode_data_url(self.page.evaluate(PICTURE))


@pytest.fixture
def labtab(browser):
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    yield LabTab(context)
    context.close()


def test_jupyterlab_shows_a_viewer_without_the_network(lab, labtab):
    page = labtab.page
    labtab.open(f"{lab}/lab/tree/viewer.ipynb?reset")
    labtab.run_cell(0)
    labtab.wait_for_viewer(timeout=90_000)
    before = labtab.picture()
    drawn = page.evaluate(DRAWN)
    page.get_by_label("alpha (1/dm)").fill("12")
    page.wait_for_function(f"({DRAWN})() > {drawn}")
    assert not np.array_equal(labtab.picture(), before)
    page.wait_for_timeout(SYNCED)
    labtab.run_cell(1)
    page.wait_for_selector("text=alpha is 12", timeout=30_000)
    assert labtab.outside == [] and labtab.complaints == []


def test_notebook_06_in_jupyterlab_weighs_as_python_does(lab, labtab, tmp_path):
    """The whole lesson: alpha dragged in the browser, w drawn there and in the kernel."""
    page = labtab.page
    labtab.open(f"{lab}/lab/tree/lesson.ipynb?reset")
    labtab.run_cell(1)
    labtab.execute("await jupyterapp.commands.execute('notebook:run-all-cells');")
    saved = tmp_path / "w.npy"
    wait_for(saved.exists)
    at = page.evaluate(FIND_VIEWER)
    labtab.execute(f"{BOOK}.activeCellIndex = {at}; await {BOOK}.scrollToItem({at}, 'start');")
    labtab.wait_for_viewer(timeout=60_000)
    page.evaluate(SHOW_RAW_WEIGHTS)
    before = labtab.picture()[..., 0] / 255
    saved.unlink()
    page.get_by_label("alpha (1/dm)").first.fill("12")
    after = labtab.picture()[..., 0] / 255
    page.wait_for_timeout(SYNCED)
    last = f"{BOOK}.activeCellIndex = {BOOK}.widgets.length - 1;"
    labtab.execute(f"{last} await jupyterapp.commands.execute('notebook:run-cell');")
    wait_for(saved.exists)
    truth = np.load(saved)[..., 0]
    assert np.abs(after - before).max() > 0.2, "dragging alpha changes the picture"
    assert np.abs(after - truth).max() < 0.02, "the browser's w is the kernel's"
    assert labtab.outside == [] and labtab.complaints == []
