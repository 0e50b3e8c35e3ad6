"""The viewers: packing against the head, the page in a real browser against the Python renderer, explorers without a front end."""

import base64
import io
import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stkit.driving.motion import own_motion, part, play
from stkit.editing.weights import weight
from stkit.metrics import psnr
from stkit.render import rasterize
from stkit.render.gaussians import Gaussians
from stkit.viewers import Compare, MeshViewer, SplatViewer, explore, mesh_viewer, save_avatar
from stkit.viewers.explorer import parameter_line
from stkit.viewers.pack import (
    SLIDERS,
    browser_gaussians,
    camera_from,
    camera_header,
    pack_gaussians,
    pack_head,
)
from stkit.viewers.page import page, quality

pytestmark = pytest.mark.usefixtures("one_torch_thread")
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


@pytest.fixture(scope="module")
def tracked(mesh):
    return mesh[1]


@pytest.fixture(scope="module")
def edited(gaussians):
    """The same head with blue hair and face."""
    import copy

    twin = copy.deepcopy(gaussians)
    with torch.no_grad():
        twin.feature[:, 2] += 3.0
        twin.xyz += 0.003
    return twin


@pytest.fixture(scope="module")
def packet(gaussians, edited, tracked):
    return pack_head(gaussians, tracked, edited, frames=12, alt="A head.")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    sync = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
    )
    with sync.sync_playwright() as p:
        b = p.chromium.launch(
            executable_path=CHROMIUM,
            args=["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"],
        )
        yield b
        b.close()


class Open:
    """A page from disk, offline; collects what it complains about and what it asks for."""

    def __init__(self, browser, path):
        self.complaints, self.requests = [], []
        self.context = browser.new_context(offline=True, viewport={"width": 1000, "height": 1000})
        self.page = self.context.new_page()
        self.page.on(
            "console",
            lambda m: (
                self.complaints.append(m.text)
                if m.type in ("error", "warning") and "GPU stall" not in m.text
                else None
            ),
        )
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on(
            "request",
            lambda r: (
                self.requests.append(r.url)
                if not r.url.startswith(("file:", "data:", "blob:"))
                else None
            ),
        )
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.stkit')].some(e => !e.stkit || e.stkit.stage.drawn > 0)"
        )

    def do(self, script: str):
        return self.page.evaluate(
            f"async () => {{ const s = document.querySelector('.stkit').stkit; {script} }}"
        )

    def shot(self, **state) -> np.ndarray:
        """The canvas (H, W, 3) after setting the state."""
        url = self.do(
            f"Object.assign(s.state, {json.dumps(state)}); s.stage.draw(); return s.stage.canvas.toDataURL('image/png');"
        )
        return np.asarray(
            Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")
        )

    def camera(self):
        return camera_from(self.do("return s.camera();"))

    def close(self):
        self.context.close()


@pytest.fixture(scope="module")
def opened(browser, packet, tracked, tmp_path_factory):
    path = tmp_path_factory.mktemp("viewer") / "avatar.html"
    packet.header["size"] = tracked.camera.width
    packet.header["mouth"] = tracked.camera.project(tracked.landmarks3d[0])[58:].mean(0).tolist()
    path.write_text(page(packet, "A head", "blue", "nobody"))
    it = Open(browser, path)
    yield it
    it.close()


# ---- packing
def test_browser_gaussians_show_what_the_head_shows(packet, gaussians, edited, tracked):
    rounded = packet.header | {"looks": ["head"]}
    scores = quality(type(packet)(rounded, packet.arrays), gaussians, tracked, None, 12)
    assert min(scores) > 36, scores
    assert min(quality(packet, edited, tracked, None, 12)) > 33


def test_expression_sliders_are_directions_of_the_head(packet, gaussians, tracked):
    """At position 1 a slider gives the head's own answer to that expression."""

    m, name = tracked.neutral, "jaw"
    beta = tracked.beta[m].clone()
    beta[0] += SLIDERS[name][0]["jaw_open"]
    frames = np.linspace(0, len(tracked) - 1, 12).round().astype(int).tolist()
    k = min(range(12), key=lambda i: abs(frames[i] - m))
    with torch.no_grad():
        still = tracked.frame_pose(frames[k])
        truth = gaussians.render(tracked.camera, replace(still, beta=beta))[0]
        before = gaussians.render(tracked.camera, still)[0]
        shown = browser_gaussians(packet, k, 0, {name: 1.0}).render(tracked.camera)[0]
        unmoved = browser_gaussians(packet, k, 0).render(tracked.camera)[0]
    assert (truth - before).abs().max() > 0.1
    assert (shown - truth).abs().mean() < 0.5 * (unmoved - truth).abs().mean()


