"""The site: what readers are shown of a notebook, and every page in a browser without a network."""

import base64
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import nbformat
import numpy as np
import pytest
from browser import offline_tab

from stkit.io.images import png
from stkit.runs import site
from stkit.viewers import SplatViewer

pytest_plugins = ["viewer_fixtures"]


def picture(alt: str):
    data = {"image/png": base64.b64encode(png(np.zeros((4, 4, 3), np.uint8))).decode()}
    return nbformat.v4.new_output("display_data", data, metadata={"image/png": {"alt": alt}})


def test_readers_see_pictures_with_their_words_and_no_noise():
    cell = nbformat.v4.new_code_cell("1", metadata={"nbgrader": {}, "tags": ["x"]})
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stderr", text="noise"),
        nbformat.v4.new_output("stream", name="stdout", text="ok"),
        picture('a "head"'),
    ]
    [shown] = site.for_readers(nbformat.v4.new_notebook(cells=[cell])).cells
    assert shown.metadata == {"tags": ["x"]}
    text, image = shown.outputs
    assert text.text == "ok" and 'alt="a &quot;head&quot;"' in image.data["text/html"]


def test_a_viewer_is_a_page_of_its_own_while_the_site_is_built(
    gaussians, tracked, tmp_path, monkeypatch
):
    viewer = SplatViewer(gaussians, tracked, alt="A <head>.", frames=4)
    monkeypatch.setenv(site.SITE, str(tmp_path))
    data, _ = viewer._repr_mimebundle_()
    [page] = tmp_path.glob("*.html")
    assert f"../_static/viewers/{page.name}" in data["text/html"]
    assert 'title="A &lt;head&gt;."' in data["text/html"]
    assert "default-src 'none'" in page.read_text()


MOVED = """async () => {
  const s = document.querySelector('.stkit').stkit;
  const look = () => s.stage.canvas.toDataURL('image/png');
  s.stage.draw();
  const before = look();
  const jaw = [...document.querySelectorAll('input[type=range]')].find(
    e => /jaw|mouth/i.test(e.getAttribute('aria-label') || e.closest('label')?.textContent || ''));
  jaw.value = jaw.max;
  jaw.dispatchEvent(new Event('input', { bubbles: true }));
  await new Promise(r => setTimeout(r, 500));
  s.stage.draw();
  return before !== look();
}"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The whole site."""
    return site.build(tmp_path_factory.mktemp("site"))


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_every_page_opens_offline_without_complaint(built, browser):
    pages = [p for p in built.parent.rglob("*.html") if "_static" not in p.parts]
    assert len(pages) > 60
    missing = set()
    with offline_tab(browser) as tab:
        for page in pages:
            tab.goto(page.as_uri())
            links = tab.eval_on_selector_all("a[href]", "links => links.map(a => a.href)")
            files = {link.split("#")[0] for link in links if link.startswith("file:")}
            missing |= {x for x in files if not Path(url2pathname(urlsplit(x).path)).exists()}
    assert missing == set()


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_a_lessons_viewer_moves_the_mouth(built, browser):
    with offline_tab(browser) as tab:
        tab.goto((built.parent / "notebooks" / "04_colour.html").as_uri())
        tab.locator("iframe.viewer").first.scroll_into_view_if_needed()
        tab.wait_for_timeout(1000)
        frame = next(f for f in tab.frames if "viewers" in f.url)
        frame.wait_for_selector("body[data-ready=yes]", timeout=60_000)
        assert frame.evaluate(MOVED)
