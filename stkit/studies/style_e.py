"""How well Style-E does: `python -m stkit.studies.style_e --corpus runs/voice --pipelines A B C`.

Asked with parts of the corpus that no training had: sentences of other templates, other voices of
espeak-ng, flite's slt, and a recording with its text. The truth is what the rule-based teacher does
for the phones, so a score says how like the teacher's a mouth moves, not how like a person's.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stkit.capture.detect import seen_openings
from stkit.io.tensors import read_json, write_json
from stkit.io.video import read_video
from stkit.progress import bar
from stkit.runs.machine import circumstances, machine
from stkit.voice import baselines, lip_scores
from stkit.voice.acting import Direction, Speech
from stkit.voice.alignment import aligned
from stkit.voice.corpus import Corpus, speech_of
from stkit.voice.emotion_judge import EmotionJudge
from stkit.voice.emotions import NAMES
from stkit.voice.mel import frame_count, mel_spectrogram
from stkit.voice.phrasing import Feeling, sentence
from stkit.voice.pipeline import StyleEPipeline
from stkit.voice.sound import RATE, read_sound
from stkit.voice.speaking import load_style_e
from stkit.voice.states import motion_of, mouth_channels, state_of

HELD_OUT_PARTS = ("sentences", "voices", "slt")
RECORDING = "recording"
KINDS = ("style-e", "without diffusion")
NUMBERS = {  # rows of the table that are about the model alone
    "style-e: closures found": "closures_found",
    "style-e: closures that are false": "closures_false",
    "style-e: lag in frames": "lag",
    "style-e: blinks, beside one of the teacher's": "blinks",
}
MOST_FRAMES = 2000  # of a film
FILM_LAGS = 10
RIDGE_FRAMES, RIDGE_COPIES = 34_500, 2  # 23 minutes, each three times, as first measured
EMOTION_CLIPS = 6  # sentences that are spoken with every emotion
JUDGED_BY = 30  # speeches that the judge of emotions learns from


@dataclass(frozen=True)
class Spoken:
    """mel (T, 80) of an utterance; the teacher's beta (F, 64) without emotion; closures (F,)."""

    mel: Tensor
    beta: Tensor
    closures: Tensor


def spoken(mel: Tensor, speech: Speech, closures: Tensor, seed: int) -> Spoken:
    """An utterance with its truth."""
    state = state_of(speech, Direction.of("neutral", 1, seed))
    return Spoken(mel, motion_of(state)[0], closures)


def of_corpus(corpus: Corpus) -> list[Spoken]:
    """All utterances of a part."""
    return [spoken(*corpus.utterance(k), seed=k) for k in range(len(corpus))]


def of_recording(path: Path, text: str) -> list[Spoken]:
    """A recording whose phones are aligned."""
    sound = read_sound(path)
    mel = mel_spectrogram(sound)
    speech, closures = speech_of(aligned(sound, text), frame_count(mel))
    return [spoken(mel, speech, closures, seed=0)]


def mouth_score(way: Callable[[Tensor], Tensor], part: list[Spoken]) -> float:
    """Mean correlation of the eight mouth channels over all frames of a part."""
    found = torch.cat([way(s.mel) for s in part])
    truth = torch.cat([mouth_channels(s.beta) for s in part])
    return float(lip_scores.correlation(found, truth).mean())