def test_the_limit_is_kept_and_said(gaussians, tracked):
    import gzip

    small = pack_head(gaussians, tracked, frames=12, limit=110_000)
    large = pack_head(gaussians, tracked, frames=12)
    assert (
        len(gzip.compress(small.bytes(), 6)) <= 110_000
        and small.header["fault"] > large.header["fault"]
    )
    with pytest.raises(ValueError, match="fewer frames"):
        pack_head(gaussians, tracked, frames=12, limit=1000)


def test_another_runs_head_is_refused(gaussians, tracked):
    import copy

    other = copy.deepcopy(gaussians)
    other.xyz = torch.nn.Parameter(other.xyz[:-3].detach())
    with pytest.raises(ValueError, match="not of one run"):
        pack_head(gaussians, tracked, other)


@given(st.integers(1, 60), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_still_gaussians_survive_packing(n, seed):
    from stkit.cameras import front_camera

    g = torch.Generator().manual_seed(seed)
    scene = Gaussians(
        means=torch.randn(n, 3, generator=g),
        quats=torch.nn.functional.normalize(torch.randn(n, 4, generator=g), dim=-1),
        scales=0.02 + torch.rand(n, 3, generator=g),
        opacities=torch.rand(n, generator=g),
        colors=torch.rand(n, 3, generator=g),
    )
    back = browser_gaussians(pack_gaussians(scene, front_camera(64)), 0)
    assert torch.allclose(back.means, scene.means, atol=1e-3)
    assert torch.allclose(back.scales, scene.scales, rtol=2e-3, atol=1e-5)
    assert torch.allclose(back.colors, scene.colors, atol=0.003) and torch.allclose(
        back.opacities, scene.opacities, atol=0.003
    )
    assert ((back.quats * scene.quats).sum(1).abs() > 0.999).all()


def test_the_page_names_no_network(packet):
    text = page(packet, "<b>title", "</script>", "e")
    assert "default-src 'none'" in text and "&lt;b&gt;title" in text
    script = text[text.index('<script type="module">') :]
    assert script.count("</script>") == 1 and "http" not in script.replace("http-equiv", "")


def test_avatar_is_one_small_file(gaussians, edited, tracked, tmp_path):
    avatar = save_avatar(
        gaussians, tracked, tmp_path / "avatar.html", edited, prompt="blue", frames=8
    )
    assert (
        avatar.path.stat().st_size == avatar.bytes <= 3_000_000
        and len(avatar.psnr) == 8
        and min(avatar.psnr) > 33
    )
    assert [p.name for p in tmp_path.iterdir()] == ["avatar.html"]


# ---- the browser
def test_webgl_equals_the_python_renderer(opened, packet):
    for yaw, pitch, frame in ((0, 0, 0), (0.6, 0.1, 5), (-0.5, -0.2, 9)):
        opened.do(f"s.stage.view.yaw = {yaw}; s.stage.view.pitch = {pitch};")
        for look, wipe in ((0, 1.0), (1, 0.0)):
            seen = (
                torch.from_numpy(
                    opened.shot(
                        frame=frame, wipe=wipe, overlay="none", sliders={}, pose=[0, 0, 0]
                    ).copy()
                ).float()
                / 255
            )
            truth = browser_gaussians(packet, frame, look).render(opened.camera())[0].clamp(0, 1)
            assert psnr(seen, truth) > 40, (yaw, look, psnr(seen, truth))


def test_weights_in_the_browser_are_eq_8(opened, packet):
    opened.do("s.stage.view.yaw = 0.3; s.stage.view.pitch = 0;")
    d = (
        torch.from_numpy(packet.arrays["distance"].astype(np.float32))
        * packet.header["distanceStep"]
    )
    camera, g = opened.camera(), browser_gaussians(packet, 0, 0)
    pictures = []
    for alpha, b in ((5.0, 0.8), (12.0, 0.8), (5.0, 0.2)):
        seen = (
            opened.shot(frame=0, wipe=1.0, overlay="raw", alpha=alpha, b=b, boundary=0.5)[..., 0]
            / 255
        )
        w = weight(d, alpha) if b >= 0.5 else 1 - weight(d, alpha)
        truth = rasterize(
            g.means,
            g.quats,
            g.scales,
            g.opacities,
            w[:, None],
            camera.viewmat[None],
            camera.K[None],
            camera.width,
            camera.height,
        )[0]
        assert np.abs(seen - truth[0, ..., 0].numpy()).max() < 0.02
        pictures.append(seen)
    assert (
        np.abs(pictures[0] - pictures[1]).max() > 0.2
        and np.abs(pictures[0] - pictures[2]).max() > 0.5
    )
    opened.shot(overlay="none", b=0.8)


def test_a_slider_moves_the_mouth_and_not_the_hair(opened, packet):
    opened.do("s.stage.view.yaw = 0; s.stage.view.pitch = 0;")
    before = opened.shot(frame=0, wipe=1.0, sliders={}, overlay="none").astype(float)
    opened.page.get_by_label("jaw", exact=True).fill("1")
    after = opened.shot().astype(float)
    change = np.abs(after - before).max(-1)
    far = opened.shot(overlay="raw", alpha=5.0, b=0.8)[..., 0] < 0.1 * 255
    opened.shot(overlay="none")
    mouth = packet.header["mouth"]
    near = np.hypot(
        *np.moveaxis(np.indices(change.shape) - np.array(mouth)[::-1, None, None], 0, 0)
    ) < 0.08 * len(change)
    assert change[near].mean() > 10 and change[near].max() > 60
    assert (change[far] > 6).mean() < 0.005, (
        "hair, clothes, background; the chin passes over a little of the neck"
    )
    opened.page.get_by_role("button", name="Reset").click()
    assert np.abs(opened.shot(frame=0).astype(float) - before).max() <= 1


def test_head_pose_sliders_turn_as_the_library_does(opened, packet):
    """Positive pitch lowers the nose, positive yaw turns it to the subject's left: the browser equals Python's Euler angles."""
    opened.do("s.stage.view.yaw = 0; s.stage.view.pitch = 0;")
    pose = [20, 12, -8]
    seen = (
        torch.from_numpy(
            opened.shot(frame=0, wipe=1.0, pose=pose, sliders={"jaw": 0.5}).copy()
        ).float()
        / 255
    )
    truth = (
        browser_gaussians(packet, 0, 0, {"jaw": 0.5}, pose).render(opened.camera())[0].clamp(0, 1)
    )
    assert psnr(seen, truth) > 40
    opened.shot(pose=[0, 0, 0], sliders={})


def test_a_hostile_title_stays_text(browser, packet, tmp_path):
    path = tmp_path / "hostile.html"
    packet.header["alt"] = "<!--<script>"
    path.write_text(page(packet, "<script>x", "<!--<script>", "</script>"))
    packet.header["alt"] = "A head."
    it = Open(browser, path)
    assert it.complaints == [] and it.page.locator("h1").inner_text() == "<script>x"
    it.close()


def test_it_plays_and_wipes(opened):
    first = opened.shot(frame=0, wipe=1.0).astype(float)
    opened.page.get_by_role("button", name="Play").click()
    opened.page.wait_for_function("() => document.querySelector('.stkit').stkit.state.frame >= 2")
    opened.page.get_by_role("button", name="Pause").click()
    assert np.abs(opened.shot().astype(float) - first).max() > 10
    half, other = (
        opened.shot(frame=0, wipe=0.5).astype(float),
        opened.shot(frame=0, wipe=0.0).astype(float),
    )
    cut = half.shape[1] // 2
    assert np.array_equal(half[:, :cut], first[:, :cut]) and np.array_equal(
        half[:, cut:], other[:, cut:]
    )


def test_the_keyboard_reaches_everything(opened):
    opened.page.locator("canvas").focus()
    opened.page.keyboard.press("Home")
    still = opened.shot(frame=0)
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("+")
    assert opened.do("return s.stage.view.yaw;") > 0 and opened.do("return s.stage.view.zoom;") > 0
    assert not np.array_equal(opened.shot(), still)
    opened.page.keyboard.press("Home")
    wanted = opened.page.locator(".stkit button, .stkit input, .stkit select").count()
    names = set()
    for _ in range(wanted):
        opened.page.keyboard.press("Tab")
        names.add(
            opened.page.evaluate(
                "() => document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
            )
        )
    assert {
        "Play",
        "frame",
        "wipe",
        "jaw",
        "yaw",
        "show",
        "alpha (1/dm)",
        "b",
        "boundary",
        "Reset",
    } <= names


def test_nothing_complains_and_nothing_is_asked_for(opened):
    assert opened.complaints == [] and opened.requests == []


def test_many_viewers_share_few_contexts(browser, packet, tmp_path):
    text = page(packet, "many")
    one = text[text.index("mount(document") : text.index("  .then")]
    many = one.replace('document.getElementById("view")', "e")
    head, tail = text.split("mount(document", 1)
    again = "".join(
        f"<div style='height:700px'></div><main class='v' id='v{k}'></main>" for k in range(23)
    )
    head = head.replace('<main id="view"></main>', '<main class="v" id="view"></main>' + again)
    body = f"await Promise.all([...document.querySelectorAll('.v')].map(e => {many.strip()}));\ndocument.body.dataset.ready = 'yes';\nwindow.live = live;\n</script></body></html>"
    path = tmp_path / "many.html"
    path.write_text(head + body)
    it = Open(browser, path)
    most = 0
    for _ in range(2):
        for k in list(range(23)) + [0]:
            it.page.evaluate(f"() => document.getElementById('v{k}').scrollIntoView()")
            it.page.wait_for_function(
                f"() => document.getElementById('v{k}').stkit.stage.gl && document.getElementById('v{k}').stkit.stage.drawn > 0"
            )
            most = max(most, it.page.evaluate("() => live.length"))
    assert most <= 6 and it.complaints == []
    it.close()


def test_fifty_cycles_of_leaving_and_entering_leak_nothing(browser, packet, tmp_path):
    """A cell that is run again ends its widget and renders a new one: contexts, listeners, nodes and heap stay where they were."""
    path = tmp_path / "cycles.html"
    path.write_text(
        page(packet, "cycles").replace(
            "mount(document", "window.parts = { widget, live };\nmount(document"
        )
    )
    it = Open(browser, path)
    it.page.evaluate(f"() => {{ window.header = {json.dumps(packet.header)}; }}")
    it.page.evaluate(
        """async () => {
        const text = document.getElementById('data').textContent, raw = Uint8Array.from(atob(text), c => c.charCodeAt(0));
        window.bytes = new DataView(await new Response(new Blob([raw]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer());
        window.cycle = async () => {
          const el = document.createElement('div'), values = { header: window.header, data: window.bytes, state: {}, camera: {} };
          document.body.prepend(el);
          const model = { get: k => values[k], set: (k, v) => { values[k] = v; }, save_changes() {}, on() {}, off() {} };
          const end = await window.parts.widget.render({ model, el });
          while (!(el.stkit && el.stkit.stage.drawn > 0)) await new Promise(r => setTimeout(r, 5));
          end(); el.remove();
        };
    }"""
    )
    devtools = it.context.new_cdp_session(it.page)
    devtools.send("Performance.enable")

    def counts() -> dict[str, float]:
        for _ in range(3):
            devtools.send("HeapProfiler.collectGarbage")
        return {m["name"]: m["value"] for m in devtools.send("Performance.getMetrics")["metrics"]}

    run = lambda n: it.page.evaluate(
        f"async () => {{ for (let k = 0; k < {n}; k++) await window.cycle(); }}"
    )
    run(5)
    before = counts()
    run(50)
    after = counts()
    assert it.page.evaluate("() => window.parts.live.length") <= 1, (
        "ended viewers hold no WebGL context"
    )
    assert (
        after["Nodes"] - before["Nodes"] < 50
        and after["JSEventListeners"] - before["JSEventListeners"] < 20
    )
    assert after["JSHeapUsedSize"] - before["JSHeapUsedSize"] < 2e6, (
        "fifty viewers would hold 100 MB"
    )
    assert it.complaints == []
    it.close()


def test_mesh_and_pictures_in_the_browser(browser, mesh, tmp_path):
    head, tracked, _ = mesh
    viewer = mesh_viewer(head, tracked)
    viewer.packet.header["size"] = tracked.camera.width
    path = tmp_path / "mesh.html"
    path.write_text(page(viewer.packet, "mesh"))
    it = Open(browser, path)
    seen = it.shot(landmarks=False).astype(float) / 255
    figure = viewer.poster().astype(float) / 255
    inside = lambda x: x.min(-1) < 0.97
    overlap = (inside(seen) & inside(figure)).sum() / (inside(seen) | inside(figure)).sum()
    assert overlap > 0.97
    weights, normals = it.shot(overlay="weights"), it.shot(overlay="normals")
    assert np.abs(weights.astype(float) - normals).max() > 50
    at = it.do(
        "const c = s.camera(), d = s.layer.data.landmarks, q = [0,1,2].map(k => d[90 + k]), W = c.viewmat, p = [0,4,8].map(r => W[r]*q[0]+W[r+1]*q[1]+W[r+2]*q[2]+W[r+3]); return s.layer.pick(s.stage.camera(), c.K[0]*p[0]/p[2]+c.K[2], c.K[4]*p[1]/p[2]+c.K[5]);"
    )
    assert at == "30: " + viewer.packet.header["names"][30] == "30: nose bridge"
    assert it.complaints == []
    it.close()
    both = Compare([figure, figure], [1 - figure, figure], alt="Twice a head.")
    path.write_text(page(both.packet, "pictures"))
    it = Open(browser, path)
    assert (
        it.page.locator("img").count() == 2
        and it.page.get_by_label("frame").count() == 1
        and it.complaints == []
    )
    it.close()


# ---- notebooks
def test_a_viewer_carries_a_poster_for_readers_without_a_kernel(gaussians, tracked):
    viewer = SplatViewer(gaussians, tracked, frames=6)
    data, metadata = viewer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data and metadata["image/png"]["alt"]
    poster = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB"))
    truth = play(gaussians, tracked, part(own_motion(tracked), [0]))[0]
    assert (
        psnr(torch.from_numpy(poster.copy()).float() / 255, torch.from_numpy(truth).float() / 255)
        > 35
    )


def test_the_turned_camera_reaches_python(gaussians, tracked):
    viewer = SplatViewer(gaussians, tracked, frames=6)
    from stkit.cameras import orbit_camera

    turned = orbit_camera(tracked.camera, 30.0)
    viewer.camera = camera_header(turned)
    assert torch.allclose(viewer.view().viewmat, turned.viewmat) and viewer.view(64).width == 64
    assert not torch.allclose(
        viewer.render(64), SplatViewer(gaussians, tracked, frames=6).render(64)
    )
    viewer.set(frame=3, alpha=8.0)
    assert viewer.state["frame"] == 3 and viewer.state["alpha"] == 8.0


def test_viewers_say_what_is_missing(gaussians, tracked):
    with pytest.raises(ValueError, match="capture"):
        SplatViewer(gaussians)
    with pytest.raises(ValueError, match="camera"):
        SplatViewer({"means": torch.zeros(1, 3)})
    with pytest.raises(ValueError, match="alt"):
        Compare(np.zeros((4, 4, 3)), np.ones((4, 4, 3)))
    with pytest.raises(ValueError, match="holds 32"):
        pack_head(gaussians, tracked, components=40)
    with pytest.raises(ValueError, match="do not fit"):
        Compare([np.zeros((4, 4, 3))], [np.ones((4, 4, 3))], frames=[1, 2], alt="x")
    with pytest.raises(ValueError, match="square"):
        MeshViewer(torch.rand(3, 3), torch.tensor([[0, 1, 2]]), replace(tracked.camera, width=10))
    with pytest.raises(ValueError, match="slider 'wink'"):
        pack_head(gaussians, tracked, sliders=("wink",))
    assert isinstance(
        MeshViewer(torch.rand(3, 3), torch.tensor([[0, 1, 2]]), tracked.camera), MeshViewer
    )


def test_explore_shows_its_start_and_follows(capsys, monkeypatch):
    import IPython.display

    from stkit.viewers import explorer as module

    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda data, **k: shown.append((data, k)))
    calls = []

    def picture(alpha: float, landmarks: str, draft: bool = False):
        calls.append((alpha, landmarks, draft))
        return np.full((8, 8, 3), alpha / 20)

    explore(picture, "A grey square.", alpha=(0.0, 20.0, 5.0), landmarks=["66", "dense"])
    assert calls == [(5.0, "66", False)]
    monkeypatch.setattr(module, "silent", lambda: False)
    explore(picture, "A grey square.", "caption", alpha=(0.0, 20.0, 5.0), landmarks=["66", "dense"])
    bundle = shown[-1][0]
    assert "image/png" in bundle and bundle["text/plain"] == "A grey square."
    assert parameter_line({"alpha": 5.0, "prompt": "a b"}) == "-p alpha 5.0 -p prompt 'a b'"
    with pytest.raises(ValueError, match="outside"):
        explore(picture, "x", alpha=(0.0, 1.0, 5.0))
    with pytest.raises(ValueError, match="neither"):
        explore(picture, "x", alpha=3)


