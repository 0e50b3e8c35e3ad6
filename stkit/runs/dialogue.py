"""Two or more heads in conversation: each line of a script is spoken by one, and the others listen.

A script has one line for each turn, `HEAD (MOOD): WORDS`. HEAD is what `stkit talk --img_path`
takes; the mood may be left out; WORDS are spoken by an installed synthesiser, or they are the path
of a sound file.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.driving.motion import play
from stkit.errors import RequestError
from stkit.export.marks import mark
from stkit.export.statement import Statement
from stkit.io.label import labelled
from stkit.io.limits import read_text
from stkit.io.untrusted import guard
from stkit.io.video import write_video
from stkit.progress import bar
from stkit.runs.talk import Talk, open_head, speak
from stkit.voice.acting import Direction, Speech
from stkit.voice.mel import FRAME_RATE
from stkit.voice.sound import RATE, is_sound
from stkit.voice.speakers import speakers_for
from stkit.voice.speaking import WEIGHTS, spoken_motion
from stkit.voice.states import state_of
from stkit.voice.visemes import CLOSURE

LINE = re.compile(r"^\s*([^\s(:][^(]*?)\s*(?:\(([^)]*)\))?:\s+(.+?)\s*$")
PAUSE = 0.4  # seconds between two turns
FADE = 6  # frames in which a head goes over from listening to speaking, and back
NODS = (0.9, 2.2)  # seconds between two nods of a listener


@dataclass(frozen=True)
class Turn:
    """Who says what, in which mood."""

    head: str
    mood: str
    words: str


def read_script(path: Path) -> list[Turn]:
    """The turns of a script. Raises RequestError naming the file and the line that is none."""
    turns = []
    for number, line in enumerate(guard(path, lambda: read_text(path)).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.match(line)
        if not found:
            raise RequestError(f"{path}, line {number}: {line!r} is not 'HEAD (MOOD): WORDS'")
        turns.append(Turn(found[1], found[2] or "", found[3]))
    if not turns:
        raise RequestError(f"{path}: holds no line 'HEAD (MOOD): WORDS'")
    return turns


@dataclass(frozen=True)
class Conversation:
    """sound (N,) of 16 kHz; states (F, 71) of each head by name, 25 frames a second."""

    sound: Tensor
    states: dict[str, Tensor]


def converse(turns: list[Turn], seed: int = 0, pipeline: Path = WEIGHTS) -> Conversation:
    """The turns one after another, with a short pause between them."""
    heads = list(dict.fromkeys(turn.head for turn in turns))
    written = [turn.head for turn in turns if not is_sound(turn.words)]
    voices = dict(zip(heads, speakers_for(len(heads)))) if written else {}
    sounds, spoken = [], []
    for number, turn in enumerate(turns):
        by_file = is_sound(turn.words)
        request = Talk(
            turn.head,
            Path(turn.words) if by_file else None,
            "" if by_file else turn.words,
            turn.mood,
            seed=seed + number,
            pipeline=pipeline,
            speaker=voices.get(turn.head, ""),
        )
        said = speak(request)
        frames = len(said.states) + round(PAUSE * FRAME_RATE)
        length = frames * RATE // FRAME_RATE
        sounds.append(torch.nn.functional.pad(said.sound, (0, length - len(said.sound))))
        spoken.append((turn.head, said.states, frames))
    states = {head: _timeline(head, spoken, seed + k) for k, head in enumerate(heads)}
    return Conversation(torch.cat(sounds), states)


def _timeline(head: str, spoken: list[tuple[str, Tensor, int]], seed: int) -> Tensor:
    """What one head does all the time (F, 71): it speaks its turns, and listens to the others'."""
    total = sum(frames for _, _, frames in spoken)
    states = listening(total, seed)
    start = 0
    for who, said, frames in spoken:
        if who == head:
            share = _fade(len(said))[:, None]
            part = slice(start, start + len(said))
            states[part] = share * said + (1 - share) * states[part]
        start += frames
    return states


def _fade(frames: int) -> Tensor:
    """0 to 1 at the start and back at the end (frames,)."""
    times = torch.arange(frames).float()
    return torch.minimum((times + 1) / FADE, (frames - times) / FADE).clamp(0, 1)


def listening(frames: int, seed: int) -> Tensor:
    """A face that listens (frames, 71): lips closed, blinks, sway and nods now and then."""
    draw = torch.Generator().manual_seed(seed)
    stress, at = torch.zeros(frames), 0.0
    while True:
        at += NODS[0] + (NODS[1] - NODS[0]) * float(torch.rand(1, generator=draw))
        if at * FRAME_RATE >= frames:
            break
        stress[int(at * FRAME_RATE)] = 1
    mouth = torch.zeros(frames, CLOSURE + 1)
    return state_of(Speech(mouth, stress), Direction.of("neutral", 1, seed))


def film(conversation: Conversation, save: Path) -> Path:
    """Write the heads side by side as a film with its sound."""
    clips, stated = [], []
    for name, states in conversation.states.items():
        road = open_head(name)
        capture = road.capture()
        motion = spoken_motion(capture, states)
        clips.append(labelled(play(road.gaussian_head(), capture, motion, progress=bar)))
        stated.append(road.statement({}))
    height = min(clip.shape[1] for clip in clips)
    wide = np.concatenate([_of_height(clip, height) for clip in clips], 2)
    save.parent.mkdir(parents=True, exist_ok=True)
    write_video(save, wide, FRAME_RATE, conversation.sound.numpy(), RATE)
    sources = ", ".join(s.source for s in stated)
    consents = "; ".join(s.consent for s in stated)
    mark(save, Statement(source=sources, consent=consents, driver="a conversation of voices"))
    return save


def _of_height(clip: np.ndarray, height: int) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 made smaller to a height."""
    if clip.shape[1] == height:
        return clip
    width = round(clip.shape[2] * height / clip.shape[1])
    pixels = torch.from_numpy(clip).permute(0, 3, 1, 2).float()
    small = torch.nn.functional.interpolate(pixels, (height, width), mode="area")
    return small.round().byte().permute(0, 2, 3, 1).numpy()
