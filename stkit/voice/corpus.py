"""Made-up speech with the truth of its mouth: `python -m stkit.voice.corpus --folder runs/voice`.

Needs espeak-ng and flite, see `speakers`; with --recorded a recorded voice as well, see
`recordings`. Some speakers and templates of sentences are never in the training part; they ask how
well the model does with voices and words that it has not met.
"""

import argparse
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stkit.io.tensors import load_tensors, save_tensors
from stkit.progress import bar
from stkit.voice.acting import Speech
from stkit.voice.mel import FRAME_RATE, frame_count, mel_spectrogram
from stkit.voice.phones import CLOSING, Phone
from stkit.voice.recordings import recorded_voice
from stkit.voice.sentences import Sentences
from stkit.voice.speakers import Utterance, say
from stkit.voice.visemes import mouth_of_phones

KIND = "made-up speech"
_VOICES = json.loads((Path(__file__).parent / "speakers.json").read_text(encoding="utf-8"))
ACCENTS: list[str] = _VOICES["accents"]  # of espeak-ng, American ones more often
VARIANTS: list[str] = _VOICES["taught"].split()
HELD_OUT_VARIANTS: list[str] = _VOICES["held_out"].split()
FLITE: list[str] = _VOICES["flite"]
HELD_OUT_FLITE: list[str] = _VOICES["flite_held_out"]
WORDS_A_MINUTE, PITCH, PITCH_RANGE = (130, 215), (15, 85), (25, 75)  # of espeak-ng
THROAT = (0.85, 1.45)  # of flite's voices, which are three men: women and children as well
FLITE_SHARE = 0.5  # of the training's made-up utterances
RECORDED_SHARE = 0.15  # of all of them, where there is a recorded voice
TEST_MINUTES = 4.0  # of each test part
PARTS = ("training", "sentences", "voices", "slt")


@dataclass(frozen=True)
class Corpus:
    """Utterances end to end. mel (M, 80); mouth (F, 12) and stress (F,) at 25 frames a second;
    closures (F,): 1 where the middle of a p, b or m is; ends (U, 2): where each utterance ends, in
    mel steps and in frames.
    """

    mel: Tensor
    mouth: Tensor
    stress: Tensor
    closures: Tensor
    ends: Tensor

    def __len__(self) -> int:
        return len(self.ends)

    def bounds(self, k: int) -> tuple[slice, slice]:
        """Where utterance k is, in mel steps and in frames."""
        first = self.ends[k - 1].tolist() if k else [0, 0]
        last = self.ends[k].tolist()
        return slice(first[0], last[0]), slice(first[1], last[1])

    def utterance(self, k: int) -> tuple[Tensor, Speech, Tensor]:
        """Mel (T, 80), speech and closures (F,) of utterance k."""
        steps, frames = self.bounds(k)
        mouth, stress = self.mouth[frames].float(), self.stress[frames].float()
        return self.mel[steps].float(), Speech(mouth, stress), self.closures[frames]

    @staticmethod
    def load(file: Path) -> "Corpus":
        """A part of the corpus from its file."""
        data, _ = load_tensors(file, KIND)
        return Corpus(**data)


def speech_of(phones: list[Phone], frames: int) -> tuple[Speech, Tensor]:
    """What the teacher does for phones, and where the middles of p, b and m are (F,)."""
    stress, closures = torch.zeros(frames), torch.zeros(frames)
    for phone in phones:
        frame = min(frames - 1, int(phone.middle * FRAME_RATE))
        stress[frame] = max(float(stress[frame]), float(phone.stressed))
        closures[frame] = max(float(closures[frame]), float(phone.name in CLOSING))
    mouth = torch.from_numpy(mouth_of_phones(phones, frames)).float()
    return Speech(mouth, stress), closures