def test_moving_a_slider_makes_a_draft_then_the_full_picture():
    import asyncio

    from stkit.viewers import explorer as module

    calls = []

    def picture(alpha: float, draft: bool = False):
        calls.append((alpha, draft))
        return np.full((8, 8, 3), alpha / 20)

    async def drag():
        controls = {"alpha": module._control("alpha", (0.0, 20.0, 5.0))}
        box = module._box(picture, lambda v: picture(**v, draft=False), True, controls, b"", "")
        for value in (6.0, 7.0, 8.0):
            controls["alpha"].value = value
        await asyncio.sleep(module.SETTLE + 0.2)
        return box

    loop = threading.Thread(
        target=lambda: asyncio.run(drag())
    )  # playwright's own loop may hold this thread
    loop.start()
    loop.join()
    assert calls == [(6.0, True), (7.0, True), (8.0, True), (8.0, False)]


def test_scrubber_moves_picture_and_cursor_together(tracked, monkeypatch):
    import IPython.display

    from stkit.viewers import scrub, signals

    found = signals.curves(tracked)
    assert (
        len(found["beta"]) == 6
        and set(found["degrees"]) == {"yaw", "pitch", "roll"}
        and len(found["degrees"]["yaw"]) == len(tracked)
    )
    box = signals._box(tracked, 0)
    (picture, slider), chart = box.children[0].children, box.children[1]
    before = picture.value
    slider.value = 7
    assert (
        picture.value != before
        and {s.x0 for s in chart.layout.shapes} == {7}
        and len(chart.data) == 9
    )
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda data, **k: shown.append(data))
    scrub(tracked)
    assert set(shown[0]) == {"image/png", "text/plain"}, "silent runs show the poster alone"


