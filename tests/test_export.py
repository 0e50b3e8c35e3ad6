"""Heads in other tools' files: written, read back by an independent reader, and rendered."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stkit.cli import main
from stkit.driving.arkit import arkit_names
from stkit.errors import RequestError
from stkit.export.conventions import METRES, TrainedFields, camera_axes
from stkit.export.formats import FORMATS
from stkit.export.mesh_files import write_mesh_glb, write_obj_folder
from stkit.export.ply import COLUMNS, read_ply, write_ply
from stkit.export.rig import STEPS, make_rig, with_actions
from stkit.export.rig_files import PLAYER, write_rig
from stkit.export.textured_mesh import textured_mesh
from stkit.geometry import axis_angle_to_quat, euler_yxz
from stkit.metrics.pictures import psnr
from stkit.render.gaussians import Gaussians
from stkit.runs.exports import KINDS, export, head_to_export
from tests.export_readers import glb_array, glb_parts, read_independently

EXPRESSIONS = [
    {},
    {"jawOpen": 1.0},
    {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "jawOpen": 0.4},
    {"browInnerUp": 1.0, "jawOpen": 0.5, "eyeWideLeft": 0.8, "eyeWideRight": 0.8},
]


@pytest.fixture(scope="module")
def shipped():
    return head_to_export("mara")


@pytest.fixture(scope="module")
def still(shipped) -> Gaussians:
    """The shipped head's neutral frame, in the world."""
    frame = shipped.capture.frame_pose(shipped.capture.neutral)
    with torch.no_grad():
        return shipped.head.gaussians(replace(frame, lattice=None)).detach()


def picture(gaussians: Gaussians, camera) -> torch.Tensor:
    return gaussians.render(camera)[0].clamp(0, 1)


