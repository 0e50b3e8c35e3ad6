"""A head of Gaussians from elsewhere is found whichever way it lies, weighed and edited."""

from pathlib import Path

import pytest
import torch
from scipy.spatial.transform import Rotation

from stkit import face_models
from stkit.cli import main
from stkit.diffusion.editors import get_editor
from stkit.editing.settings import EditSettings
from stkit.editing.static_head import edit_static, static_head
from stkit.errors import RequestError
from stkit.export.marks import verify
from stkit.export.ply import read_ply, write_ply
from stkit.face_models.landmarks import KEPT_66
from stkit.render.gaussians import Gaussians
from stkit.runs.exports import head_to_export


@pytest.fixture(scope="module")
def still() -> Gaussians:
    what = head_to_export("mara")
    with torch.no_grad():
        return what.head.gaussians(what.capture.frame_pose(what.capture.neutral)).detach()


@pytest.mark.parametrize("angles", [(0, 0, 0), (170, -80, 95), (0, 178, 0)])
def test_a_head_is_found_whichever_way_it_lies(angles, still):
    R = torch.from_numpy(Rotation.from_euler("xyz", angles, degrees=True).as_matrix()).float()
    head = static_head(still.moved(R, torch.tensor([3.0, -7.0, 22.0]), 14.0))
    face = face_models.builtin()
    off = (head.landmarks - face.mean[face.landmarks[KEPT_66]]).norm(dim=1)
    assert float(off.mean()) < 0.2  # decimetres: another person's face lies over the mean one
    weights = head.weights(5.0)
    assert 0 < float(weights.min()) < 0.05 and float(weights.max()) > 0.9


def test_an_edit_changes_the_face_and_leaves_the_rest(still):
    head = static_head(still)
    settings = EditSettings("turn her into a clown")
    edited = edit_static(head, get_editor("paint"), settings)
    moved = (edited.colors - head.gaussians.colors).abs().mean(1)
    weights = head.weights(settings.alpha)
    assert torch.equal(edited.means, head.gaussians.means)
    assert float(moved[weights > 0.6].mean()) > 8 * float(moved[weights < 0.1].mean())


def test_moving_gaussians_is_a_similarity(still):
    R = torch.from_numpy(Rotation.random(random_state=0).as_matrix()).float()
    there = still.moved(R, torch.ones(3), 2.0)
    back = there.moved(R.T, -(R.T @ torch.ones(3)) / 2, 0.5)
    assert torch.allclose(back.means, still.means, atol=1e-4)
    assert torch.allclose(back.scales, still.scales, atol=1e-6)


def test_the_command_writes_a_page_and_the_edited_head(still, tmp_path, capsys):
    write_ply(still, tmp_path / "friend.ply")
    words = ["look", str(tmp_path / "friend.ply"), "--prompt", "turn her into a clown"]
    assert main(words) == 0
    ply, page = (Path(line) for line in capsys.readouterr().out.split())
    assert len(read_ply(ply)) == len(still) and "mount(" in page.read_text()
    assert verify(ply).statement["edit"] == "turn her into a clown"
    assert verify(page).known == "marked"


def test_what_is_no_head_is_refused_by_name(tmp_path, capsys):
    draw = torch.Generator().manual_seed(0)
    n = 500
    noise = Gaussians(
        torch.randn(n, 3, generator=draw),
        torch.nn.functional.normalize(torch.randn(n, 4, generator=draw), dim=1),
        torch.full((n, 3), 0.05),
        torch.full((n,), 0.8),
        torch.rand(n, 3, generator=draw),
    )
    write_ply(noise, tmp_path / "cloud.ply")
    assert main(["look", str(tmp_path / "cloud.ply")]) == 2
    assert "cloud.ply: no face is seen" in capsys.readouterr().err
    with pytest.raises(RequestError, match="no such file"):
        read_ply(tmp_path / "none.ply")
    assert main(["look", str(tmp_path / "cloud.ply"), "--b", "2"]) == 2
