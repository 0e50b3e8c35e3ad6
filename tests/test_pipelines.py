"""InstructPix2Pix by a pipeline of the real classes with small random weights."""

import json
import shutil

import pytest
import torch
from conftest import seeded
from small_pipelines import poison, save_full_layout, save_instruct_pix2pix

from stkit.diffusion import latent_editor
from stkit.diffusion.editors import EDITORS, get_editor
from stkit.diffusion.instruct_pix2pix import InstructPix2PixEditor
from stkit.diffusion.loading import choose_device
from stkit.diffusion.protocols import JointEditor, PromptError
from stkit.diffusion.together import edit_together

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_instruct_pix2pix(tmp_path_factory.mktemp("ip2p"))


@pytest.fixture
def copy(folder, tmp_path):
    """The pipeline's folder, free to be damaged."""
    return shutil.copytree(folder, tmp_path / "ip2p")


def test_a_folder_is_loaded_and_acts_by_strength(folder):
    editor = InstructPix2PixEditor(str(folder), steps=4, device="cpu")
    image = torch.rand(64, 64, 3, generator=seeded(1))

    def edit(b):
        return editor.edit(image, "red hair", b, image, seeded(2))

    a = edit(0.7)
    assert a.shape == image.shape and torch.isfinite(a).all() and a.min() >= 0 and a.max() <= 1
    assert torch.equal(a, edit(0.7)), "one seed, one result"
    reconstruction = edit(0.001)
    weak, strong = (float((edit(b) - reconstruction).abs().mean()) for b in (0.1, 0.9))
    assert weak < strong
    with pytest.raises(PromptError):
        editor.check("  ")


def test_first_ddim_step_is_upstreams(folder):
    editor = InstructPix2PixEditor(str(folder), device="cpu")
    for T, first in ((980, 932), (700, 666), (200, 191), (20, 20)):
        steps = editor.timesteps(T / 1000)
        assert int(steps[0]) == first and len(steps) == 20 and int(steps[-1]) == 1


def test_guidance_follows_the_formula(folder):
    """With s_T = s_I = 1 the mix is e(I, T) alone: the text matters, the other answers cancel."""
    image = torch.rand(64, 64, 3, generator=seeded(1))
    plain = InstructPix2PixEditor(str(folder), s_T=1.0, s_I=1.0, steps=3, device="cpu")
    ignoring = InstructPix2PixEditor(str(folder), s_T=0.0, s_I=1.0, steps=3, device="cpu")

    def edit(editor, prompt):
        return editor.edit(image, prompt, 0.8, image, seeded(3))

    without_text = edit(ignoring, "red"), edit(ignoring, "blue hat")
    assert torch.allclose(*without_text, atol=1e-6), "without s_T the words do nothing"
    assert not torch.equal(edit(plain, "red"), edit(plain, "blue hat"))


def test_missing_weights_say_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="editor='paint'"):
        InstructPix2PixEditor(str(tmp_path / "nothing-here"))


HALF_DOWNLOADS = [
    "model_index.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
    "scheduler/scheduler_config.json",
    "tokenizer/tokenizer.json",
]


@pytest.mark.parametrize("fault", ["absent", "cut", "empty"])
@pytest.mark.parametrize("file", HALF_DOWNLOADS)
def test_half_downloaded_folders_are_named(copy, file, fault):
    whole = (copy / file).read_bytes()
    (copy / file).unlink()
    if fault != "absent":
        (copy / file).write_bytes(whole[: len(whole) // 2] if fault == "cut" else b"")
    message = f"'{copy}' could not be loaded: the folder is incomplete"
    with pytest.raises(FileNotFoundError, match=message):
        InstructPix2PixEditor(str(copy), device="cpu")


def test_the_published_architecture_at_small_width_edits_by_the_same_code(copy):
    width = json.loads((copy / "text_encoder" / "config.json").read_text())["hidden_size"]
    save_full_layout(copy, width)
    editor = InstructPix2PixEditor(str(copy), steps=3, device="cpu")
    assert editor.working_size(256, 256) == (128, 128)
    image = torch.rand(96, 96, 3, generator=seeded(1))
    edited = editor.edit(image, "red hair", 0.7, image, seeded(2))
    assert edited.shape == image.shape and torch.isfinite(edited).all()
    both = edit_together(editor, [image, image.flip(1)], "red hair", [image, image], seeded())
    assert both[1].shape == image.shape


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_an_editor_with_damaged_weights_says_so(copy, part):
    poison(copy / part / "diffusion_pytorch_model.safetensors")
    editor = get_editor(str(copy), device="cpu")
    image = torch.rand(32, 32, 3, generator=seeded(1))
    message = f"InstructPix2Pix .{copy}. gave a picture that is not finite.*Fetch the weights again"
    with pytest.raises(ValueError, match=message):
        editor.edit(image, "red", 0.7, image, seeded())
    with pytest.raises(ValueError, match=message):
        editor.edit_together([image, image], "red", [image, image], seeded())


def test_the_device_asked_for_is_taken_although_there_is_a_gpu(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"
    for editor in (get_editor(str(folder), device="cpu"), get_editor("tiny", device="cpu")):
        assert editor.device == "cpu" and editor.pipe.unet.dtype == torch.float32
        assert editor.pipe.unet.device == torch.device("cpu")


def test_many_views_go_through_the_autoencoder_a_few_at_a_time(folder, monkeypatch):
    editor = InstructPix2PixEditor(str(folder), device="cpu")
    images = [torch.rand(32, 32, 3, generator=seeded(k)) for k in range(5)]
    latents = editor.encode(images)
    whole = editor.decode(latents, latents, images)
    decode, batches = editor.pipe.vae.decode, []

    def counted(latents):
        batches.append(len(latents))
        return decode(latents)

    monkeypatch.setattr(latent_editor, "CHUNK", 2)
    monkeypatch.setattr(editor.pipe.vae, "decode", counted)
    in_parts = editor.decode(latents, latents, images)
    assert batches == [2, 2, 1]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(whole, in_parts))
    assert torch.allclose(editor.encode(images), latents, atol=1e-6)


def test_editors_of_the_kit_say_what_they_stand_in_for(folder):
    for name, together in {"paint": False, "tiny": True}.items():
        editor = EDITORS[name]("cpu")
        assert editor.stand_in and not editor.wants_depth
        assert isinstance(editor, JointEditor) == together
    assert get_editor(str(folder), device="cpu").stand_in == ""