def test_axes_are_turned_as_a_rotation_and_back(still):
    turned = camera_axes(still)
    assert torch.equal(turned.means, still.means * torch.tensor([1.0, -1, -1]))
    back = camera_axes(turned)
    assert torch.allclose(back.means, still.means)
    same = (back.quats * still.quats).sum(1).abs() / still.quats.square().sum(1)
    assert torch.allclose(same, torch.ones(len(still)), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_fields_invert(seed):
    draw = torch.Generator().manual_seed(seed)
    g = Gaussians(
        torch.randn(5, 3, generator=draw),
        torch.nn.functional.normalize(torch.randn(5, 4, generator=draw), dim=1),
        torch.rand(5, 3, generator=draw) + 1e-4,
        torch.rand(5, generator=draw) * 0.98 + 0.01,
        torch.rand(5, 3, generator=draw),
    )
    for a, b in zip(g.tensors(), TrainedFields.of(g).gaussians().tensors()):
        assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_read_by_another_program_looks_the_same(kind, shipped, still, tmp_path):
    if kind == "usd":
        pytest.importorskip("pxr")
    path = tmp_path / f"head{FORMATS[kind].suffix}"
    FORMATS[kind].write(still, path)
    found = read_independently(kind, path)
    assert len(found) == len(still)
    camera = shipped.capture.camera
    assert psnr(picture(found, camera), picture(still, camera)) >= 40


def test_ply_has_the_fields_viewers_expect(still, tmp_path):
    write_ply(still, tmp_path / "h.ply")
    header, _, body = (tmp_path / "h.ply").read_bytes().partition(b"end_header\n")
    lines = [line.split() for line in header.splitlines()]
    assert tuple(w[-1].decode() for w in lines if w[0] == b"property") == COLUMNS
    assert len(body) == len(still) * len(COLUMNS) * 4
    assert torch.allclose(read_ply(tmp_path / "h.ply").means, still.means)


def test_usd_without_its_package_says_what_to_do(monkeypatch, still, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pxr", None)
    with pytest.raises(RequestError, match=r"stkit\[export\]"):
        FORMATS["usd"].write(still, tmp_path / "h.usdc")


def strengths(action: dict[str, float]) -> torch.Tensor:
    names = arkit_names()
    weights = torch.zeros(len(names))
    for name, value in action.items():
        weights[names.index(name)] = value
    return weights


@pytest.fixture(scope="module")
def rig(shipped):
    return make_rig(shipped.head, shipped.capture)


@pytest.mark.parametrize("action", EXPRESSIONS)
def test_a_rig_moves_as_the_head_does(action, rig, shipped):
    camera, weights = shipped.capture.camera, strengths(action)
    beta = with_actions(rig.frame.beta, weights)
    with torch.no_grad():
        truth = picture(shipped.head.gaussians(replace(rig.frame, beta=beta)), camera)
    assert psnr(picture(rig.gaussians(weights), camera), truth) >= 40


def test_strength_one_is_the_action_in_full_whatever_the_neutral_face_does():
    neutral = torch.full((64,), 0.2)
    beta = with_actions(neutral, strengths({"jawOpen": 1.0}))
    assert beta[arkit_names().index("jawOpen")] == 1
    assert (beta == 0.2).sum() == 63


@pytest.fixture(scope="module")
def rig_folder(rig, shipped, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rig")
    write_rig(rig, shipped.capture.camera, folder, "mara")
    return folder


def player_of(folder: Path):
    """The player that ships with a rig: numpy and pillow alone."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("player", folder / "player.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_python_player_draws_what_we_draw(rig, rig_folder, shipped):
    player = player_of(rig_folder)
    description, rest, changes = player.load(rig_folder)
    turn = euler_yxz(*torch.tensor([0.2, -0.1, 0.05]))
    action = EXPRESSIONS[3]
    quaternion = axis_angle_to_quat(turn).numpy()
    image = player.draw(
        description["camera"], *player.pose(description, rest, changes, action, quaternion)
    )
    from stkit.geometry import so3_exp, so3_log

    rotation = so3_log(so3_exp(turn) @ so3_exp(rig.frame.pose[:3]))
    pose = torch.cat([rotation, rig.frame.pose[3:]])
    ours = picture(rig.gaussians(strengths(action), pose), shipped.capture.camera)
    assert psnr(torch.from_numpy(image).float(), ours) >= 45


def test_the_python_player_plays_a_live_link_file(rig_folder, tmp_path):
    sheet = tmp_path / "take.csv"
    sheet.write_text("Timecode,BlendshapeCount,JawOpen,HeadYaw\n00:00:00:00.0,61,0.5,0.1\n")
    player_of(rig_folder).main(sheet, tmp_path / "frames")
    assert np.asarray(Image.open(tmp_path / "frames" / "00000.png")).std() > 20


def test_a_rig_says_what_it_is(rig_folder):
    description = json.loads((rig_folder / "rig.json").read_text())
    assert description["schema"] == "stkit-rig" and description["version"] == "1.0"
    assert description["synthetic"] is True and len(description["actions"]) == 52
    assert {c["attribute"] for c in description["changes"]} <= set(STEPS)
    assert {p.name for p in PLAYER.iterdir() if p.is_file()} <= {
        p.name for p in rig_folder.iterdir()
    }


@pytest.fixture(scope="module")
def textured(shipped):
    return textured_mesh(shipped.mesh(), shipped.head, shipped.capture, size=256)


def test_the_texture_shows_the_head(textured, shipped):
    """The mesh with its texture, drawn by our mesh renderer, against the Gaussian head."""
    from torch.nn.functional import grid_sample

    from stkit.render import render_mesh
    from stkit.space import to_world

    frame = replace(shipped.capture.frame_pose(shipped.capture.neutral), lattice=None)
    camera = shipped.capture.camera
    uv = render_mesh(
        to_world(textured.verts, frame), textured.faces, textured.uv, camera, antialias=False
    )
    where = torch.stack([2 * uv.image[..., 0] - 1, 1 - 2 * uv.image[..., 1]], -1)[None]
    texture = textured.texture.permute(2, 0, 1)[None]
    drawn = grid_sample(texture, where, align_corners=False)[0].permute(1, 2, 0)
    with torch.no_grad():
        truth = picture(shipped.head.gaussians(frame), camera)
    inside = (uv.face_id >= 0)[..., None]
    assert psnr(torch.where(inside, drawn, truth), truth) >= 25


def test_the_mesh_file_holds_texture_and_actions(textured, tmp_path):
    write_mesh_glb(textured, tmp_path / "m.glb")
    file, binary = glb_parts(tmp_path / "m.glb")
    mesh = file["meshes"][0]
    assert mesh["extras"]["targetNames"] == list(arkit_names())
    part = mesh["primitives"][0]
    jaw = part["targets"][arkit_names().index("jawOpen")]["POSITION"]
    moved = glb_array(file, binary, jaw)
    wanted = METRES * textured.actions[arkit_names().index("jawOpen")]
    assert np.allclose(moved, wanted.numpy(), atol=1e-6) and np.abs(moved).max() > 0.005
    view = file["bufferViews"][file["images"][0]["bufferView"]]
    start = binary[view["byteOffset"] : view["byteOffset"] + 8]
    assert start == b"\x89PNG\r\n\x1a\n"


def test_obj_shapes_share_the_mesh(textured, tmp_path):
    write_obj_folder(textured, tmp_path)
    shapes = {p.stem for p in (tmp_path / "shapes").glob("*.obj")}
    assert shapes == set(arkit_names())

    def lines(path: Path, start: str) -> list[str]:
        return [x for x in path.read_text().splitlines() if x.startswith(start)]

    neutral, jaw = tmp_path / "head.obj", tmp_path / "shapes" / "jawOpen.obj"
    assert lines(neutral, "f ") == lines(jaw, "f ")
    assert lines(neutral, "v ") != lines(jaw, "v ")
    assert len(lines(neutral, "v ")) == len(textured.verts)


def test_export_refuses_before_it_writes(shipped, tmp_path):
    for kinds, frame, words in (
        (["ply", "fbx"], None, "choose from"),
        (["ply"], 10_000, "the clip has frames"),
        (["rig"], 3, "move, and begin"),
    ):
        with pytest.raises(RequestError, match=words):
            export(shipped, kinds, tmp_path / "out", frame)
    assert not (tmp_path / "out").exists()


def test_the_command_writes_marked_files(tmp_path, capsys):
    kinds = [kind for kind in KINDS if kind not in ("usd", "obj", "mesh-glb")]
    assert main(["export", "mara", "--to", *kinds, "--folder", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.split()
    assert len(printed) == len(kinds) and all(Path(path).exists() for path in printed)
    assert main(["verify", str(tmp_path / "mara.spz"), str(tmp_path / "mara-rig/rig.json")]) == 0
    assert capsys.readouterr().out.count("carries a mark, and is unchanged") == 2
    assert main(["export", "nobody"]) == 2


BLENDER = """
import bpy, sys
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=sys.argv[1])
[head] = [x for x in bpy.data.objects if x.type == "MESH"]
keys = head.data.shape_keys.key_blocks
names = ",".join(key.name for key in keys)
print("FOUND", len(head.data.vertices), names, *bpy.data.images[0].size)
"""


@pytest.mark.long
def test_blender_opens_the_mesh_with_its_shapes(textured, tmp_path):
    """With `pip install bpy==5.0.1` (370 MB, not in the lock)."""
    write_mesh_glb(textured, tmp_path / "m.glb")
    words = [sys.executable, "-c", BLENDER, str(tmp_path / "m.glb")]
    done = subprocess.run(words, capture_output=True, text=True)
    if "No module named 'bpy'" in done.stderr:
        pytest.skip("bpy is not installed")
    [line] = [x for x in done.stdout.splitlines() if x.startswith("FOUND")]
    _, count, names, *size = line.split()
    assert int(count) > 3000 and size == ["256", "256"]
    assert names.split(",") == ["Basis", *arkit_names()]


@pytest.mark.long
def test_the_browser_player_draws_what_we_draw(rig_folder, rig, shipped, tmp_path):
    """three.js out of npm, in headless Chromium: ten expressions, the mouth's region too."""
    import shutil
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from tests.browser import CHROMIUM, SOFTWARE_WEBGL, as_float, decode_data_url

    if CHROMIUM is None or shutil.which("npm") is None:
        pytest.skip("needs Chromium and npm")
    from playwright.sync_api import sync_playwright

    if subprocess.run(["npm", "install", "--silent"], cwd=rig_folder).returncode:
        pytest.skip("npm reaches no registry")
    serve = partial(SimpleHTTPRequestHandler, directory=str(rig_folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mouth = shipped.capture.camera.project(
        rig.frame.scale * shipped.head.landmarks[48:66] + rig.frame.pose[3:]
    )
    low, high = mouth.min(0).values.int() - 8, mouth.max(0).values.int() + 8
    more = [{name: 1.0} for name in ("mouthPucker", "mouthLeft", "cheekPuff", "noseSneerLeft")]
    more += [{"mouthFrownLeft": 1.0, "mouthFrownRight": 1.0, "browDownLeft": 1.0}]
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE_WEBGL)
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        tab.wait_for_function("globalThis.player", timeout=60_000)
        for action in EXPRESSIONS + more:
            tab.evaluate("action => player.show(action)", action)
            url = tab.evaluate("document.querySelector('canvas').toDataURL()")
            shown = as_float(decode_data_url(url))
            beta = with_actions(rig.frame.beta, strengths(action))
            with torch.no_grad():
                truth = picture(
                    shipped.head.gaussians(replace(rig.frame, beta=beta)), shipped.capture.camera
                )
            part = (slice(low[1], high[1]), slice(low[0], high[0]))
            print(action, psnr(shown, truth), psnr(shown[part], truth[part]))
            assert psnr(shown, truth) >= 35 and psnr(shown[part], truth[part]) >= 35
        browser.close()
    server.shutdown()
