"""A camera that moves a head: the fit of a frame, the session, the page with a fake camera."""

import base64
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from browser import CHROMIUM, SOFTWARE_WEBGL
from hypothesis import given
from hypothesis import strategies as st

from stkit.cameras import front_camera
from stkit.capture.gaze import EYES
from stkit.capture.live import CALIBRATION_FRAMES, SIZE, LiveFit, LiveFrame, LiveTracker, Sitter
from stkit.driving.arkit import arkit_names
from stkit.driving.live import LiveRetarget
from stkit.driving.live_link_stream import ACTIONS, LiveLinkListener, decode, encode
from stkit.driving.motion import retarget
from stkit.errors import RequestError
from stkit.face_models import builtin
from stkit.face_models.landmarks import MEDIAPIPE_68
from stkit.geometry import euler_yxz, so3_exp, yaw_pitch_roll
from stkit.runs.shipped import MARA, ShippedRun
from stkit.synthetic.subject import CAST, film, make_subject
from stkit.viewers.browser_twin import browser_gaussians
from stkit.viewers.page_server import PageServer
from stkit.viewers.puppeteer import LiveBasis, Puppeteer, PuppeteerSession, decoded

pytestmark = pytest.mark.usefixtures("one_torch_thread")
FRAMES, SECONDS = 60, 4.0


@pytest.fixture(scope="module")
def shipped():
    return ShippedRun(MARA)


@pytest.fixture(scope="module")
def performance():
    """Somebody who speaks, blinks and turns: the subject, their pictures, the calmest frame."""
    subject = make_subject(CAST["walter"], FRAMES, SECONDS)
    calm = int(subject.performance.beta[:, :52].abs().sum(1).argmin())
    frames = [(255 * film(subject, SIZE, t)).byte().numpy() for t in range(FRAMES)]
    return subject, frames, calm


def encoded(picture: np.ndarray) -> str:
    return base64.b64encode(
        cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    ).decode()


def test_a_frame_is_fitted_in_a_few_steps(performance):
    """Points that the model makes itself are met with the pose and expression that made them."""
    subject, frames, calm = performance
    tracker = LiveTracker()
    for _ in range(CALIBRATION_FRAMES):
        tracker(frames[calm])
    sitter = tracker.sitter
    tracker.close()
    fit = LiveFit(sitter, front_camera(SIZE))
    model = builtin()
    beta = sitter.neutral.beta.clone()
    beta[model.expression_names.index("jawOpen")] = 0.5
    pose = sitter.neutral.pose.clone()
    pose[:3] = euler_yxz(*torch.tensor([0.2, 0.05, -0.03]))
    points = (sitter.rest + torch.einsum("k,knc->nc", beta, sitter.directions)) @ (
        sitter.scale * so3_exp(pose[:3])
    ).T + pose[3:]
    pixels = front_camera(SIZE).project(points)
    seen = np.zeros((478, 2))
    irises = [eye.iris for eye in EYES for _ in range(model.pupils.shape[1])]
    seen[[*MEDIAPIPE_68, *model.dense_mediapipe.tolist(), *irises]] = pixels.numpy()
    for _ in range(6):
        found = fit(seen)
    apart = (found.pose - pose).abs()
    assert apart[:3].max() < 0.02 and apart[3:5].max() < 0.01 and apart[5] < 0.1  # depth: as size
    jaw = model.expression_names.index("jawOpen")
    assert abs(float(found.beta[jaw]) - 0.5) < 0.12


def test_a_performance_is_followed(performance):
    subject, frames, calm = performance
    tracker = LiveTracker()
    for _ in range(CALIBRATION_FRAMES):
        tracker(frames[calm])
    found = [tracker(frame) for frame in frames]
    tracker.close()
    seen = [t for t, frame in enumerate(found) if frame is not None]
    assert len(seen) > 0.95 * FRAMES
    names = list(builtin().expression_names)
    beta = torch.stack([found[t].beta for t in seen])
    truth = subject.performance.beta[seen]
    for name, least in (("jawOpen", 0.8), ("eyeBlinkLeft", 0.85), ("eyeBlinkRight", 0.85)):
        pair = torch.stack([beta[:, names.index(name)], truth[:, names.index(name)]])
        assert torch.corrcoef(pair)[0, 1] > least, name
    pose = torch.stack([found[t].pose for t in seen])
    yaw = [
        yaw_pitch_roll(so3_exp(p[:, :3]))[0].rad2deg()
        for p in (pose, subject.performance.pose[seen])
    ]
    apart = yaw[0] - yaw[1]
    assert (apart - apart.median()).abs().mean() < 2.5


