"""The edit stage's loop, with an editor that paints everything red."""

import pytest
import torch

from stkit.diffusion.protocols import PromptError
from stkit.editing.loop import edit_head
from stkit.editing.settings import EditSettings
from stkit.editing.weights import landmark_set, point_weights, weight_image
from stkit.heads.gaussian import GaussianHead


class Red:
    """An editor that paints the whole figure red, weakly below b = 0.5."""

    name, stand_in, wants_depth = "red", "red paint", False

    def check(self, prompt):
        if prompt != "red":
            raise PromptError("only red")

    def edit(self, image, prompt, b, condition, generator, landmarks=None, text_guidance=1.0):
        assert landmarks.shape == (66, 2) and image.shape == condition.shape
        return condition + b**3 * (torch.tensor([1.0, 0, 0]) - condition) * (
            condition.min(-1, keepdim=True).values < 0.97
        )


@pytest.mark.parametrize("mode", ["pixel", "grad"])
def test_edit_changes_the_face_more_than_the_rest(gaussians, mesh, tmp_path, mode):
    capture, original = mesh[1], gaussians
    before = {k: v.clone() for k, v in original.state_dict().items()}
    settings = EditSettings("red", steps=120, frames=6, mode=mode)
    done = edit_head(original, capture, None, Red(), settings, capture.split()[0])
    assert all(torch.equal(v, before[k]) for k, v in original.state_dict().items()), "left alone"
    head, history, shots, log = done.head, done.history, done.shots, done.log
    assert len(history["loss"]) == 120 and len(log) == 6 + 11
    assert all(round(s.b, 4) in {e["b"] for e in log} for s in shots)
    frame = capture.frame_pose(capture.neutral)
    with torch.no_grad():
        after, _ = head.render(capture.camera, frame)
        picture, alpha = original.render(capture.camera, frame)
    change = (after - picture).abs().mean(-1)
    w = point_weights(original, landmark_set(capture))
    share = weight_image(original, w, capture.camera, frame)[..., 0]
    cover = alpha[..., 0] > 0.9
    assert change[cover & (share > 0.6)].mean() > 2 * change[cover & (share < 0.1)].mean()
    for a, b in zip(head.deformation.parameters(), original.deformation.parameters()):
        assert torch.equal(a, b)


def test_edit_goes_on_from_a_checkpoint_to_the_same_result(gaussians, mesh, tmp_path, monkeypatch):
    from stkit import training

    gaussians.save(tmp_path / "head.safetensors")
    capture = mesh[1]
    settings = EditSettings("red", steps=24, frames=3)
    start = GaussianHead.load(tmp_path / "head.safetensors")
    whole = edit_head(start, capture, None, Red(), settings, capture.split()[0]).head
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)

    class StopError(Exception):
        pass

    def interrupted(items, **_):
        for k in items:
            if k == 13:
                raise StopError
            yield k

    with pytest.raises(StopError):
        edit_head(
            start,
            capture,
            None,
            Red(),
            settings,
            capture.split()[0],
            tmp_path / "c.pt",
            interrupted,
        )
    done = edit_head(start, capture, None, Red(), settings, capture.split()[0], tmp_path / "c.pt")
    resumed, log = done.head, done.log
    assert torch.equal(resumed.feature, whole.feature) and torch.equal(resumed.xyz, whole.xyz)
    assert [e["step"] for e in log] == [0, 0, 0, 10, 20]


def test_a_prompt_that_cannot_be_done_fails_before_any_step(gaussians, mesh):
    with pytest.raises(PromptError, match="only red"):
        edit_head(gaussians, mesh[1], None, Red(), EditSettings("blue"), mesh[1].split()[0])