LIVE = """
import time
from stkit.viewers import live_bar
bar = live_bar(range(40), "training", total=40)
for k in bar:
    time.sleep(0.05)
    bar.set_postfix(loss=f"{1 / (k + 1):.4f}")
"""


def test_losses_are_drawn_while_a_cell_trains_and_stay_as_a_picture():
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(LIVE.strip())],
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
    )
    NotebookClient(book, timeout=120).execute()
    (chart,) = [o for o in book.cells[0].outputs if o.output_type == "display_data"]
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= set(chart.data)
    assert (
        chart.metadata["image/png"]["alt"]
        == "Loss of 'training' against the step: from 1 to 0.025 in 39 steps"
    )


def test_charts_have_a_picture_alone_where_nobody_looks(tracked, mesh, monkeypatch):
    import IPython.display

    from stkit.cameras import orbit_camera
    from stkit.viewers import camera_chart, charts, strength_chart, weight_chart

    shown = []
    monkeypatch.setattr(
        IPython.display,
        "display",
        lambda data, **k: shown.append((data, k["metadata"]["image/png"]["alt"])),
    )
    draw = [
        lambda: weight_chart((2.0, 5.0)),
        lambda: strength_chart({"truncate": torch.rand(200), "narrow": torch.rand(200)}, 0.3),
        lambda: camera_chart(
            mesh[1],
            mesh[0],
            [orbit_camera(mesh[1].camera, a) for a in (-20.0, 20.0)],
            ["-20 deg", "+20 deg"],
        ),
    ]
    for chart in draw:
        chart()
    assert (
        all(set(data) == {"image/png", "text/plain"} and len(alt) > 40 for data, alt in shown)
        and len(shown) == 3
    )
    monkeypatch.setattr(charts, "silent", lambda: False)
    for chart in draw:
        chart()
    assert all("application/vnd.jupyter.widget-view+json" in data for data, _ in shown[3:])


