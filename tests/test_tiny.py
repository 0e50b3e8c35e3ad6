"""The tiny editor's training in miniature, and what the shipped weights do."""

import json
import random

import numpy as np
import pytest
import torch
from conftest import seeded

from stkit.diffusion.byte_pairs import save_tokenizer
from stkit.diffusion.editors import get_editor
from stkit.diffusion.paint import find_recipe, instructions
from stkit.diffusion.tiny import SIZE, WEIGHTS, data, train, vocabulary
from stkit.studies.tiny_editor import card, change_at, distance_at, judge, people, through


def test_every_phrase_means_its_instruction_to_the_teacher():
    assert set(vocabulary.names()) - {"nothing"} <= set(instructions())
    for name in vocabulary.names():
        phrases, held_out = vocabulary.phrases(name), vocabulary.phrases(name, held_out=True)
        assert len(phrases) >= 10 and len(set(phrases)) == len(phrases)
        assert not set(phrases) & set(held_out)
        if name != "nothing":
            assert {find_recipe(p)[0] for p in phrases + held_out} == {name}


def test_a_sentence_of_training_is_a_phrase_with_at_most_one_strange_word():
    rng = random.Random(0)
    for name in vocabulary.names():
        words, known = vocabulary.sample(name, rng).split(), vocabulary.phrases(name)
        shorter = [" ".join(words[:k] + words[k + 1 :]) for k in range(len(words))]
        assert set([" ".join(words), *shorter]) & set(known)


def test_tokenizer_keeps_its_words_whole_and_reads_any_others(tmp_path):
    from transformers import CLIPTokenizer

    save_tokenizer(tmp_path, vocabulary.every_phrase(), vocabulary.LENGTH)
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    tokens = tokenizer.tokenize("Turn him into a bronze statue")
    assert tokens == ["turn</w>", "him</w>", "into</w>", "a</w>", "bronze</w>", "statue</w>"]
    ids = tokenizer("a quixotic photograph", padding="max_length", truncation=True).input_ids
    assert len(ids) == vocabulary.LENGTH and ids[0] == tokenizer.bos_token_id
    both = [(name, held_out) for name in vocabulary.names() for held_out in (False, True)]
    phrases = [p for name, held_out in both for p in vocabulary.phrases(name, held_out)]
    longest = max(len(tokenizer(p).input_ids) for p in phrases)
    assert longest < vocabulary.LENGTH, "no phrase is cut"


def test_tokenizer_numbers_its_words_alike_each_time(tmp_path):
    """A training that goes on makes it again: other numbers would undo what was learned."""
    files = []
    for k in range(3):
        save_tokenizer(tmp_path / str(k), vocabulary.every_phrase(), vocabulary.LENGTH)
        files.append((tmp_path / str(k) / "vocab.json").read_bytes())
    assert len(set(files)) == 1
    numbers = json.loads(files[0]).values()
    assert sorted(numbers) == list(range(len(numbers)))


def test_pictures_repeat_by_seed_and_edits_stay_on_the_figure():
    [a], [b], [c] = data.sittings(3), data.sittings(3), data.sittings(4)
    assert torch.equal(a.image, b.image) and not torch.equal(a.image, c.image)
    painted = data.paint(a, "clown", 3)
    change = (painted - a.image).abs().sum(-1, keepdim=True)
    assert change[a.matte > 0.9].mean() > 0.05 and change[a.matte < 0.01].max() < 0.02
    assert torch.equal(data.paint(a, "nothing", 3), a.image)
    before, after = data.disturb([a.image, painted], a.matte, 5)
    assert before.shape == (SIZE, SIZE, 3) and float(before.min()) >= 0 and float(after.max()) <= 1


@pytest.mark.filterwarnings("ignore")
def test_training_goes_on_and_its_pipeline_edits(tmp_path):
    arguments = f"--folder {tmp_path} --people 1 --autoencoder-steps 2 --batch 4".split()
    train.main([*arguments, "--editor-steps", "1"])
    first = json.loads((tmp_path / "editor" / "progress.json").read_text())
    train.main([*arguments, "--editor-steps", "3"])
    after = json.loads((tmp_path / "editor" / "progress.json").read_text())
    assert (first["step"], after["step"]) == (1, 3) and after["losses"][:1] == first["losses"]
    assert sum(f.stat().st_size for f in (tmp_path / "pipeline").rglob("*") if f.is_file()) < 24e6


