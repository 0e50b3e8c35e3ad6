"""Fixtures of the viewers' tests, as a pytest plugin: a browser, heads, a page with a head."""

import copy

import pytest
import torch
from browser import CHROMIUM, SOFTWARE_WEBGL, OpenedPage, write_page

from stkit.viewers.packing import pack_head


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    sync = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
    )
    with sync.sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE_WEBGL)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def tracked(mesh):
    """The capture that the heads were made from."""
    return mesh[1]


@pytest.fixture(scope="module")
def edited(gaussians):
    """The same head with blue hair and face."""
    twin = copy.deepcopy(gaussians)
    with torch.no_grad():
        twin.feature[:, 2] += 3.0
        twin.xyz += 0.003
    return twin


@pytest.fixture(scope="module")
def packet(gaussians, edited, tracked):
    """Head and edited twin, 12 frames."""
    return pack_head(gaussians, tracked, edited, frames=12, alt="A head.")


@pytest.fixture(scope="module")
def opened(browser, packet, tracked, tmp_path_factory):
    """The packet's page at the capture's size."""
    packet.header["size"] = tracked.camera.width
    path = tmp_path_factory.mktemp("viewer") / "avatar.html"
    it = OpenedPage(browser, write_page(path, packet, "A head", "blue", "nobody"))
    yield it
    it.close()
