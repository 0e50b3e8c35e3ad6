"""All views edited at once (GaussCtrl), by InstructPix2Pix and by a depth ControlNet."""

import pytest
import torch
from conftest import seeded
from small_pipelines import save_depth_pipelines, save_instruct_pix2pix

from stkit.diffusion.depth import DepthEditor, disparity
from stkit.diffusion.editors import get_editor
from stkit.diffusion.instruct_pix2pix import InstructPix2PixEditor
from stkit.diffusion.protocols import PromptError
from stkit.diffusion.together import AlignedAttention, aligned, edit_together, reference_views
from stkit.editing.loop import edit_head
from stkit.editing.settings import EditSettings

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    folder = save_instruct_pix2pix(tmp_path_factory.mktemp("ip2p"))
    return InstructPix2PixEditor(str(folder), steps=3, device="cpu")


@pytest.fixture(scope="module")
def depth_pipelines(editor, tmp_path_factory):
    return save_depth_pipelines(tmp_path_factory.mktemp("depth"), editor.pipe)


@pytest.fixture
def depth_editor(depth_pipelines):
    editor = get_editor(str(depth_pipelines / "both"), device="cpu")
    assert isinstance(editor, DepthEditor)
    editor.steps = 3
    return editor


def pictures(count, size):
    return [torch.rand(size, size, 3, generator=seeded(k)) for k in range(count)]


def test_one_view_attends_to_itself(editor):
    """Its only reference is the view itself, so nothing changes."""
    images = pictures(1, 32)
    with_, without = (
        edit_together(editor, images, "x", images, seeded(), align=a)[0] for a in (True, False)
    )
    assert torch.allclose(with_, without, atol=1e-4)


def test_gaussctrl_attends_to_references_and_puts_the_attention_back(editor):
    images = pictures(3, 32)
    before = dict(editor.pipe.unet.attn_processors)
    edited = edit_together(editor, images, "x", images, seeded())
    assert editor.pipe.unet.attn_processors == before
    assert len(edited) == 3 and edited[0].shape == (32, 32, 3)
    with aligned(editor.pipe.unet, 3, [0]):
        kinds = {type(p) for n, p in editor.pipe.unet.attn_processors.items() if "attn1" in n}
    assert kinds == {AlignedAttention}


def test_each_quarter_of_the_views_has_a_reference():
    references = reference_views(8, seeded())
    assert [r // 2 for r in references] == [0, 1, 2, 3]


def test_inversion_leads_back(editor):
    """A latent split by any answer and put together at the same level is the latent again."""
    x = torch.randn(1, 4, 4, 4, generator=seeded())
    level = editor.ddim.level(500)
    clean, noise = editor.ddim.split(x, level, torch.zeros_like(x) + 0.3)
    assert torch.allclose(editor.ddim.move(clean, noise, level), x, atol=1e-5)


def test_a_depth_controlnet_holds_the_views(depth_editor, depth_pipelines):
    one = depth_editor
    two = get_editor(f"{depth_pipelines / 'sd'}+{depth_pipelines / 'control'}", device="cpu")
    two.steps = 3
    images = pictures(3, 64)
    pattern = torch.rand(64, 64, 1, generator=seeded(9)) > 0.5
    everywhere = torch.ones(64, 64, 1)
    depths = [disparity((2.0 + k) * everywhere, everywhere) * pattern for k in range(3)]

    def edit(editor, depths, prompt="red"):
        return edit_together(editor, images, prompt, depths, seeded(4))

    before = dict(one.pipe.controlnet.attn_processors)
    edited = edit(one, depths)
    assert one.pipe.controlnet.attn_processors == before
    assert all(x.shape == (64, 64, 3) and torch.isfinite(x).all() for x in edited)
    same = edit(two, depths)
    assert all(torch.equal(a, b) for a, b in zip(edited, same)), "one folder or two"
    assert not torch.equal(edited[0], edit(one, [1 - d for d in depths])[0]), "depth counts"
    assert not torch.equal(edited[0], edit(one, depths, "blue hat")[0]), "words count"


def test_disparity_is_the_nearest_one_over_depth():
    depth, alpha = torch.tensor([[[2.0], [4.0], [1.0]]]), torch.tensor([[[1.0], [1.0], [0.0]]])
    near = disparity(depth, alpha)
    assert torch.allclose(near[0, :, 0], torch.tensor([1.0, 0.5, 0.0]), atol=1e-4)


def test_gaussctrl_with_a_depth_controlnet(depth_editor, gaussians, mesh):
    capture, frames = mesh[1], mesh[1].split()[0]
    settings = EditSettings("a clown", method="gaussctrl", steps=4, frames=3)
    done = edit_head(gaussians, capture, None, depth_editor, settings, frames)
    assert len(done.log) == 3
    assert not torch.equal(done.shots[0].target, done.shots[0].original)


def test_a_depth_editor_refuses_what_it_cannot_do(depth_editor, depth_pipelines, gaussians, mesh):
    capture, frames = mesh[1], mesh[1].split()[0]
    settings = EditSettings("a clown", steps=4, frames=3)
    with pytest.raises(ValueError, match="take the method 'gaussctrl'"):
        edit_head(gaussians, capture, None, depth_editor, settings, frames)
    image = pictures(1, 64)[0]
    with pytest.raises(PromptError, match="no single picture"):
        depth_editor.edit(image, "a clown", 0.5, image, seeded())
    with pytest.raises(FileNotFoundError, match="no folder"):
        get_editor(f"{depth_pipelines / 'sd'}+{depth_pipelines / 'nothing'}")