def test_one_frame_is_retargeted_as_a_clip_is(shipped):
    capture = shipped.capture()
    t, n = 11, capture.neutral
    sitter = Sitter(
        capture.scale, LiveFrame(capture.beta[n], capture.pose[n]), *(torch.zeros(0, 3),) * 3
    )
    frame = LiveRetarget(capture, sitter)(LiveFrame(capture.beta[t], capture.pose[t]))
    clip = retarget(capture, capture)
    assert torch.allclose(frame.beta, clip.beta[t], atol=1e-5)
    assert torch.allclose(frame.pose, clip.pose[t], atol=1e-4)


def test_the_basis_draws_what_the_head_does(shipped):
    head, capture = shipped.gaussian_head(), shipped.capture()
    basis = LiveBasis(head, capture)
    frame = capture.frame_pose(capture.neutral)
    beta = capture.beta[capture.neutral].clone()
    beta[builtin().expression_names.index("jawOpen")] += 0.6
    packet = basis.packet
    packet.arrays["coefficients"] = np.array([basis.coefficients(beta)], np.float32)
    packet.arrays["motion"] = np.array([basis.answer(frame)["motion"]], np.float32)
    packet.header["clip"] = {"frames": 1, "fps": 1, "components": 32}
    with torch.no_grad():
        shown = browser_gaussians(packet, 0, 0, None, None).render(capture.camera)[0]
        truth = head.render(capture.camera, replace(frame, beta=beta, lattice=None))[0]
        still = head.render(capture.camera, replace(frame, lattice=None))[0]
    mouth = (truth - still).abs().mean(-1) > 0.05
    assert (shown - truth)[mouth].abs().mean() < 0.4 * (still - truth)[mouth].abs().mean()


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "frame"},
        {"kind": "frame", "picture": "no base64!"},
        {"kind": "frame", "picture": base64.b64encode(b"no picture").decode()},
        {"kind": "frame", "picture": ""},
        {"kind": "frame", "picture": 5},
        {"kind": "dance"},
        {},
    ],
)
def test_bad_messages_are_answered(shipped, message):
    session = PuppeteerSession(shipped.gaussian_head(), shipped.capture())
    answer, data = session.answer(message)
    session.end()
    assert answer["status"].startswith("error: ") and not data and "motion" not in answer


def test_a_session_calibrates_follows_and_forgets(shipped, performance):
    _, frames, calm = performance
    puppeteer = Puppeteer(shipped.gaussian_head(), shipped.capture())
    answers = []
    puppeteer.send = lambda content, buffers: answers.append(content)

    def ask(**message):
        puppeteer.reply(puppeteer.session, message | {"id": "1"})
        return answers[-1]

    blank = np.full((SIZE, SIZE, 3), 128, np.uint8)
    assert "calibrating: 0" in ask(kind="frame", picture=encoded(blank))["status"]
    for _ in range(CALIBRATION_FRAMES):
        answer = ask(kind="frame", picture=encoded(frames[calm]))
    assert len(answer["motion"]) == 32 and len(answer["coefficients"]) == 32
    jaw = [
        float(np.abs(ask(kind="frame", picture=encoded(f))["coefficients"]).sum())
        for f in frames[:20]
    ]
    assert np.std(jaw) > 0
    assert "calm" in ask(kind="forget")["status"] and puppeteer.session.tracker.sitter is None
    puppeteer.session.end()