def test_cameras_of_the_chart_look_at_the_head(mesh):
    from stkit.cameras import orbit_camera
    from stkit.viewers.charts import _pyramid

    capture = mesh[1]
    middle = capture.landmarks3d[capture.neutral].mean(0).numpy()
    for angle in (0.0, 40.0):
        apex, corners = _pyramid(orbit_camera(capture.camera, angle), 2.0)
        assert np.linalg.norm(corners.mean(0) - middle) < np.linalg.norm(apex - middle)


def test_a_film_plays_in_step_and_stops_where_asked(browser, tmp_path):
    row = lambda shift: [np.full((16, 16, 3), (40 * k + shift) % 256, np.uint8) for k in range(5)]
    film = Compare(
        row(0),
        row(10),
        beside={"driver": row(20), "tracked mesh": row(30)},
        frames=[3, 6, 9, 12, 15],
        fps=20,
        alt="Grey squares.",
        width=100,
    )
    assert film.poster().shape[1] >= 64, "all four beside each other"
    path = tmp_path / "film.html"
    path.write_text(page(film.packet, "film"))
    context = browser.new_context(offline=True)
    tab = context.new_page()
    tab.goto(path.as_uri())
    tab.wait_for_selector("body[data-ready=yes]")
    assert tab.locator("img").count() == 4 and tab.locator("figcaption").all_inner_texts() == [
        "driver",
        "tracked mesh",
        "before | after",
    ]
    tab.get_by_role("button", name="Play").click()
    tab.wait_for_function("() => document.querySelector('.stkit').film.frame >= 3")
    tab.get_by_label("frame").fill("2")
    assert tab.evaluate("() => document.querySelector('.stkit').film.playing") is False
    grey = "() => [...document.querySelectorAll('img')].map(async i => { await i.decode(); const c = new OffscreenCanvas(1, 1).getContext('2d'); c.drawImage(i, 0, 0); return c.getImageData(0, 0, 1, 1).data[0]; })"
    seen = tab.evaluate(f"async () => Promise.all(({grey})())")
    assert np.abs(np.array(seen) - [100, 110, 80, 90]).max() <= 3, "all four show moment 2"
    tab.get_by_label("wipe").fill("0.25")
    assert "25%" in tab.locator(".wipe img").nth(1).get_attribute("style")
    context.close()


