import math
import shutil

import pytest
import torch
from conftest import seeded

from stkit.diffusion.instruct_pix2pix import InstructPix2PixEditor
from stkit.diffusion.mesh_prior import mesh_prior_views
from stkit.diffusion.paint import PaintEditor, find_recipe, instructions
from stkit.diffusion.protocols import PromptError
from stkit.editing.loop import EditSettings, edit_head
from stkit.editing.strength import HIGH, LOW, SAMPLERS, sample_strength
from stkit.editing.weights import eq8, landmark_set, point_weights, weight, weight_image
from stkit.face_models.landmarks import KEPT_66
from stkit.heads.gaussian import GaussianHead
from stkit.views import FRONTAL


def test_weight_at_the_distances_of_the_paper():
    d = torch.tensor([0.0, math.log(3) / 5, 0.5, 1.0])
    assert torch.allclose(weight(d), torch.tensor([1.0, 0.5, 0.1517, 0.0134]), atol=1e-3)
    assert (weight(torch.linspace(0, 2, 50)).diff() < 0).all()


def test_eq8_takes_the_branch_of_b():
    x, w = torch.ones(2, 2, 3), torch.full((2, 2, 1), 0.3)
    assert torch.allclose(eq8(x, w, 0.5), x * 0.3) and torch.allclose(eq8(x, w, 0.49), x * 0.7)
    assert torch.allclose(eq8(x, w, 0.6) + eq8(x, w, 0.1), x)


@pytest.mark.parametrize("name", SAMPLERS)
def test_strengths_stay_in_range(name):
    b = sample_strength(20_000, seeded(), name)
    assert (
        len(b) == 20_000
        and b.min() >= LOW
        and b.max() <= HIGH
        and abs(float(b.mean()) - 0.5) < 0.01
    )


def test_truncated_strengths_have_the_derived_moments():
    b = sample_strength(100_000, seeded())
    assert abs(float(b.std()) - 0.274) < 0.005
    for boundary, share in ((0.3, 0.713), (0.5, 0.5), (0.7, 0.287)):
        assert abs(float((b >= boundary).float().mean()) - share) < 0.01
    clipped = sample_strength(100_000, seeded(), "clip")
    assert abs(float(((clipped == LOW) | (clipped == HIGH)).float().mean()) - 0.63) < 0.01


def test_unknown_names_are_refused(capture):
    with pytest.raises(ValueError, match="truncate"):
        sample_strength(1, seeded(), "normal")
    with pytest.raises(ValueError, match="dense"):
        landmark_set(capture, "68")


def test_weights_are_local_and_detached(gaussians, mesh):
    head, capture = gaussians, mesh[1]
    w = point_weights(head, landmark_set(capture))
    assert not w.requires_grad and 0 <= w.min() and w.max() <= 1
    dense = point_weights(head, landmark_set(capture, "dense"))
    assert (dense >= w - 1e-6).all() and dense.mean() > w.mean()
    image = weight_image(head, w, capture.camera, capture.frame_pose(capture.neutral))
    nose = capture.landmarks[capture.neutral, 30, :2].long()
    assert image[nose[1], nose[0], 0] > 0.5 and image[-4, 6, 0] < 0.2 and image[1, 1, 0] == 0


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
    assert (
        len(history["loss"]) == 120
        and len(log) == 6 + 11
        and all(round(s.b, 4) in {e["b"] for e in log} for s in shots)
    )
    arguments = capture.frame_pose(capture.neutral)
    with torch.no_grad():
        change = (
            (
                head.render(capture.camera, arguments)[0]
                - original.render(capture.camera, arguments)[0]
            )
            .abs()
            .mean(-1)
        )
    share = weight_image(
        original, point_weights(original, landmark_set(capture)), capture.camera, arguments
    )[..., 0]
    cover = original.render(capture.camera, arguments)[1][..., 0] > 0.9
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

    class Stop(Exception):
        pass

    def interrupted(items, **_):
        for k in items:
            if k == 13:
                raise Stop
            yield k

    with pytest.raises(Stop):
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


def test_paint_knows_a_dozen_instructions_in_free_words():
    assert len(instructions()) >= 12
    for words, name in (
        ("Turn him into a clown!", "clown"),
        ("make her a bronze statue", "bronze statue"),
        ("give him red hair", "red hair"),
        ("as a Modigliani painting", "Modigliani painting"),
        ("what would she look like much older?", "old"),
    ):
        assert find_recipe(words)[0] == name
    with pytest.raises(PromptError, match="clown.*InstructPix2Pix"):
        find_recipe("put him on a surfboard")