def lip_numbers(speak: Callable[[Tensor], Tensor], part: list[Spoken]) -> dict[str, float]:
    """Correlation of the eight channels and of the opening, closures found and false (shares), the
    lag in frames, the error of lip points (square millimetres), blinks beside one of the teacher's,
    and how much less than the teacher's the upper face moves: of motions speak(mel) (F, 64).
    """
    betas = [speak(s.mel) for s in part]
    channels = lip_scores.correlation(
        torch.cat([mouth_channels(b) for b in betas]),
        torch.cat([mouth_channels(s.beta) for s in part]),
    )
    found = [lip_scores.opening(b) for b in betas]
    truth = [lip_scores.opening(s.beta) for s in part]
    met = [lip_scores.closures_found(g, s.closures) for g, s in zip(found, part)]
    false = [lip_scores.closures_false(g, t) for g, t in zip(found, truth)]
    both = torch.cat(found)[:, None], torch.cat(truth)[:, None]
    pairs = list(zip(betas, part))
    return {
        "mouth": float(channels.mean()),
        "opening": float(lip_scores.correlation(*both)),
        "closures_found": sum(a for a, _ in met) / max(sum(n for _, n in met), 1),
        "closures_false": sum(a for a, _ in false) / max(sum(n for _, n in false), 1),
        "lag": lip_scores.lag(both[0][:, 0], both[1][:, 0]),
        "lip_vertex_error": _mean([lip_scores.lip_vertex_error(b, s.beta) for b, s in pairs]),
        "blinks": sum(map(lip_scores.blinks, betas)) / _teacher_blinks(part),
        "upper_face": _mean([lip_scores.upper_face_deviation(b, s.beta) for b, s in pairs]),
    }


def _teacher_blinks(part: list[Spoken]) -> int:
    return max(1, sum(lip_scores.blinks(s.beta) for s in part))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def speaker(pipe: StyleEPipeline, text: str = "", seed: int = 0) -> Callable[[Tensor], Tensor]:
    """A pipeline as speak(mel): beta (F, 64)."""
    return lambda mel: motion_of(pipe.states(mel, text, seed))[0]


def emotion_numbers(pipe: StyleEPipeline, part: list[Spoken], judge: EmotionJudge) -> dict:
    """Share of emotions that the judge sees in the motion, by emotion; sentences and synonyms are
    those held out. And how much the lips lose under each: opening's correlation beside neutral.
    """
    rng = random.Random(0)
    hits: dict[str, list[bool]] = {name: [] for name in NAMES}
    openings: dict[str, list[Tensor]] = {name: [] for name in NAMES}
    for s in part:
        for name in NAMES:
            for level in (1, 2, 3):
                text = sentence(Feeling(name, level), rng, held_out=True)
                beta = motion_of(pipe.states(s.mel, text))[0]
                hits[name].append(judge(beta) == name)
                if level == 3:
                    openings[name].append(lip_scores.opening(beta))
    truth = torch.cat([lip_scores.opening(s.beta) for s in part])[:, None]
    lips = {
        name: float(lip_scores.correlation(torch.cat(x)[:, None], truth))
        for name, x in openings.items()
    }
    recovered = {name: sum(x) / len(x) for name, x in hits.items()}
    return {
        "recovered": sum(recovered.values()) / len(recovered),
        "recovered_by_emotion": recovered,
        "opening_by_emotion": lips,
        "most_lost": lips["neutral"] - min(lips.values()),
    }


def film_numbers(pipe: StyleEPipeline, film: Path, text: str) -> dict:
    """Lips of a film against its own sound, by the frames that its picture is later than its sound.

    opening: correlation of the filmed opening with the model's. closed: the filmed opening at the
    middles of p, b and m, beside its mean; where `text` is aligned, this says whether picture and
    sound of the film keep step at all.
    """
    sound = read_sound(film)
    filmed = seen_openings(read_video(film, MOST_FRAMES)[0])[:, 0]
    made = lip_scores.opening(motion_of(pipe(sound))[0])
    _, closures = speech_of(aligned(sound, text), len(filmed))
    wanted = torch.nonzero(closures)[:, 0]
    lags = range(-FILM_LAGS, FILM_LAGS + 1)
    count = min(len(filmed), len(made))
    at = {k: (wanted + k).clamp(0, len(filmed) - 1) for k in lags}
    rows = {k: torch.stack([made[:count].roll(k), filmed[:count]], 1) for k in lags}
    return {
        "lags": list(lags),
        "opening": [float(lip_scores.correlation(r[:, :1], r[:, 1:])) for r in rows.values()],
        "closed": [float(filmed[frames].mean() / filmed.mean()) for frames in at.values()],
    }


def seconds_for_ten(pipe: StyleEPipeline) -> float:
    """Seconds from ten seconds of sound to coefficients."""
    sound = torch.randn(10 * RATE, generator=torch.Generator().manual_seed(0)) / 10
    pipe(sound)
    start = time.monotonic()
    pipe(sound)
    return time.monotonic() - start