def test_a_wide_picture_is_cut_to_its_middle(performance):
    _, frames, calm = performance
    tracker = LiveTracker()
    wide = np.concatenate(
        [
            np.full((SIZE, 60, 3), 255, np.uint8),
            frames[calm],
            np.full((SIZE, 60, 3), 255, np.uint8),
        ],
        1,
    )
    narrow, cut = tracker._points(frames[calm]), tracker._points(wide)
    tracker.close()
    assert np.abs(narrow - cut).mean() < 2.0
    assert decoded(encoded(wide)).shape == wide.shape


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (apt-get install chromium)")
def test_a_camera_in_the_browser_moves_the_head(shipped, performance, tmp_path):
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    subject, frames, calm = performance
    camera = tmp_path / "camera.y4m"
    write_camera(camera, [frames[calm]] * 30 + frames)
    session = PuppeteerSession(shipped.gaussian_head(), shipped.capture())
    server = PageServer(session, session.basis.packet, "puppet", "a note")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]
    with sync.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE_WEBGL + fake)
        page = browser.new_page(viewport={"width": 1000, "height": 1000})
        complaints = []
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(server.url)
        page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
        page.evaluate("document.querySelector('.stkit').stkit.stage.header.size = 128")
        assert not page.get_by_text("camera on").is_visible()
        page.get_by_role("button", name="Start the camera").click()
        count = "Number(document.querySelector('.stkit').dataset.followed || 0)"
        while page.evaluate(count) < 20:
            time.sleep(0.1)
        assert page.get_by_text("camera on").is_visible()
        assert "a second" in page.locator(".studio .note").inner_text()
        page.get_by_role("button", name="Stop").click()
        time.sleep(0.5)
        before = page.evaluate(count)
        time.sleep(0.5)
        assert page.evaluate(count) == before and not page.get_by_text("camera on").is_visible()
        assert complaints == []
        browser.close()
    server.shutdown()
    server.server_close()
    session.end()


def write_camera(place, frames: list[np.ndarray]) -> None:
    """A film for Chromium's fake camera: YUV4MPEG2, 15 frames a second."""
    with place.open("wb") as file:
        file.write(f"YUV4MPEG2 W{SIZE} H{SIZE} F15:1 Ip A1:1 C420jpeg\n".encode())
        for frame in frames:
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())


def test_live_links_packets_come_back_as_they_went():
    beta = torch.zeros(64)
    beta[:52] = torch.rand(52, generator=torch.Generator().manual_seed(1))
    turn = torch.tensor([0.3, -0.1, 0.05])
    found = decode(encode(LiveFrame(beta, torch.zeros(6)), turn, name="Anna's telephone"))
    assert torch.allclose(found.beta, beta, atol=1e-6)
    assert torch.allclose(found.pose[:3], euler_yxz(*turn), atol=1e-6)
    assert set(ACTIONS) == set(arkit_names()) and len(ACTIONS) == 52


@given(st.binary(max_size=400))
def test_what_is_no_packet_is_refused(data):
    with pytest.raises(RequestError):
        decode(data)


@given(st.integers(0, 300), st.integers(0, 255))
def test_damaged_packets_never_escape_as_other_errors(place, value):
    packet = bytearray(encode(LiveFrame(torch.zeros(64), torch.zeros(6)), torch.zeros(3)))
    packet[place % len(packet)] = value
    with suppress(RequestError):
        assert torch.isfinite(decode(bytes(packet)).beta).all()


def test_a_stream_moves_the_head(shipped):
    listener = LiveLinkListener(port=0, host="127.0.0.1")
    session = PuppeteerSession(shipped.gaussian_head(), shipped.capture(), listener)
    asked = {"kind": "frame", "picture": None}
    assert "nothing has come" in session.answer(asked)[0]["status"]
    beta = torch.zeros(64)
    beta[builtin().expression_names.index("jawOpen")] = 0.7
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for packet in (b"junk", encode(LiveFrame(beta, torch.zeros(6)), torch.zeros(3))):
            sender.sendto(packet, ("127.0.0.1", listener.port))
    while not listener.received.count:
        time.sleep(0.01)
    answer, _ = session.answer(asked)
    rest = shipped.capture().beta[shipped.capture().neutral]
    assert answer["coefficients"] == pytest.approx(
        session.basis.coefficients(rest + beta), abs=1e-4
    )
    session.end()