@pytest.mark.parametrize("name", instructions())
def test_paint_acts_on_the_face_and_grows_with_b(capture, name):
    t = capture.neutral
    image, points = capture.image(t), capture.landmarks[t, KEPT_66, :2]
    edit = lambda b: PaintEditor().edit(image, name, b, image, seeded(), points)
    change = [float((edit(b) - image).abs().mean()) for b in (0.05, 0.25, 0.5, 0.9)]
    assert change[0] < change[1] < change[2] and change[2] > 8e-4 and change[3] > 0.6 * change[2]
    out = edit(0.5)
    assert (
        out.shape == image.shape and out.min() >= 0 and out.max() <= 1 and torch.isfinite(out).all()
    )
    assert float((out[:6, :6] - image[:6, :6]).abs().max()) < 0.02, "the background stays white"


def test_paint_finds_the_face_itself(capture):
    image = torch.nn.functional.interpolate(
        capture.image(capture.neutral).permute(2, 0, 1)[None], scale_factor=2.0
    )[0].permute(1, 2, 0)
    out = PaintEditor().edit(image, "clown", 0.5, image, seeded())
    assert float((out - image).abs().max()) > 0.2
    with pytest.raises(ValueError, match="no face"):
        PaintEditor().edit(torch.ones(64, 64, 3), "clown", 0.5, torch.ones(64, 64, 3), seeded())


def test_views_stand_where_v3d_would(mesh):
    head, capture, _ = mesh
    views = mesh_prior_views(capture, head)
    assert (
        views.azimuths == FRONTAL
        and sorted(FRONTAL) == [-60, -40, -20, 20, 40, 60]
        and views.source == "mesh-prior"
    )
    assert (
        torch.isfinite(views.images).all() and views.images.min() >= 0 and views.images.max() <= 1
    )
    assert (
        (views.alphas.mean((1, 2, 3)) > 0.1).all()
        and views.trust.min() >= 0
        and views.trust.max() <= 1
    )
    front = mesh_prior_views(capture, head, (0.0,))
    inner = (front.trust[0] > 0.9).expand(-1, -1, 3)
    assert (front.images[0] - capture.image(capture.neutral)).abs()[inner].mean() < 0.03, (
        "seen from the front it is the frame"
    )


@pytest.fixture(scope="session")
def tiny_pipeline(tmp_path_factory):
    """A randomly initialised InstructPix2Pix of the real classes, saved to disk."""
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionInstructPix2PixPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    words = [
        "<|startoftext|>",
        "<|endoftext|>",
        *[c for c in "abcdefghijklmnopqrstuvwxyz"],
        *[c + "</w>" for c in "abcdefghijklmnopqrstuvwxyz"],
    ]
    (folder / "vocab.json").write_text(
        "{" + ",".join(f'"{w}":{i}' for i, w in enumerate(words)) + "}"
    )
    (folder / "merges.txt").write_text("#version: 0.2\n")
    torch.manual_seed(0)
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    pipe = StableDiffusionInstructPix2PixPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=4,
        ),
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer(
            str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16
        ),
        unet=UNet2DConditionModel(
            sample_size=8,
            in_channels=8,
            out_channels=4,
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
            attention_head_dim=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        ),
        scheduler=DDIMScheduler(
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
        ),
        safety_checker=None,
        feature_extractor=None,
        image_encoder=None,
        requires_safety_checker=False,
    )
    out = tmp_path_factory.mktemp("ip2p") / "tiny"
    pipe.save_pretrained(out, safe_serialization=True)
    return out


@pytest.mark.filterwarnings("ignore")
def test_instruct_pix2pix_loads_a_folder_and_acts_by_strength(tiny_pipeline):
    editor = InstructPix2PixEditor(str(tiny_pipeline), steps=4, device="cpu")
    image = torch.rand(64, 64, 3, generator=seeded(1))
    a = editor.edit(image, "red hair", 0.7, image, seeded(2))
    assert a.shape == image.shape and torch.isfinite(a).all() and a.min() >= 0 and a.max() <= 1
    assert torch.equal(a, editor.edit(image, "red hair", 0.7, image, seeded(2))), (
        "one seed, one result"
    )
    reconstruction = editor.edit(image, "red hair", 0.001, image, seeded(2))
    change = [
        float((editor.edit(image, "red hair", b, image, seeded(2)) - reconstruction).abs().mean())
        for b in (0.1, 0.9)
    ]
    assert change[0] < change[1]
    with pytest.raises(PromptError):
        editor.check("  ")


