"""The studio: previews, undo, the optimisation that goes on, its server and its page."""

import http.client
import json
import threading
import time

import pytest
import torch
from browser import ANY_VIEWER_DREW, as_float, decode_data_url

from stkit.cli import main
from stkit.diffusion.editors import get_editor
from stkit.editing.preview import Base, preview
from stkit.editing.settings import EditSettings
from stkit.editing.weights import landmark_set, point_weights, weight_image
from stkit.runs.shipped import MARA, ShippedRun
from stkit.viewers.page_server import PageServer
from stkit.viewers.studio import Studio, studio_packet
from stkit.viewers.studio_session import StudioSession

pytest_plugins = ["viewer_fixtures"]
pytestmark = pytest.mark.usefixtures("one_torch_thread")
CLOWN = {"kind": "preview", "sentence": "turn her into a clown"}
SETTINGS = EditSettings("", steps=4, frames=2)


@pytest.fixture(scope="module")
def shipped():
    return ShippedRun(MARA)


@pytest.fixture
def session(shipped):
    editor = get_editor("paint")
    head, capture, views = shipped.gaussian_head(), shipped.capture(), shipped.views()
    made = StudioSession(head, capture, views, editor, SETTINGS)
    yield made
    made.end()


@pytest.mark.parametrize("name", ["paint", "tiny"])
def test_a_preview_changes_the_face_and_leaves_the_rest(shipped, name):
    head, capture = shipped.gaussian_head(), shipped.capture()
    frame = capture.frame_pose(capture.neutral)
    base, editor = Base.of(head, capture), get_editor(name)
    after = preview(base, editor, EditSettings("turn her into a clown"))
    w = weight_image(head, point_weights(head, landmark_set(capture)), capture.camera, frame)
    change = head.render_frame(capture, capture.neutral) - after.render_frame(
        capture, capture.neutral
    )
    change = change.abs().mean(-1, keepdim=True)
    assert change[w >= 0.5].mean() > 0.03 and change[w < 0.15].mean() < 0.005
    moved = [n for n, x in after.state_dict().items() if not torch.equal(x, head.state_dict()[n])]
    assert {n.split(".")[0] for n in moved} <= {"feature", "color"}


def test_a_weak_preview_spares_the_landmarks(shipped):
    head, capture = shipped.gaussian_head(), shipped.capture()
    base, editor = Base.of(head, capture), get_editor("paint")
    asked = EditSettings("turn her into a clown", b_boundary=0.9)  # so that b = 0.8 is weak
    after = preview(base, editor, asked, b=0.8)
    w = point_weights(head, landmark_set(capture))
    change = (after.feature - head.feature).abs().mean(1)
    assert change[w > 0.96].max() == 0 and change[(w > 0.2) & (w < 0.5)].mean() > 0


def test_requests_stack_are_undone_and_become_parameters(session):
    answer, data = session.answer(CLOWN | {"b": 0.9, "alpha": 4.0})
    assert "clown" in answer["status"] and answer["steps"] == 1 and len(data) > 1000
    answer, _ = session.answer({"kind": "preview", "sentence": "elf ears"})
    assert answer["steps"] == 2 and session.steps[-1].head.moved.abs().max() > 0.1
    assert not torch.equal(session.steps[-1].head.feature, session.steps[0].head.feature)
    answer, _ = session.answer({"kind": "preview", "sentence": "give her red lipstick"})
    line, _ = session.answer({"kind": "parameters"})
    assert line["status"].startswith("-p prompt 'give her red lipstick' -p shape 'elf ears'")
    for left in (2, 1, 0):
        answer, data = session.answer({"kind": "undo"})
        assert answer["steps"] == left and data
    assert session.steps[-1].head is session.steps[0].head
    answer, data = session.answer({"kind": "undo"})
    assert answer["status"].startswith("error: there is nothing to undo") and not data


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "preview", "sentence": "  "},
        {"kind": "preview", "sentence": "sing a song"},
        {"kind": "preview", "sentence": "clown", "b": "much"},
        {"kind": "preview", "sentence": "clown", "alpha": float("nan")},
        {"kind": "preview"},
        {"kind": "keep"},
        {"kind": "stop"},
        {"kind": "dance"},
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(session, message):
    answer, data = session.answer(message)
    assert answer["status"].startswith("error: ") and answer["steps"] == 0 and not data


def test_keep_goes_on_from_the_preview_and_can_be_stopped(session):
    session.settings = EditSettings("", steps=2000, frames=2)
    session.answer(CLOWN)
    before = session.steps[-1].head
    answer, _ = session.answer({"kind": "keep"})
    assert answer["busy"]
    refused, _ = session.answer({"kind": "undo"})
    assert "stop it first" in refused["status"]
    while "optimised 0 " in session.answer({"kind": "news"})[0]["status"]:
        time.sleep(0.05)
    answer, _ = session.answer({"kind": "stop"})
    assert not answer["busy"] and "of 2000 steps" in answer["status"]
    after = session.steps[-1].head
    assert after is not before and not torch.equal(after.xyz, before.xyz)


