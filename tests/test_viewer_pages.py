"""Pages in a real browser: hostile texts, many viewers, viewers that end, meshes, films."""

import json

import numpy as np
import pytest
from browser import OpenedPage, write_page

from stkit.viewers import Compare, mesh_viewer
from stkit.viewers.page import page

pytest_plugins = ["viewer_fixtures"]
pytestmark = pytest.mark.usefixtures("one_torch_thread")
VIEWERS = 23

CYCLE = """async () => {
  const text = document.getElementById('data').textContent;
  const raw = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream('gzip'));
  window.bytes = new DataView(await new Response(stream).arrayBuffer());
  window.cycle = async () => {
    const el = document.createElement('div');
    const values = { header: window.header, data: window.bytes, state: {}, camera: {} };
    document.body.prepend(el);
    const model = {
      get: k => values[k], set: (k, v) => { values[k] = v; }, save_changes() {}, on() {}, off() {},
    };
    const end = await window.widget.render({ model, el });
    while (!(el.stkit && el.stkit.stage.drawn > 0)) await new Promise(r => setTimeout(r, 5));
    end();
    el.remove();
  };
}"""

# the place of landmark 30 in the canvas, and what is found there
PICK_30 = """
const c = s.camera(), d = s.layer.data.landmarks, q = [0, 1, 2].map(k => d[90 + k]), W = c.viewmat;
const p = [0, 4, 8].map(r => W[r] * q[0] + W[r + 1] * q[1] + W[r + 2] * q[2] + W[r + 3]);
const x = c.K[0] * p[0] / p[2] + c.K[2], y = c.K[4] * p[1] / p[2] + c.K[5];
return s.layer.pick(s.stage.camera(), x, y);
"""

GREYS = """async () => Promise.all([...document.querySelectorAll('img')].map(async image => {
  await image.decode();
  const context = new OffscreenCanvas(1, 1).getContext('2d');
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, 1, 1).data[0];
}))"""


def test_a_hostile_title_stays_text(browser, packet, tmp_path):
    packet.header["alt"] = "<!--<script>"
    texts = ("<script>x", "<!--<script>", "</script>")
    it = OpenedPage(browser, write_page(tmp_path / "hostile.html", packet, *texts))
    packet.header["alt"] = "A head."
    assert it.complaints == [] and it.page.locator("h1").inner_text() == "<script>x"
    it.close()


def page_of_many(packet) -> str:
    """A page with the same viewer VIEWERS times, far apart."""
    head, rest = page(packet, "many").split("mount(document", 1)
    call = "mount(document" + rest[: rest.index("  .then")]
    call = call.replace('document.getElementById("view")', "e")
    spacer = "<div style='height:700px'></div>"
    mains = "".join(f"{spacer}<main class='v' id='v{k}'></main>" for k in range(VIEWERS))
    view = '<main id="view"></main>'
    head = head.replace(view, '<main class="v" id="view"></main>' + mains)
    everywhere = f"[...document.querySelectorAll('.v')].map(e => {call.strip()})"
    script = f"await Promise.all({everywhere});\ndocument.body.dataset.ready = 'yes';"
    return f"{head}{script}\n</script></body></html>"


def test_many_viewers_share_few_contexts(browser, packet, tmp_path):
    path = tmp_path / "many.html"
    path.write_text(page_of_many(packet))
    it = OpenedPage(browser, path)
    most = 0
    for _ in range(2):
        for k in [*range(VIEWERS), 0]:
            find = f"document.getElementById('v{k}')"
            it.page.evaluate(f"() => {find}.scrollIntoView()")
            drawn = f"{find}.stkit.stage.gl && {find}.stkit.stage.drawn > 0"
            it.page.wait_for_function(f"() => {drawn}")
            most = max(most, it.page.evaluate("() => stkitLive.length"))
    assert most <= 6 and it.complaints == []
    it.close()