@pytest.mark.filterwarnings("ignore")
def test_first_ddim_step_is_upstreams(tiny_pipeline):
    editor = InstructPix2PixEditor(str(tiny_pipeline), device="cpu")
    for T, first in ((980, 932), (700, 666), (200, 191), (20, 20)):
        steps = editor.timesteps(T / 1000)
        assert int(steps[0]) == first and len(steps) == 20 and int(steps[-1]) == 1


@pytest.mark.filterwarnings("ignore")
def test_guidance_follows_the_formula(tiny_pipeline):
    """With s_T = s_I = 1 the mix is e(I, T) alone, so the text matters and the unconditional branches cancel."""
    image = torch.rand(64, 64, 3, generator=seeded(1))
    plain = InstructPix2PixEditor(str(tiny_pipeline), s_T=1.0, s_I=1.0, steps=3, device="cpu")
    ignoring = InstructPix2PixEditor(str(tiny_pipeline), s_T=0.0, s_I=1.0, steps=3, device="cpu")
    edit = lambda e, p: e.edit(image, p, 0.8, image, seeded(3))
    assert torch.allclose(edit(ignoring, "red"), edit(ignoring, "blue hat"), atol=1e-6), (
        "without s_T the words do nothing"
    )
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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", ["absent", "cut", "empty"])
@pytest.mark.parametrize("file", HALF_DOWNLOADS)
def test_half_downloaded_folders_are_named(tiny_pipeline, tmp_path, file, fault):
    folder = tmp_path / "ip2p"
    shutil.copytree(tiny_pipeline, folder)
    whole = (folder / file).read_bytes()
    (folder / file).unlink()
    if fault != "absent":
        (folder / file).write_bytes(whole[: len(whole) // 2] if fault == "cut" else b"")
    with pytest.raises(
        FileNotFoundError, match=f"'{folder}' could not be loaded: the folder is incomplete"
    ):
        InstructPix2PixEditor(str(folder), device="cpu")


@pytest.mark.filterwarnings("ignore")
def test_the_published_architecture_at_small_width_edits_by_the_same_code(tiny_pipeline, tmp_path):
    """Four levels, cross-attention in three, two layers a block and a VAE that halves thrice, as Stable Diffusion 1.5; widths a tenth."""
    import json

    from diffusers import AutoencoderKL, UNet2DConditionModel

    folder = tmp_path / "full"
    shutil.copytree(tiny_pipeline, folder)
    width = json.loads((folder / "text_encoder" / "config.json").read_text())["hidden_size"]
    torch.manual_seed(0)
    published = {
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    }
    UNet2DConditionModel(
        sample_size=16,
        in_channels=8,
        out_channels=4,
        block_out_channels=(32, 64, 128, 128),
        layers_per_block=2,
        norm_num_groups=8,
        cross_attention_dim=width,
        attention_head_dim=8,
        **published,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    ).save_pretrained(folder / "vae")
    editor = InstructPix2PixEditor(str(folder), steps=3, device="cpu")
    assert editor.working_size(256, 256) == (128, 128)
    image = torch.rand(96, 96, 3, generator=seeded(1))
    edited = editor.edit(image, "red hair", 0.7, image, seeded(2))
    assert edited.shape == image.shape and torch.isfinite(edited).all()
    from stkit.diffusion.together import edit_together

    assert (
        edit_together(editor, [image, image.flip(1)], "red hair", [image, image], seeded())[1].shape
        == image.shape
    )


def test_gaussctrl_attends_to_references_and_puts_the_attention_back(tiny_pipeline):
    """With one view the references are the view itself: nothing changes. With two, each moves towards the other."""
    from stkit.diffusion.together import AlignedAttention, aligned, edit_together, reference_views

    editor = InstructPix2PixEditor(str(tiny_pipeline), steps=3, device="cpu")
    images = [torch.rand(32, 32, 3, generator=seeded(k)) for k in range(3)]
    one = [
        edit_together(editor, images[:1], "x", images[:1], seeded(), align=a)[0]
        for a in (True, False)
    ]
    assert torch.allclose(*one, atol=1e-4)
    before = dict(editor.pipe.unet.attn_processors)
    made = edit_together(editor, images, "x", images, seeded())
    assert (
        editor.pipe.unet.attn_processors == before
        and len(made) == 3
        and made[0].shape == (32, 32, 3)
    )
    with aligned(editor.pipe.unet, 3, [0]):
        kinds = {type(p) for n, p in editor.pipe.unet.attn_processors.items() if "attn1" in n}
    assert kinds == {AlignedAttention}
    assert (
        reference_views(8, seeded()) == sorted(reference_views(8, seeded()))
        and len(set(reference_views(8, seeded()))) == 4
    )


def test_inversion_leads_back(tiny_pipeline):
    """DDIM up and down with the same answer gives the latent back: checked on the moves, with a fixed answer."""
    editor = InstructPix2PixEditor(str(tiny_pipeline), device="cpu")
    x = torch.randn(1, 4, 4, 4, generator=seeded())
    clean, noise = editor.split(x, editor.schedule.alphas_cumprod[500], torch.zeros_like(x) + 0.3)
    assert torch.allclose(
        editor.move(clean, noise, editor.schedule.alphas_cumprod[500]), x, atol=1e-5
    )


@pytest.fixture(scope="module")
def depth_pipeline(tiny_pipeline, tmp_path_factory):
    """Stable Diffusion with a depth ControlNet, small and random: one folder with both, and one of each."""
    from diffusers import (
        ControlNetModel,
        StableDiffusionControlNetPipeline,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )

    editor = InstructPix2PixEditor(str(tiny_pipeline), device="cpu")
    torch.manual_seed(1)
    unet = UNet2DConditionModel(**{**editor.pipe.unet.config, "in_channels": 4})
    control = ControlNetModel.from_unet(
        unet, conditioning_channels=3, conditioning_embedding_out_channels=(4, 4, 4, 4)
    )
    for p in [
        *control.controlnet_down_blocks.parameters(),
        *control.controlnet_cond_embedding.conv_out.parameters(),
    ]:
        torch.nn.init.normal_(
            p, std=0.5
        )  # the published class starts at zero: the depth would do nothing
    parts = {k: getattr(editor.pipe, k) for k in ("vae", "text_encoder", "tokenizer", "scheduler")}
    extra = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    out = tmp_path_factory.mktemp("depth")
    StableDiffusionControlNetPipeline(
        unet=unet, controlnet=control, **parts, **extra
    ).save_pretrained(out / "both")
    StableDiffusionPipeline(unet=unet, **parts, **extra).save_pretrained(out / "sd")
    control.save_pretrained(out / "control")
    return out


@pytest.mark.filterwarnings("ignore")
def test_gaussctrl_with_a_depth_controlnet(depth_pipeline, gaussians, mesh):
    from stkit.diffusion.depth import DepthEditor, disparity
    from stkit.diffusion.editors import get_editor
    from stkit.diffusion.together import edit_together

    one, two = (
        get_editor(str(depth_pipeline / "both")),
        get_editor(f"{depth_pipeline / 'sd'}+{depth_pipeline / 'control'}"),
    )
    assert isinstance(one, DepthEditor) and isinstance(two, DepthEditor)
    one.steps = two.steps = 3
    images = [torch.rand(64, 64, 3, generator=seeded(k)) for k in range(3)]
    depths = [
        disparity(torch.full((64, 64, 1), 2.0 + k), torch.ones(64, 64, 1))
        * (torch.rand(64, 64, 1, generator=seeded(9)) > 0.5)
        for k in range(3)
    ]
    make = lambda editor, d, prompt="red": edit_together(editor, images, prompt, d, seeded(4))
    before = dict(one.pipe.controlnet.attn_processors)
    made = make(one, depths)
    assert one.pipe.controlnet.attn_processors == before and all(
        x.shape == (64, 64, 3) and torch.isfinite(x).all() for x in made
    )
    assert all(torch.equal(a, b) for a, b in zip(made, make(two, depths))), "one folder or two"
    assert not torch.equal(made[0], make(one, [1 - d for d in depths])[0]), "depth counts"
    assert not torch.equal(made[0], make(one, depths, "blue hat")[0]), "words count"
    near = disparity(torch.tensor([[[2.0], [4.0], [1.0]]]), torch.tensor([[[1.0], [1.0], [0.0]]]))
    assert torch.allclose(near[0, :, 0], torch.tensor([1.0, 0.5, 0.0]), atol=1e-4)

    capture = mesh[1]
    settings = EditSettings("a clown", method="gaussctrl", steps=4, frames=3)
    head = gaussians
    done = edit_head(head, capture, None, one, settings, capture.split()[0])
    assert len(done.log) == 3
    assert not torch.equal(done.shots[0].target, done.shots[0].original)
    with pytest.raises(ValueError, match="take the method 'gaussctrl'"):
        edit_head(
            head, capture, None, one, EditSettings("a clown", steps=4, frames=3), capture.split()[0]
        )
    with pytest.raises(PromptError, match="no single picture"):
        one.edit(images[0], "a clown", 0.5, images[0], seeded())
    with pytest.raises(FileNotFoundError, match="no folder"):
        get_editor(f"{depth_pipeline / 'sd'}+{depth_pipeline / 'nothing'}")