def simple_ways(corpus: Corpus) -> dict[str, Callable[[Tensor], Tensor]]:
    """The baselines by name."""
    heard, channels = baselines.examples(corpus, RIDGE_FRAMES, RIDGE_COPIES)
    return {
        "ridge": baselines.Ridge(heard, channels),
        "nearest window": baselines.Nearest(heard, channels),
        "loud jaw": baselines.loud_jaw,
        "mean": baselines.mean_mouth(channels),
    }


def table(file: Path) -> str:
    """A record as a Markdown table: the mean over seeds, and the range."""
    record = read_json(file)
    parts = [p for p in (*HELD_OUT_PARTS, RECORDING) if p in record["baselines"]["ridge"]]
    lines = ["| correlation of eight mouth channels | " + " | ".join(parts) + " |"]
    lines.append("|---" * (len(parts) + 1) + "|")
    for name, scores in record["baselines"].items():
        lines.append(_row(name, [f"{scores[p]:.2f}" for p in parts]))
    for kind in KINDS:
        if seeds := record[kind]:
            lines.append(_row(kind, [spread_of([s[p]["mouth"] for s in seeds]) for p in parts]))
    seeds = record["style-e"]
    for title, name in NUMBERS.items():
        lines.append(_row(title, [spread_of([s[p][name] for s in seeds]) for p in parts]))
    return "\n".join(lines)


def _row(title: str, cells: list[str]) -> str:
    return f"| {title} | " + " | ".join(cells) + " |"


def spread_of(values: list[float]) -> str:
    """The mean over seeds, and from where to where they go."""
    middle = sum(values) / len(values)
    if len(values) == 1:
        return f"{middle:.2f}"
    return f"{middle:.2f} ({min(values):.2f} to {max(values):.2f})"


def measure(
    corpus: Path,
    folders: dict[str, list[Path]],
    recording: list[str] | None,
    film: list[str] | None,
) -> dict:
    """All numbers of baselines, and of pipelines by kind. recording, film: a file and what is said
    in it.
    """
    parts = {
        name: of_corpus(Corpus.load(corpus / f"{name}.safetensors")) for name in HELD_OUT_PARTS
    }
    if recording:
        parts[RECORDING] = of_recording(Path(recording[0]), recording[1])
    training = Corpus.load(corpus / "training.safetensors")
    judge = EmotionJudge([training.utterance(k)[1] for k in range(JUDGED_BY)])
    found: dict = {"baselines": {}}
    for name, way in simple_ways(training).items():
        found["baselines"][name] = {part: mouth_score(way, s) for part, s in parts.items()}
    for kind in KINDS:
        found[kind] = []
        for folder in bar(folders[kind], desc=kind):
            pipe = load_style_e(folder)
            numbers: dict = {p: lip_numbers(speaker(pipe), s) for p, s in parts.items()}
            numbers["seconds_for_10"] = seconds_for_ten(pipe)
            numbers["emotions"] = emotion_numbers(pipe, parts["sentences"][:EMOTION_CLIPS], judge)
            if film:
                numbers["film"] = film_numbers(pipe, Path(film[0]), film[1])
            numbers["training"] = json.loads((folder / "training.json").read_text())
            found[kind].append(numbers)
    return found


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("runs/voice"))
    parser.add_argument("--pipelines", type=Path, nargs="*", default=[], help="one for each seed")
    parser.add_argument("--plain", type=Path, nargs="*", default=[], help="without diffusion")
    parser.add_argument("--recording", nargs=2, metavar=("SOUND", "TEXT"))
    parser.add_argument("--film", nargs=2, metavar=("FILM", "TEXT"))
    parser.add_argument("--write", type=Path, help="the record")
    a = parser.parse_args(arguments)
    folders = {"style-e": a.pipelines, "without diffusion": a.plain}
    found = measure(a.corpus, folders, a.recording, a.film)
    print(json.dumps(found, indent=1))
    if a.write:
        write_json(a.write, found | {"machine": machine(), **circumstances()})


if __name__ == "__main__":
    main()