# ---- JupyterLab
NOTEBOOK = """
import torch
from stkit.cameras import front_camera
from stkit.render.gaussians import Gaussians
from stkit.viewers import SplatViewer
g = torch.Generator().manual_seed(0)
n = 400
scene = Gaussians(means=torch.randn(n, 3, generator=g) * 0.4, quats=torch.nn.functional.normalize(torch.randn(n, 4, generator=g), dim=-1),
             scales=0.05 + 0.1 * torch.rand(n, 3, generator=g), opacities=torch.rand(n, generator=g), colors=torch.rand(n, 3, generator=g))
viewer = SplatViewer(scene, camera=front_camera(128), distance=scene.means.norm(dim=1), alt="Coloured blobs.", state={"overlay": "weights"})
viewer
"""

PYTHONS_WEIGHTS = """
from dataclasses import replace
import numpy as np
from stkit.editing.weights import weight
from stkit.viewers.pack import browser_gaussians
packet = viewer.packet
d = torch.from_numpy(packet.arrays["distance"].astype(np.float32)) * packet.header["distanceStep"]
g = browser_gaussians(packet, viewer.state.get("frame", 0), 0)
w = weight(d, viewer.state["alpha"])
np.save("w.npy", replace(g, colors=w[:, None].expand(-1, 3)).render(viewer.view(), background=0.0)[0].detach().numpy())
print("w drawn for alpha", viewer.state["alpha"])
"""


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab server on a notebook with one viewer, and on notebook 04 with a cell more, in which Python draws w as the viewer stands."""
    import os
    import socket
    import subprocess
    import sys
    import time
    import urllib.request

    import nbformat

    from stkit.assets import repository

    code = nbformat.v4.new_code_cell
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = nbformat.v4.new_notebook(
        cells=[code(NOTEBOOK.strip()), code("print('alpha is', viewer.state.get('alpha'))")],
        metadata=kernel,
    )
    nbformat.write(book, tmp_path / "viewer.ipynb")
    lesson = nbformat.read(repository() / "notebooks" / "04_weigh_landmarks.ipynb", 4)
    lesson.cells.append(code(PYTHONS_WEIGHTS.strip()))
    nbformat.write(lesson, tmp_path / "lesson.ipynb")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "STKIT_RUNS": str(tmp_path / "runs"),
        "STKIT_QUIET": "1",
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
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
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/api", timeout=1).close()
            break
        except OSError:
            time.sleep(0.5)
    yield address
    server.terminate()
    server.wait(20)


def run_cell(tab, k: int) -> None:
    """Run cell k; asked again where JupyterLab, still starting, did not listen."""
    cell = tab.locator(".jp-Notebook .jp-Cell").nth(k)
    for _ in range(10):
        cell.locator(".cm-content").click()
        tab.keyboard.press("Control+Enter")
        tab.wait_for_timeout(1500)
        if cell.locator(".jp-InputPrompt").first.inner_text() != "[ ]:":
            return


@pytest.fixture
def labtab(browser):
    """A tab that reaches nothing but this machine, with what it asked for elsewhere and what it complained about."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    outside, complaints = [], []
    elsewhere = lambda url: "127.0.0.1" not in url and not url.startswith(("data:", "blob:"))
    context.route(elsewhere, lambda r: (outside.append(r.request.url), r.abort()))
    tab = context.new_page()
    tab.on("pageerror", lambda e: complaints.append(str(e)))
    # a slow machine may be asked which kernel to take, or something else before the first click
    tab.add_locator_handler(
        tab.locator(".jp-Dialog"),
        lambda dialog: dialog.locator("button.jp-mod-accept").first.click(),
    )
    yield tab, outside, complaints
    context.close()