def test_fifty_cycles_of_leaving_and_entering_leak_nothing(browser, packet, tmp_path):
    """A cell that is run again ends its widget and renders a new one: nothing piles up.

    Contexts, listeners, nodes and heap stay where they were.
    """
    path = tmp_path / "cycles.html"
    text = page(packet, "cycles")
    path.write_text(text.replace("mount(document", "window.widget = widget;\nmount(document"))
    it = OpenedPage(browser, path)
    it.page.evaluate(f"() => {{ window.header = {json.dumps(packet.header)}; }}")
    it.page.evaluate(CYCLE)
    devtools = it.context.new_cdp_session(it.page)
    devtools.send("Performance.enable")

    def counts() -> dict[str, float]:
        for _ in range(3):
            devtools.send("HeapProfiler.collectGarbage")
        return {m["name"]: m["value"] for m in devtools.send("Performance.getMetrics")["metrics"]}

    def run(cycles: int) -> dict[str, float]:
        loop = f"for (let k = 0; k < {cycles}; k++) await window.cycle();"
        it.page.evaluate(f"async () => {{ {loop} }}")
        return counts()

    before, after = run(5), run(50)
    growth = {name: after[name] - before[name] for name in before}
    live = it.page.evaluate("() => stkitLive.length")
    assert live <= 1, "ended viewers hold no WebGL context"
    assert growth["Nodes"] < 50 and growth["JSEventListeners"] < 20
    assert growth["JSHeapUsedSize"] < 2e6, "fifty viewers would hold 100 MB"
    assert it.complaints == []
    it.close()


def test_a_mesh_in_the_browser(browser, mesh, tmp_path):
    head, tracked, _ = mesh
    viewer = mesh_viewer(head, tracked)
    viewer.packet.header["size"] = tracked.camera.width
    it = OpenedPage(browser, write_page(tmp_path / "mesh.html", viewer.packet, "mesh"))
    drawn = it.shot(landmarks=False).min(-1) < 0.97 * 255
    truth = viewer.poster().min(-1) < 0.97 * 255
    assert (drawn & truth).sum() / (drawn | truth).sum() > 0.97
    weights, normals = it.shot(overlay="weights"), it.shot(overlay="normals")
    assert np.abs(weights.astype(float) - normals).max() > 50
    assert it.run(PICK_30) == "30: " + viewer.packet.header["names"][30] == "30: nose bridge"
    assert it.complaints == []
    it.close()


def test_two_pictures_in_the_browser(browser, tmp_path):
    picture = np.linspace(0, 1, 16 * 16 * 3).reshape(16, 16, 3)
    both = Compare([picture, picture], [1 - picture, picture], alt="Twice a ramp.")
    it = OpenedPage(browser, write_page(tmp_path / "pictures.html", both.packet, "pictures"))
    assert it.page.locator("img").count() == 2 and it.page.get_by_label("frame").count() == 1
    assert it.complaints == []
    it.close()


def test_a_film_plays_in_step_and_stops_where_asked(browser, tmp_path):
    def greys(shift: int) -> list[np.ndarray]:
        return [np.full((16, 16, 3), (40 * k + shift) % 256, np.uint8) for k in range(5)]

    film = Compare(
        greys(0),
        greys(10),
        beside={"driver": greys(20), "tracked mesh": greys(30)},
        frames=[3, 6, 9, 12, 15],
        fps=20,
        alt="Grey squares.",
        width=100,
    )
    assert film.poster().shape[1] >= 64, "all four beside each other"
    it = OpenedPage(browser, write_page(tmp_path / "film.html", film.packet, "film"))
    tab = it.page
    captions = tab.locator("figcaption").all_inner_texts()
    assert tab.locator("img").count() == 4
    assert captions == ["driver", "tracked mesh", "before | after"]
    tab.get_by_role("button", name="Play").click()
    tab.wait_for_function("() => document.querySelector('.stkit').film.frame >= 3")
    tab.get_by_label("frame").fill("2")
    assert tab.evaluate("() => document.querySelector('.stkit').film.playing") is False
    values = np.array(tab.evaluate(GREYS))
    assert np.abs(values - [100, 110, 80, 90]).max() <= 3, "all four show moment 2"
    tab.get_by_label("wipe").fill("0.25")
    assert "25%" in tab.locator(".wipe img").nth(1).get_attribute("style")
    assert it.complaints == []
    it.close()
