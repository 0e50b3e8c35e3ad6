"""A user study in a real browser, answered by simulated volunteers whose preference is known."""

import json
from collections import Counter

import numpy as np
import pytest

from stkit.errors import RequestError
from stkit.io.video import write_video
from stkit.studies.user_study.make import make_study
from stkit.studies.user_study.read import read_answers

pytest_plugins = ["viewer_fixtures"]
METHODS = ("stkit", "IN2N (GS)", "GaussCtrl")
QUESTIONS, RATERS = 15, 30
PREFERENCE = {"stkit": 0.6, "IN2N (GS)": 0.3, "GaussCtrl": 0.1}

# the page forbids eval after its own scripts, so this is one promise, asked for once
FIRST_VIDEO_CAN_PLAY = """() => new Promise(done => {
  const video = document.querySelector('video');
  if (video.readyState >= 2) done();
  else video.addEventListener('loadeddata', done, { once: true });
})"""

# answers every question by keyboard or by click, choosing by a preference that the page cannot know
VOLUNTEER = """({ likes, seed }) => {
  let state = seed;
  const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
  document.getElementById('agree').click();
  document.getElementById('begin').click();
  let k = 0;
  while (!document.getElementById('question').hidden) {
    const buttons = [...document.querySelectorAll('.clip')];
    const methods = buttons.map(b => likes.of[b.querySelector('video').src.split('/').pop()]);
    let left = random(), at = 0;
    const order = Object.entries(likes.share);
    while (left > order[at][1] && at < order.length - 1) { left -= order[at][1]; at += 1; }
    const number = methods.indexOf(order[at][0]);
    if (k % 2) buttons[number].click();
    else document.dispatchEvent(new KeyboardEvent('keydown', { key: String(number + 1) }));
    if (k % 3) document.getElementById('next').click();
    else document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
    k += 1;
  }
  const link = document.getElementById('save');
  return { name: link.download, text: decodeURIComponent(link.href.split(',').pop()) };
}"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of grey clips."""
    folder = tmp_path_factory.mktemp("results")
    clip = np.full((2, 32, 32, 3), 128, np.uint8)
    for k in range(QUESTIONS):
        (folder / f"q{k}").mkdir()
        for method in METHODS:
            write_video(folder / f"q{k}" / f"{method}.mp4", clip, 25.0)
        (folder / f"q{k}" / "question.txt").write_text(f"Instruction <b>{k}</b>")
    return make_study(folder, folder.parent / "study")


def key_of(study) -> dict[str, str]:
    """The method of every clip's random name."""
    found = json.loads(study.key.read_text())["questions"]
    return {name: method for q in found.values() for name, method in q["methods"].items()}


def opened(browser, study):
    """The page in a context of its own; complaints are collected."""
    context = browser.new_context(offline=True, viewport={"width": 1100, "height": 700})
    page, complaints = context.new_page(), []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.goto(study.page.as_uri())
    return context, page, complaints


def test_thirty_volunteers_give_the_shares_that_they_prefer(browser, study, tmp_path):
    likes, orders = {"of": key_of(study), "share": PREFERENCE}, Counter()
    for seed in range(1, RATERS + 1):
        context, page, complaints = opened(browser, study)
        answer = page.evaluate(VOLUNTEER, {"likes": likes, "seed": 7919 * seed})
        (tmp_path / answer["name"]).write_text(answer["text"])
        for entry in json.loads(answer["text"])["answers"]:
            orders[likes["of"][entry["shown"][0]]] += 1
        assert complaints == []
        context.close()
    files = sorted(tmp_path.glob("answers-*.json"))
    assert len(files) == RATERS
    votes = read_answers(files, study.key)
    assert (votes.raters, votes.votes) == (RATERS, RATERS * QUESTIONS)
    for share in votes.shares:
        assert share.low - 0.02 < PREFERENCE[share.method] < share.high + 0.02
    assert [s.method for s in votes.shares] == list(PREFERENCE)
    assert min(orders.values()) > RATERS * QUESTIONS / 3 * 0.75, "each stands first equally often"
    twice = read_answers([*files, files[0]], study.key)
    assert twice.votes == votes.votes and "there already" in twice.table()


def test_nothing_in_the_page_tells_the_methods(study):
    text = study.page.read_text()
    assert not [m for m in METHODS if m in text] and "<b>0</b>" not in text
    assert not [f for f in study.page.parent.rglob("*") if f.stem in METHODS]


def test_a_reload_loses_nothing_and_consent_comes_first(browser, study):
    context, page, _ = opened(browser, study)
    assert page.locator("#begin").is_disabled() and page.locator("#question").is_hidden()
    page.check("#agree")
    page.click("#begin")
    assert page.locator("#next").is_disabled()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    page.locator(".clip").first.click()
    page.reload()
    assert page.locator("#progress").inner_text() == f"Question 2 of {QUESTIONS}"
    assert page.locator(".clip").first.get_attribute("aria-pressed") == "true"
    page.keyboard.press("ArrowLeft")
    assert page.locator(".clip").nth(1).get_attribute("aria-pressed") == "true"
    page.evaluate(FIRST_VIDEO_CAN_PLAY)
    context.close()


def test_wrong_folders_and_files_are_refused(study, tmp_path):
    with pytest.raises(RequestError, match="no such folder"):
        make_study(tmp_path / "none", tmp_path / "out")
    with pytest.raises(RequestError, match="no questions here"):
        make_study(tmp_path, tmp_path / "out")
    (tmp_path / "q").mkdir()
    with pytest.raises(RequestError, match="compares at least two"):
        make_study(tmp_path, tmp_path / "out")
    with pytest.raises(RequestError, match="there already"):
        make_study(study.page.parents[2] / "results0", study.key.parent)
    bad = tmp_path / "answers.json"
    for text, says in (
        ("[", "not an answer file"),
        ('{"rater": "1", "study": "x", "answers": []}', "another study"),
    ):
        bad.write_text(text)
        with pytest.raises(RequestError, match=says):
            read_answers([bad], study.key)
    with pytest.raises(RequestError, match="no key here"):
        read_answers([bad], tmp_path / "key.json")
