"""Slides: what becomes of a lesson's cells, and a deck in a browser without a network."""

import nbformat
import pytest
from browser import offline_tab

from stkit.runs import slides
from stkit.runs.notebooks import find_notebook

pytest_plugins = ["viewer_fixtures"]


def test_long_texts_are_cut_between_paragraphs_under_the_same_heading():
    text = "## A\n\n" + "\n\n".join(["x" * 400] * 3)
    shown = slides.text_slides(text)
    assert len(shown) == 3 and all("A</h3>" in slide for slide in shown)


def test_tables_and_lists_come_apart_and_keep_their_head():
    table = "|a|b|\n|---|---|\n" + "\n".join(f"|{k}|{k}|" for k in range(slides.ROWS + 1))
    first, second = slides.blocks(table)
    assert first.startswith("|a|b|\n|---") and second.startswith("|a|b|\n|---")
    assert slides.blocks("- one\n  more\n- two") == ["- one\n  more", "- two"]


def test_formulas_stay_formulas():
    [shown] = slides.text_slides(r"Let $a_1 < b_1$ and $$c = a_1 * b_1 * 2$$")
    assert r"\(a_1 &lt; b_1\)" in shown and r"\[c = a_1 * b_1 * 2\]" in shown


def test_parameters_and_imports_are_left_out_and_checks_name_what_held():
    cell = nbformat.v4.new_code_cell
    held = cell("check(True, 'x')", metadata={"tags": [slides.CHECKED]})
    held.outputs = [nbformat.v4.new_output("stream", name="stdout", text="ok: it holds\n")]
    parameters = cell("seed: int = 0", metadata={"tags": ["parameters"]})
    assert slides.code_slides(parameters) == [] == slides.code_slides(cell("import torch"))
    assert "it holds" in slides.code_slides(held)[0]
    [code] = slides.code_slides(cell("import torch\n\nx = 1 < 2"))
    assert "torch" not in code and "&lt;" in code


def test_a_deck_opens_offline_and_its_formulas_are_set(tmp_path, browser):
    [page] = slides.write_decks(tmp_path, [find_notebook("06")])
    with offline_tab(browser, viewport={"width": 1280, "height": 720}) as tab:
        tab.goto(page.as_uri())
        tab.wait_for_selector("mjx-container", state="attached", timeout=60_000)
        assert tab.locator(".slides > section").count() >= 6
        pictures = tab.locator(".slides img")
        assert pictures.count() >= 5 and all(x.get_attribute("alt") for x in pictures.all())
        heights = "slides => slides.map(s => s.scrollHeight)"
        assert max(tab.eval_on_selector_all(".slides section section", heights)) <= 760


@pytest.mark.parametrize("number", [f"{k:02}" for k in range(12)])
def test_every_lesson_makes_a_deck(number):
    columns = slides.deck(nbformat.read(find_notebook(number), 4))
    assert len(columns) >= 4 and sum(len(c.slides) for c in columns) >= 12