def collect(utterances: Iterator[Utterance], seconds: float, progress=lambda x, **k: x) -> Corpus:
    """A corpus of at least so many seconds."""
    mels, mouths, stresses, closures, ends = [], [], [], [], []
    steps = frames = 0
    for _ in progress(range(10**6), desc=f"{seconds / 60:.0f} minutes of speech"):
        utterance = next(utterances)
        mel = mel_spectrogram(utterance.sound)
        speech, closing = speech_of(utterance.phones, frame_count(mel))
        mels.append(mel.half())
        mouths.append(speech.mouth.half())
        stresses.append(speech.stress.half())
        closures.append(closing.half())
        steps, frames = steps + len(mel), frames + len(closing)
        ends.append([steps, frames])
        if frames > seconds * FRAME_RATE:
            break
    series = (torch.cat(x) for x in (mels, mouths, stresses, closures))
    mel, mouth, stress, closing = series
    return Corpus(mel, mouth, stress, closing, torch.tensor(ends))


def espeak_voices(variants: list[str], seed: int, held_out: bool) -> Iterator[Utterance]:
    """Sentences by espeak-ng's voices, one after another."""
    rng = random.Random(repr((seed, "espeak")))
    for text in Sentences(seed, held_out).draw(10**5):
        voice = f"espeak:{rng.choice(ACCENTS)}+{rng.choice(variants)}"
        numbers = [rng.randint(*limits) for limits in (WORDS_A_MINUTE, PITCH, PITCH_RANGE)]
        yield say(text, voice, *numbers)


def flite_voices(voices: list[str], seed: int, held_out: bool) -> Iterator[Utterance]:
    """Sentences by flite's voices, one after another; those of the training with other throats."""
    rng = random.Random(repr((seed, "flite")))
    for text in Sentences(seed, held_out).draw(10**5):
        voice = f"flite:{rng.choice(voices)}"
        if held_out:
            yield say(text, voice)
        else:
            yield say(text, voice, rng.randint(*WORDS_A_MINUTE), throat=rng.uniform(*THROAT))


def mixed(seed: int, held_out: bool) -> Iterator[Utterance]:
    """Sentences by all voices of the training."""
    rng = random.Random(repr((seed, "mixed")))
    espeak = espeak_voices(VARIANTS, seed, held_out)
    flite = flite_voices(FLITE, seed + 1, held_out)
    while True:
        yield next(flite if rng.random() < FLITE_SHARE else espeak)


def with_recordings(seed: int) -> Iterator[Utterance]:
    """The training's sentences, and among them the recorded voice by other throats."""
    rng = random.Random(repr((seed, "with recordings")))
    made_up, recorded = mixed(seed, held_out=False), recorded_voice(seed + 2, THROAT)
    while True:
        yield next(recorded if rng.random() < RECORDED_SHARE else made_up)


def parts(
    seed: int, hours: float, recorded: bool = False
) -> dict[str, tuple[Iterator[Utterance], float]]:
    """Utterances and seconds of each part: the training, and what it never had."""
    test = 60 * TEST_MINUTES
    return {
        "training": (
            with_recordings(seed) if recorded else mixed(seed, held_out=False),
            3600 * hours,
        ),
        "sentences": (mixed(seed + 10, held_out=True), test),
        "voices": (espeak_voices(HELD_OUT_VARIANTS, seed + 20, held_out=True), test),
        "slt": (flite_voices(HELD_OUT_FLITE, seed + 30, held_out=True), test),
    }


def write(corpus: Corpus, file: Path) -> None:
    """A part of the corpus into its file."""
    names = ("mel", "mouth", "stress", "closures", "ends")
    save_tensors(file, {name: getattr(corpus, name) for name in names}, {KIND: 1})


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/voice"))
    parser.add_argument("--hours", type=float, default=4.0, help="of the training part")
    parser.add_argument("--seed", type=int, default=0)
    what = "let a recorded voice teach as well"
    parser.add_argument("--recorded", action="store_true", help=what)
    a = parser.parse_args(arguments)
    a.folder.mkdir(parents=True, exist_ok=True)
    for name, (utterances, seconds) in parts(a.seed, a.hours, a.recorded).items():
        file = a.folder / f"{name}.safetensors"
        if not file.exists():
            write(collect(utterances, seconds, bar), file)
        print(file)


if __name__ == "__main__":
    main()
