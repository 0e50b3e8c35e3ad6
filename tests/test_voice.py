"""Style-E: sound, mel, phones, the teacher's lips, the network, its training and its scores."""

import math
import random
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit.capture.preprocess import PreprocessSettings
from stkit.cli import main
from stkit.driving.tracked import read_tracked
from stkit.errors import MissingFileError, RequestError
from stkit.io.video import read_video, write_video
from stkit.runs.dialogue import Turn, converse, read_script
from stkit.runs.plan import Plan
from stkit.runs.source import Source
from stkit.runs.stages import track
from stkit.runs.talk import Talk, talk
from stkit.voice import augment, baselines, lip_scores, phrasing
from stkit.voice.acting import Direction, Speech, act
from stkit.voice.annotation import annotate, units_of, units_of_openface
from stkit.voice.batches import Batches
from stkit.voice.corpus import Corpus, collect, speech_of, write
from stkit.voice.emotion_judge import EmotionJudge
from stkit.voice.emotions import NAMES, emotional_face
from stkit.voice.examples import TAUGHT, example_speech
from stkit.voice.lips import close, lip_gaps
from stkit.voice.mel import MELS_A_FRAME, frame_count, mel_spectrogram, normalised
from stkit.voice.networks import NEW, PAST, WINDOW, MotionDenoiser, SpeechEncoder
from stkit.voice.phones import CONSONANTS, IPA, VOWELS, Phone, known, phones_of_ipa
from stkit.voice.pipeline import StyleEPipeline, new_schedule
from stkit.voice.recordings import announcements, with_throat
from stkit.voice.sentences import Sentences
from stkit.voice.sound import LONGEST, RATE, SoundError, read_sound
from stkit.voice.speaking import WEIGHTS, load_style_e, with_blinks
from stkit.voice.states import BETAS, CHANNELS, motion_of, mouth_channels, state_of
from stkit.voice.training import Settings, Training
from stkit.voice.visemes import CLOSURE, VISEMES, mouth_of_phones
from stkit.voice.words import varied, widen