@pytest.mark.filterwarnings("ignore")
def test_training_goes_on_from_a_pipeline_with_its_words_and_its_autoencoder(tmp_path):
    """Other numbers for the words would undo what the text encoder knows."""
    settings = f"--folder {tmp_path} --people 1 --batch 2 --editor-steps 1 --first 7".split()
    train.main([*settings, "--start", str(WEIGHTS)])
    for name in ("tokenizer/tokenizer.json", "vae/diffusion_pytorch_model.safetensors"):
        assert (tmp_path / "pipeline" / name).read_bytes() == (WEIGHTS / name).read_bytes()
    record = json.loads((tmp_path / "pipeline" / "training.json").read_text())
    known = json.loads((WEIGHTS / "training.json").read_text())
    assert record["before"]["steps"] == known["editor"]["steps"] and record["first"] == 7
    editor = get_editor(str(tmp_path / "pipeline"))
    images = np.load(next((tmp_path / "data").glob("*.npz")))["images"]
    image = torch.from_numpy(images[0]).float() / 255
    out = editor.edit(image, "turn him into a clown", 0.5, image, seeded())
    assert out.shape == image.shape and torch.isfinite(out).all()
    assert float(out.min()) >= 0 and float(out.max()) <= 1


# ---- the shipped weights
# instructions that it learned later; the model card says how well
LATER = ("purple hair", "grey hair", "moustache", "freckles", "glasses", "mime", "cat")
LATER += ("masked hero", "warrior")


@pytest.fixture(scope="module")
def tiny():
    return get_editor("tiny")


@pytest.fixture(scope="module")
def unseen():
    return people(1)[0]


def test_shipped_folder_is_small_and_its_card_is_its_scores():
    assert sum(f.stat().st_size for f in WEIGHTS.rglob("*") if f.is_file()) < 24e6
    scores, training = (
        json.loads((WEIGHTS / f"{n}.json").read_text()) for n in ("scores", "training")
    )
    assert (WEIGHTS / "README.md").read_text() == card(scores, training)
    by_name = scores["by_instruction"]
    first = [share for name, share in by_name.items() if name not in LATER]
    assert np.mean(first) >= 0.85 and scores["judge_on_teacher"] >= 0.95
    assert scores["outside_change"] <= 0.03 and scores["psnr_b_0.02"] >= 28


def test_the_judge_knows_the_teachers_pictures(unseen):
    assert all(judge(picture, unseen) == name for name, picture in unseen.items())


def test_tiny_follows_instructions_on_somebody_unseen(tiny, unseen):
    original = unseen["nothing"]
    for name in ("clown", "zombie", "blue hair", "golden statue"):
        edited = tiny.edit(original, vocabulary.phrases(name)[0], 0.98, original, seeded())
        assert judge(edited, unseen) == name
    weak = tiny.edit(original, "turn him into a clown", 0.02, original, seeded())
    assert -10 * torch.log10((weak - through(tiny, original)).square().mean()) > 28


def test_text_guidance_pushes(tiny, unseen):
    changes = [change_at(tiny, unseen["nothing"], s) for s in (0.0, 1.0, 2.0)]
    assert changes[0] < changes[1] < changes[2]


def test_picture_guidance_holds(tiny, unseen):
    prompt, guidances = "turn him into a clown", (0.0, 0.4, 0.8, 1.2)
    away = [distance_at(tiny, unseen["nothing"], prompt, s) for s in guidances]
    assert away[0] > away[1] > away[2] > away[3], "the more of it, the nearer to the picture"


def test_a_larger_picture_keeps_its_detail(tiny, unseen):
    """Outside the edit a 256-pixel picture comes back as it was, not blurred through 128 pixels."""
    small = unseen["nothing"].permute(2, 0, 1)[None]
    enlarged = torch.nn.functional.interpolate(small, (256, 256), mode="nearest")
    large = enlarged[0].permute(1, 2, 0)
    edited = tiny.edit(large, "do nothing", 0.1, large, seeded())
    assert edited.shape == large.shape and (edited - large).abs().mean() < 0.01