def test_keep_ends_by_itself(session):
    session.answer(CLOWN)
    answer, _ = session.answer({"kind": "keep"})
    while answer["busy"]:
        time.sleep(0.05)
        answer, _ = session.answer({"kind": "news"})
    assert answer["status"].startswith("optimised 4 of 4 steps")


class Conditions:
    """The paint editor, with a record of the unedited pictures that it is given."""

    name, stand_in, wants_depth = "conditions", "the paint editor", False

    def __init__(self):
        self.seen, self.paint = [], get_editor("paint")

    def check(self, prompt):
        self.paint.check(prompt)

    def edit(self, image, prompt, b, condition, generator, landmarks=None, text_guidance=1.0):
        self.seen.append(condition)
        return self.paint.edit(image, prompt, b, condition, generator, landmarks)


def test_keep_sees_the_new_shape_without_the_edit(shipped):
    head, capture, editor = shipped.gaussian_head(), shipped.capture(), Conditions()
    session = StudioSession(head, capture, None, editor, SETTINGS)
    session.answer(CLOWN | {"sentence": "turn her into a clown, fat"})
    editor.seen.clear()
    session.answer({"kind": "keep"})
    session.work._thread.join()
    step, t = session.steps[-1], capture.split()[0][0]
    assert torch.equal(editor.seen[0], step.plain.render_frame(step.capture, t))


@pytest.fixture
def server(session):
    first = session.steps[0]
    packet = studio_packet(first.head, first.capture, session.editor)
    made = PageServer(session, packet, "studio <test>", "a note")
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def _ask(server, path="/ask", method="POST", body="{}", **headers):
    connection = http.client.HTTPConnection(*server.server_address, timeout=30)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read()


def test_the_server_answers_on_this_machine_to_those_with_the_token(server):
    assert server.server_address[0] == "127.0.0.1"
    right = {"X-Token": server.token}
    assert _ask(server)[0] == 403
    assert _ask(server, **{"X-Token": "wrong"})[0] == 403
    assert _ask(server, **right, Host="evil.example")[0] == 403
    assert _ask(server, "/", "GET")[0] == 403
    assert _ask(server, body="[1]", **right)[0] == 400
    assert _ask(server, body="no json", **right)[0] == 400
    assert _ask(server, "/other", **right)[0] == 400
    assert _ask(server, body="x" * 200_000, **right)[0] == 400
    status, text = _ask(server, f"/?token={server.token}", "GET")
    assert status == 200 and b"studio &lt;test&gt;" in text
    status, answer = _ask(server, body=json.dumps({"kind": "undo"}), **right)
    length = int.from_bytes(answer[:4], "little")
    assert status == 200 and json.loads(answer[4 : 4 + length])["status"].startswith("error:")


def test_a_sentence_in_the_page_changes_the_picture_to_pythons(server, browser):
    context = browser.new_context(viewport={"width": 1000, "height": 1000})
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.goto(server.url)
    page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
    page.wait_for_selector("canvas")
    while not page.evaluate(f"({ANY_VIEWER_DREW})()"):
        time.sleep(0.05)
    first = _shot(page)
    page.get_by_label("sentence").fill("turn her into a clown, no nose")
    page.get_by_label("sentence").press("Enter")
    _wait_for_answers(page, 1)
    second = _shot(page)
    assert (second - first).abs().mean() > 0.005
    session = server.session
    step = session.steps[-1]
    truth = step.head.render_frame(step.capture, step.capture.neutral, step.capture.camera)
    small = torch.nn.functional.interpolate(second.permute(2, 0, 1)[None], truth.shape[:2])[0]
    assert (small.permute(1, 2, 0) - truth).abs().mean() < 0.02
    page.get_by_role("button", name="Undo").click()
    _wait_for_answers(page, 2)
    assert (_shot(page) - first).abs().mean() < 0.002
    assert complaints == []
    context.close()


def _wait_for_answers(page, count: int) -> None:
    while page.evaluate("Number(document.querySelector('.stkit').dataset.answers || 0)") < count:
        time.sleep(0.05)


def _shot(page) -> torch.Tensor:
    url = page.evaluate(
        """() => { const s = document.querySelector('.stkit').stkit; s.stage.header.size = 256;
        s.stage.draw(); return s.stage.canvas.toDataURL('image/png'); }"""
    )
    return as_float(decode_data_url(url))


def test_a_notebooks_studio_answers_messages(shipped):
    studio = Studio(
        shipped.gaussian_head(), shipped.capture(), shipped.views(), get_editor("paint"), SETTINGS
    )
    answers = []
    studio.send = lambda content, buffers: answers.append((content, buffers))
    studio.reply(studio.session, {"kind": "preview", "sentence": "big eyes", "id": "7"})
    content, buffers = answers[0]
    assert content["id"] == "7" and content["steps"] == 1 and len(buffers[0]) > 1000
    assert studio.poster().shape[2] == 3


@pytest.mark.parametrize("command", ["studio", "puppet"])
def test_a_run_that_is_not_there_is_refused(command, capsys):
    assert main([command, "nobody", "--no-browser"]) == 2
    assert "no run 'nobody'" in capsys.readouterr().err