GOLDEN = Path(__file__).parent / "mel_golden.npz"  # librosa 0.11.0's mel of a chirp with noise


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE, layout: str = "mono") -> Path:
    """A wav of float samples (channels, N)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=rate, layout=layout)
        packed = np.ascontiguousarray(samples.T.reshape(1, -1), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate = rate
        for piece in (frame, None):
            container.mux(stream.encode(piece))
    return path


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    times = np.arange(int(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 220 * times))[None]


def babble(seed: int, count: int = 14) -> list[Phone]:
    """Random phones of 80 ms."""
    rng = random.Random(seed)
    names = [rng.choice(sorted(VISEMES)) for _ in range(count)]
    return [Phone(n, 0.08 * k, 0.08 * (k + 1), n in VOWELS) for k, n in enumerate(names)]


def small_corpus(utterances: int = 4) -> Corpus:
    """Noise with the mouth of babble."""
    mels, mouths, stresses, closures, ends = [], [], [], [], []
    draw = torch.Generator().manual_seed(0)
    for k in range(utterances):
        frames = 50 + 5 * k
        steps = round(frames * MELS_A_FRAME) + 1
        speech, closing = speech_of(babble(k, 25), frames)
        mels.append(torch.randn(steps, 80, generator=draw).half())
        mouths.append(speech.mouth.half())
        stresses.append(speech.stress.half())
        closures.append(closing.half())
        ends.append([sum(map(len, mels)), sum(map(len, mouths))])
    parts = [torch.cat(x) for x in (mels, mouths, stresses, closures)]
    return Corpus(*parts, torch.tensor(ends))


# ---- sound
def test_mel_is_librosas():
    golden = np.load(GOLDEN)
    mel = mel_spectrogram(torch.from_numpy(golden["sound"]))
    np.testing.assert_allclose(mel.T.numpy(), golden["mel"], atol=1e-4)


def test_any_rate_and_layout_becomes_one_channel_of_16_khz(tmp_path):
    sound = read_sound(
        write_wav(tmp_path / "a.wav", np.repeat(tone(1, 96_000), 2, 0), 96_000, "stereo")
    )
    assert abs(len(sound) - RATE) < 100
    plain = torch.from_numpy(tone(1)[0]).float()
    assert torch.corrcoef(torch.stack([sound[: RATE - 100], plain[: RATE - 100]]))[0, 1] > 0.99


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        (np.zeros((1, 1)), "0.000 seconds"),
        (np.full((1, RATE), np.nan), "not finite"),
        (np.full((1, RATE), 1e6), "far beyond"),
    ],
)
def test_hostile_sound_is_refused_by_name(tmp_path, samples, what):
    file = write_wav(tmp_path / "bad.wav", samples)
    with pytest.raises(SoundError, match=what) as error:
        read_sound(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"hello, I am text", bytes(1000)])
def test_what_is_no_sound_is_refused_by_name(tmp_path, content):
    file = tmp_path / "renamed.wav"
    file.write_bytes(content)
    with pytest.raises(SoundError, match="renamed.wav"):
        read_sound(file)


def test_a_film_without_sound_and_a_missing_file(tmp_path):
    write_video(tmp_path / "mute.mp4", np.zeros((10, 32, 32, 3), np.uint8))
    with pytest.raises(SoundError, match="no sound track"):
        read_sound(tmp_path / "mute.mp4")
    with pytest.raises(MissingFileError, match="no such file"):
        read_sound(tmp_path / "nobody.wav")


def test_eight_hours_are_refused_before_they_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("stkit.voice.sound.LONGEST", 2.0)
    file = write_wav(tmp_path / "long.wav", tone(5))
    with pytest.raises(SoundError, match="longer than 2 seconds"):
        read_sound(file)
    assert LONGEST == 900


def test_silence_is_a_sound(tmp_path):
    sound = read_sound(write_wav(tmp_path / "silence.wav", np.zeros((1, RATE))))
    assert torch.isfinite(normalised(mel_spectrogram(sound))).all()


def test_a_film_keeps_its_sound(tmp_path):
    sound = tone(2)[0].astype(np.float32)
    write_video(tmp_path / "film.mp4", np.zeros((50, 32, 32, 3), np.uint8), 25, sound)
    back = read_sound(tmp_path / "film.mp4").numpy()
    count = min(len(back), len(sound))
    assert np.corrcoef(back[:count], sound[:count])[0, 1] > 0.98


# ---- phones and lips
def test_ipa_becomes_known_phones():
    assert phones_of_ipa("ˈaɪ") == ("ay",)
    assert phones_of_ipa("t̪") == ("t",)
    assert phones_of_ipa("") == ()
    assert {p for names in IPA.values() for p in names} <= VOWELS | CONSONANTS
    with pytest.raises(ValueError, match="no phone"):
        phones_of_ipa("ʘ")
    assert known("AA1") == "aa"
    assert known("pau") == "sil"
    with pytest.raises(ValueError, match="no phone"):
        known("qq")


def test_every_phone_but_diphthongs_has_a_viseme():
    assert (VOWELS | CONSONANTS | {"sil"}) - set(VISEMES) == {"ay", "aw", "ey", "oy"}


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_mouths_stay_within_reach_and_close_for_p_b_m(seed):
    phones = babble(seed)
    mouth = mouth_of_phones(phones, 28)
    assert mouth.shape == (28, CLOSURE + 1)
    assert mouth.min() >= 0
    assert mouth.max() <= 1
    for phone in phones:
        if phone.name in "pbm":
            assert mouth[int(phone.middle * 25), CLOSURE] == 1


@given(st.integers(0, 10_000), st.sampled_from(NAMES), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_lips_meet_at_every_closure_under_any_emotion(seed, name, level):
    speech, closures = speech_of(babble(seed), 28)
    motion = act(speech, Direction.of(name, level, seed))
    assert motion.shape == (28, BETAS + 6)
    assert motion[:, :52].min() >= 0
    assert motion[:, :52].max() <= 1
    assert lip_gaps(motion[closures > 0, :BETAS]).amax() <= 1e-4 if closures.any() else True


def test_half_a_closure_halves_the_widest_gap():
    beta = torch.zeros(1, BETAS)
    beta[0, state_column("jawOpen")] = 0.4
    open_, half = lip_gaps(beta).max(), lip_gaps(close(beta, torch.tensor([0.5]))).max()
    assert math.isclose(float(half), float(open_) / 2, rel_tol=0.02)


def state_column(name: str) -> int:
    from stkit import face_models

    return face_models.builtin().expression_names.index(name)


def test_the_same_seed_acts_alike_and_another_does_not():
    speech, _ = speech_of(babble(1), 28)
    first, second, other = (act(speech, Direction.of("happy", 2, s)) for s in (5, 5, 6))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_contempt_is_one_sided_and_neutral_is_nothing():
    contempt = emotional_face("contempt", 3)
    assert contempt[state_column("mouthSmileLeft")] > 0 == contempt[state_column("mouthSmileRight")]
    assert emotional_face("neutral", 3).abs().sum() == 0


# ---- words
def test_sentences_repeat_by_seed_and_leave_no_gap():
    sentences = Sentences(3).draw(200)
    assert sentences == Sentences(3).draw(200)
    assert not [s for s in sentences if "{" in s]
    assert not set(sentences) & set(Sentences(3, held_out=True).draw(200))


def test_held_out_words_and_templates_are_never_taught():
    taught = " | ".join(phrasing.taught_sentences())
    for name, levels in phrasing.WORDS.items():
        for level, synonyms in enumerate(levels, 1):
            held = phrasing.sentence(phrasing.Feeling(name, level), random.Random(0), held_out=True)
            assert synonyms[-1] in held
            assert held not in taught


def test_the_best_sentences_name_most_units():
    rng = random.Random(0)
    happy = phrasing.Feeling("happy", 3)
    best = phrasing.best_sentences(happy, happy.units, rng)
    assert len(best) == 5
    assert all("smile" in text and "cheek raise" in text for text in best)


def test_annotation_reads_the_units_that_were_acted():
    speech = Speech(torch.zeros(60, CLOSURE + 1), torch.zeros(60))
    for name in NAMES:
        wanted = phrasing.Feeling(name, 3).units
        beta = act(speech, Direction.of(name, 3, 4))[:, :BETAS]
        found = units_of(beta)
        if name == "contempt":  # one side of the face: half of each unit
            continue
        shown = {unit for unit, x in wanted.items() if x > 0.3}
        assert shown <= set(found), name
    found = units_of(beta)
    sentences = annotate(found, phrasing.Feeling("contempt", 2))
    assert len(sentences) == 5
    longest = annotate(
        found, phrasing.Feeling("contempt", 2), rank=lambda texts: list(map(len, texts))
    )
    assert list(map(len, longest)) == sorted(map(len, longest), reverse=True)


def test_openface_says_which_units_show(tmp_path):
    file = tmp_path / "clip.csv"
    file.write_text("frame, AU12_r, AU06_r, AU04_r\n1, 5.0, 2.0, 0.0\n2, 3.0, 2.0, 0.1\n")
    assert units_of_openface(file) == {6: pytest.approx(0.4), 12: pytest.approx(0.8)}
    for content in ("frame\n1\n", "", " AU12_r\nmuch\n"):
        file.write_text(content)
        with pytest.raises(ValueError, match="clip.csv"):
            units_of_openface(file)


# ---- the network
def small_pipeline(diffusion: bool = True, folder: Path | None = None) -> StyleEPipeline:
    from stkit.diffusion.byte_pairs import save_tokenizer
    from stkit.diffusion.tiny.models import new_text_encoder

    tokenizer = save_tokenizer(folder or Path("unused"), ["she is happy", "he is sad"], 48)
    torch.manual_seed(0)
    text = new_text_encoder(len(tokenizer), 48, tokenizer.bos_token_id, tokenizer.eos_token_id)
    mean, deviation = [0.1] * CHANNELS, [0.2] * CHANNELS
    pipe = StyleEPipeline(
        SpeechEncoder(32),
        MotionDenoiser(width=32, depth=2),
        text,
        tokenizer,
        new_schedule(),
        mean,
        deviation,
        diffusion,
    )
    return pipe


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    return small_pipeline(folder=tmp_path_factory.mktemp("tokenizer"))


@pytest.mark.parametrize("seconds", [0.2, 1.28, 3.0])
def test_any_length_gives_25_frames_a_second(pipe, seconds):
    sound = torch.from_numpy(tone(seconds)[0]).float()
    states = pipe(sound, "she is happy", steps=2)
    assert states.shape == (max(1, round(25 * seconds)), CHANNELS)
    assert torch.isfinite(states).all()


def test_the_same_seed_gives_the_same_motion(pipe):
    sound = torch.from_numpy(tone(2)[0]).float()
    assert torch.equal(pipe(sound, seed=1, steps=2), pipe(sound, seed=1, steps=2))
    assert not torch.equal(pipe(sound, seed=1, steps=2), pipe(sound, seed=2, steps=2))


def test_guidance_of_one_is_the_plain_answer(pipe):
    sound = torch.from_numpy(tone(1)[0]).float()

    def guided(speech, text):
        return pipe(sound, "she is happy", steps=3, speech_guidance=speech, text_guidance=text)

    plain = guided(1.0, 1.0)
    assert torch.allclose(plain, guided(1.0, 1 + 1e-6), atol=1e-3)
    assert not torch.allclose(plain, guided(1.0, 3.0))
    assert not torch.allclose(plain, guided(3.0, 1.0))


def test_a_given_pose_is_kept(pipe):
    sound = torch.from_numpy(tone(2)[0]).float()
    pose = 0.1 * torch.randn(30, 6, generator=torch.Generator().manual_seed(0))
    found = pipe(sound, steps=3, pose=pose)[:, BETAS : BETAS + 6]
    assert torch.allclose(found[:30], pose, atol=1e-4)
    assert torch.allclose(found[30:], pose[-1].expand(20, -1), atol=1e-4)


def test_a_saved_pipeline_answers_as_before(pipe, tmp_path):
    pipe.save_pretrained(tmp_path, safe_serialization=True)
    back = load_style_e(tmp_path)
    sound = torch.from_numpy(tone(1)[0]).float()
    assert torch.allclose(pipe(sound, "sad", steps=2), back(sound, "sad", steps=2), atol=1e-5)
    assert not list(tmp_path.rglob("*.bin"))


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=str(tmp_path)):
        load_style_e(tmp_path)


def test_batches_align_sound_and_motion():
    """A corpus whose mel says which frame it is: positions must read off that frame."""
    corpus = small_corpus(2)
    for k in range(2):
        steps, _ = corpus.bounds(k)
        count = steps.stop - steps.start
        corpus.mel[steps] = (torch.arange(count) / MELS_A_FRAME)[:, None].half()
    batches = Batches(corpus, 0, changed=False)
    batch = batches.take(8)
    assert batch.states.shape == (8, WINDOW, CHANNELS)
    at = batch.positions.round().long()
    heard = batch.mel.gather(1, at[..., None].expand(-1, -1, 80))[..., 0]
    steps = heard[:, PAST + 1 :].diff(dim=1)
    inside = heard[:, PAST + 1 : -1].abs() > 0
    assert (steps[inside[:, : steps.shape[1]]] > 0).float().mean() > 0.95
    assert at.min() >= 0
    assert at.max() < batch.mel.shape[1]


def test_changed_spectrograms_stay_in_range_and_differ():
    mel = torch.randn(6, 60, 80).clamp(-4, 4)
    out = augment.changed(mel, torch.Generator().manual_seed(0))
    assert out.shape == mel.shape
    assert out.abs().max() <= 4
    assert (out - mel).abs().mean() > 0.01


@pytest.mark.parametrize("diffusion", [True, False])
def test_training_learns_stops_and_goes_on(tmp_path, diffusion):
    write(small_corpus(), tmp_path / "training.safetensors")
    small = {"steps": 6, "batch": 4, "width": 32, "word_steps": 2}
    settings = Settings(tmp_path / "style-e", tmp_path, diffusion=diffusion, **small)
    first = Training(settings)
    first.run(deadline=0.0)  # time is up after one step
    assert first.state.step == 1
    second = Training(settings)
    assert second.state.step == 1
    folder = second.run(deadline=math.inf)
    assert second.state.step == 6
    assert load_style_e(folder).config.diffusion == diffusion
    states = load_style_e(folder)(torch.from_numpy(tone(1)[0]).float(), "happy", steps=2)
    assert torch.isfinite(motion_of(states)[0]).all()


def test_words_that_mean_nothing_are_looked_past(pipe):
    rng = random.Random(0)
    happy = phrasing.Feeling("happy", 3)
    assert len({varied(happy, rng) for _ in range(50)}) > 40
    wider = widen(pipe.text, pipe.tokenizer, seed=0, steps=3)
    before, after = (dict(t.named_parameters()) for t in (pipe.text, wider))
    assert any(not torch.equal(before[name], after[name]) for name in before)


# ---- scores
def test_scores_of_the_truth_are_perfect():
    speech, closures = speech_of(babble(3, 30), 60)
    beta = motion_of(state_of(speech, Direction.of("neutral", 1, 0)))[0]
    gap = lip_scores.opening(beta)
    found, wanted = lip_scores.closures_found(gap, closures)
    assert found == wanted > 0
    assert lip_scores.closures_false(gap, gap)[0] == 0
    assert lip_scores.lag(gap, gap) == 0
    moving = mouth_channels(beta)
    moving = moving[:, moving.std(0) > 1e-3]
    assert torch.allclose(lip_scores.correlation(moving, moving), torch.ones(moving.shape[1]))


@pytest.mark.parametrize("shift", [-3, 2])
def test_a_shifted_mouth_has_that_lag(shift):
    gap = torch.rand(80, generator=torch.Generator().manual_seed(0))
    assert lip_scores.lag(gap.roll(shift), gap) == shift


def test_errors_of_lips_and_of_the_upper_face():
    speech, _ = speech_of(babble(3, 30), 60)
    beta = motion_of(state_of(speech, Direction.of("neutral", 1, 0)))[0]
    assert lip_scores.lip_vertex_error(beta, beta) == 0
    wider = beta.clone()
    wider[:, state_column("jawOpen")] += 0.1
    assert 1 < lip_scores.lip_vertex_error(wider, beta) < 30  # a tenth of a jaw moves 3.4 mm
    assert lip_scores.upper_face_deviation(beta, beta) == 0
    assert lip_scores.upper_face_deviation(torch.zeros_like(beta), beta) > 0
    gap = torch.rand(80, generator=torch.Generator().manual_seed(0))
    others = [torch.rand(80, generator=torch.Generator().manual_seed(k)) for k in range(1, 21)]
    assert lip_scores.sync_margin(gap, gap, others) > 0.8


def test_blinks_are_counted_and_drawn():
    states = torch.zeros(250, CHANNELS)
    assert lip_scores.blinks(states[:, :BETAS]) == 0
    blinking = with_blinks(states, seed=1)
    assert lip_scores.blinks(blinking[:, :BETAS]) >= 2  # in ten seconds
    assert torch.equal(blinking, with_blinks(states, seed=1))
    assert blinking[:, state_column("jawOpen")].abs().max() == 0


def test_a_mouth_that_never_closes_finds_nothing_and_one_that_always_does_is_false():
    closures = torch.zeros(40)
    closures[::10] = 1
    truth = torch.full((40,), 0.1)
    truth[::10] = 0
    assert lip_scores.closures_found(torch.full((40,), 0.1), closures) == (0, 4)
    late = truth.roll(5)
    assert lip_scores.closures_false(late, truth) == (4, 4)


def test_the_judge_names_what_the_teacher_acts():
    speeches = [speech_of(babble(k, 25), 50)[0] for k in range(4)]
    judge = EmotionJudge(speeches[:3], takes=1)
    right = [
        judge(act(speeches[3], Direction.of(name, level, 77))[:, :BETAS]) == name
        for name in NAMES
        for level in (2, 3)
    ]
    assert sum(right) >= 15


def test_ridge_learns_what_is_linear():
    corpus = small_corpus(3)
    heard, channels = baselines.examples(corpus, 100, 0)
    ridge = baselines.Ridge(heard, channels)
    mel = corpus.utterance(0)[0]
    assert ridge(mel).shape == (frame_count(mel), 8)
    for way in (
        baselines.Nearest(heard, channels),
        baselines.loud_jaw,
        baselines.mean_mouth(channels),
    ):
        assert way(mel).shape == (frame_count(mel), 8)


def test_unknown_speakers_are_refused():
    from stkit.voice.speakers import say

    with pytest.raises(RequestError, match="a speaker is called"):
        say("hello", "nobody")


def test_a_shorter_throat_speaks_faster_and_its_phones_go_along():
    said = example_speech()[0]
    higher = with_throat(said, 1.25)
    assert abs(len(higher.sound) * 1.25 / len(said.sound) - 1) < 0.01
    assert higher.phones[3].end == pytest.approx(said.phones[3].end / 1.25)
    assert [p.name for p in higher.phones] == [p.name for p in said.phones]


def test_recordings_that_are_not_installed_are_named(tmp_path):
    with pytest.raises(RequestError, match="apt install asterisk"):
        announcements(tmp_path)


def test_network_windows_are_past_and_new():
    assert PAST + NEW == WINDOW
    x = torch.zeros(2, WINDOW, CHANNELS)
    net, words = MotionDenoiser(width=32, depth=1), torch.zeros(2, 128)
    known = torch.zeros(2, WINDOW, dtype=torch.bool)
    assert net(x, known, torch.zeros(2), torch.zeros(2, WINDOW, 32), words).shape == x.shape


def test_neutral_speech_needs_no_emotion():
    speech = Speech(torch.zeros(30, CLOSURE + 1), torch.zeros(30))
    beta = act(speech, Direction.of("neutral", 1, 3))[:, :BETAS]
    names = [state_column(n) for n in ("mouthSmileLeft", "browDownLeft", "jawOpen")]
    assert beta[:, names].abs().max() == 0


# ---- what ships
def test_the_shipped_model_beats_ridge_on_what_it_never_heard():
    asked = collect(iter(example_speech()[TAUGHT:]), 17.0)
    taught = collect(iter(example_speech()[:TAUGHT]), 36.0)
    ridge = baselines.Ridge(*baselines.examples(taught, 1000, 2))
    pipe = load_style_e()
    scores = []
    for way in (ridge, lambda mel: mouth_channels(motion_of(pipe.states(mel))[0])):
        found = torch.cat([way(asked.utterance(k)[0]) for k in range(len(asked))])
        truth = torch.cat([baselines.calm_truth(asked, k) for k in range(len(asked))])
        scores.append(float(lip_scores.correlation(found, truth).mean()))
    assert scores[1] > max(scores[0] + 0.05, 0.7)


def test_the_shipped_model_shows_the_mood_of_the_words():
    utterance = example_speech()[TAUGHT]
    pipe, mel = load_style_e(), mel_spectrogram(utterance.sound)
    beta = {word: motion_of(pipe.states(mel, word))[0].mean(0) for word in ("happy", "furious", "")}
    smile, brow = state_column("mouthSmileLeft"), state_column("browDownLeft")
    assert beta["happy"][smile] > beta[""][smile] + 0.2
    assert beta["furious"][brow] > beta[""][brow] + 0.3


def test_the_shipped_folder_is_small_and_says_what_it_is():
    size = sum(f.stat().st_size for f in WEIGHTS.rglob("*") if f.is_file())
    assert size < 8e6
    assert "stand-in" in (WEIGHTS / "README.md").read_text()


def test_a_voice_is_a_driver(tmp_path):
    sound = write_wav(tmp_path / "voice.wav", example_speech()[TAUGHT].sound.numpy()[None])
    source = Source.parse(str(sound))
    assert source.kind == "sound"
    capture, _ = track(source, PreprocessSettings(size=96, max_frames=20))
    assert len(capture) == 20
    assert capture.beta[:, state_column("jawOpen")].std() > 0.01
    assert Plan(source, "quick").captured().recipe.stage == "voice"


def test_talk_writes_film_avatar_and_motion(tmp_path):
    sound = example_speech()[TAUGHT].sound[:RATE]
    file = write_wav(tmp_path / "voice.wav", sound.numpy()[None])
    save = tmp_path / "out" / "talk.mp4"
    written = talk(Talk("mara", file, emotion="she is happy"), save)
    assert [p.suffix for p in written] == [".mp4", ".html", ".csv", ".json"]
    frames, _ = read_video(save, 100)
    assert len(frames) == 25
    assert abs(len(read_sound(save)) - RATE) < 0.1 * RATE
    assert "data:audio/mpeg" in written[1].read_text()
    assert len(read_tracked(written[2]).beta) == len(read_tracked(written[3]).beta) == 25
    corner = frames[0][-12:, 2:50].astype(int)
    assert corner.min() < 80, "the dark ground of the word 'synthetic' is missing"
    assert corner.max() > 180, "the word itself is missing"


# ---- conversations
def test_a_script_has_heads_moods_and_words(tmp_path):
    file = tmp_path / "script.txt"
    file.write_text("# two\nmara (she is glad): Hello: you!\n\nsynthetic:sami: No.\n")
    assert read_script(file) == [
        Turn("mara", "she is glad", "Hello: you!"),
        Turn("synthetic:sami", "", "No."),
    ]
    file.write_text("mara: Hello\nwho knows\n")
    with pytest.raises(RequestError, match="line 2"):
        read_script(file)
    file.write_text("\n")
    with pytest.raises(RequestError, match="holds no line"):
        read_script(file)
    with pytest.raises(MissingFileError, match="no such file"):
        read_script(tmp_path / "none.txt")


def test_who_listens_keeps_the_lips_closed_and_blinks(pipe, tmp_path, monkeypatch):
    monkeypatch.setattr("stkit.runs.talk.load_style_e", lambda folder: pipe)
    first, second = (write_wav(tmp_path / f"{k}.wav", tone(k + 1)) for k in range(2))
    talked = converse([Turn("a", "", str(first)), Turn("b", "", str(second))])
    frames = {name: len(states) for name, states in talked.states.items()}
    assert frames == {"a": 95, "b": 95}  # one and two seconds, each with a pause of 0.4
    assert abs(len(talked.sound) / RATE - 95 / 25) < 0.01
    quiet = lip_scores.opening(motion_of(talked.states["b"][:35])[0])
    assert quiet.max() < 0.01
    assert talked.states["a"][35:, state_column("eyeBlinkLeft")].max() > 0.3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--img_path", "mara"], "--wav_path or --text"),
        (["--text", "hello"], "--img_path"),
        (["--img_path", "mara", "--text", "hello", "--save_path", "a.avi"], "end in .mp4"),
        (["--img_path", "mara", "--wav_path", "nobody.wav"], "no such file"),
        (["--dialogue", "nothing.txt"], "no such file"),
    ],
)
def test_wrong_requests_to_talk_say_what_is_wrong(capsys, options, says):
    assert main(["talk", *options]) == 2
    assert says in capsys.readouterr().err