def open_lab(tab, address: str) -> None:
    tab.goto(address)
    tab.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
    tab.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000)


DRAWN = "() => document.querySelector('.stkit').stkit.stage.drawn"


def test_jupyterlab_shows_a_viewer_without_the_network(lab, labtab):
    tab, outside, complaints = labtab
    open_lab(tab, f"{lab}/lab/tree/viewer.ipynb?reset")
    run_cell(tab, 0)
    tab.wait_for_selector(".stkit canvas", timeout=90_000)
    tab.wait_for_function(f"({DRAWN})() > 0")
    picture = "() => document.querySelector('.stkit').stkit.stage.canvas.toDataURL()"
    before, drawn = tab.evaluate(picture), tab.evaluate(DRAWN)
    tab.get_by_label("alpha (1/dm)").fill("12")
    tab.wait_for_function(f"({DRAWN})() > {drawn}")
    assert tab.evaluate(picture) != before
    tab.wait_for_timeout(600)  # the state is synced 150 ms after the last move
    run_cell(tab, 1)
    tab.wait_for_selector("text=alpha is 12", timeout=30_000)
    assert outside == [] and complaints == []


def test_notebook_04_in_jupyterlab_weighs_as_python_does(lab, labtab, tmp_path):
    """The lesson itself, all of its cells, without the network: alpha dragged in the browser, w drawn there and in the kernel."""
    tab, outside, complaints = labtab
    jupyters_own = ("Failed to load resource", "restore the debugger state")
    tab.on(
        "console",
        lambda m: (
            m.type == "error"
            and not any(text in m.text for text in jupyters_own)
            and complaints.append(m.text)
        ),
    )
    open_lab(tab, f"{lab}/lab/tree/lesson.ipynb?reset")
    run_cell(tab, 1)
    tab.evaluate("async () => { await jupyterapp.commands.execute('notebook:run-all-cells'); }")
    book = "jupyterapp.shell.currentWidget.content"
    at = tab.evaluate(
        f"() => {book}.widgets.findIndex(c => c.model.sharedModel.source.includes('viewer = SplatViewer'))"
    )
    tab.evaluate(
        f"async () => {{ {book}.activeCellIndex = {at}; await {book}.scrollToItem({at}, 'start'); }}"
    )
    tab.wait_for_selector(".stkit canvas", timeout=60_000)
    tab.wait_for_function(f"({DRAWN})() > 0")
    tab.evaluate(
        "() => { const s = document.querySelector('.stkit').stkit; s.stage.header.size = s.stage.header.camera.width; s.change('overlay', 'raw'); }"
    )
    picture = "() => { const s = document.querySelector('.stkit').stkit; s.stage.draw(); return s.stage.canvas.toDataURL(); }"
    read = lambda: (
        np.asarray(
            Image.open(io.BytesIO(base64.b64decode(tab.evaluate(picture).split(",")[1]))).convert(
                "RGB"
            )
        )[..., 0]
        / 255
    )
    before = read()
    (tmp_path / "w.npy").unlink()
    tab.get_by_label("alpha (1/dm)").first.fill("12")
    after = read()
    tab.wait_for_timeout(800)  # the state is synced 150 ms after the last move
    tab.evaluate(
        f"async () => {{ {book}.activeCellIndex = {book}.widgets.length - 1; await jupyterapp.commands.execute('notebook:run-cell'); }}"
    )
    wait_for(lambda: (tmp_path / "w.npy").exists())
    truth = np.load(tmp_path / "w.npy")[..., 0]
    assert np.abs(after - before).max() > 0.2, "dragging alpha changes the picture"
    assert np.abs(after - truth).max() < 0.02, "the browser's w is the kernel's"
    assert outside == [] and complaints == []


def wait_for(done, seconds: float = 60) -> None:
    import time

    for _ in range(int(seconds / 0.25)):
        if done():
            return
        time.sleep(0.25)
    raise AssertionError(f"nothing came within {seconds:.0f} s")
