"""A head speaks: a sound, an emotion in words and a run's head become a film with its sound."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from stkit.art.styled_head import Drawing, StylableHead
from stkit.driving.audio2face import write_audio2face
from stkit.driving.live_link import write_live_link_motion
from stkit.driving.motion import play
from stkit.driving.parameters import even_times
from stkit.driving.tracked import read_tracked
from stkit.export.marks import mark
from stkit.io.label import labelled
from stkit.io.video import write_video
from stkit.progress import bar
from stkit.runs.edits import shown_head
from stkit.runs.folders import is_run, slug
from stkit.runs.road import Road
from stkit.runs.shipped import MARA, ShippedRun
from stkit.runs.source import Source
from stkit.viewers.art_packing import ArtLook
from stkit.viewers.page import save_avatar
from stkit.voice.mel import FRAME_RATE
from stkit.voice.pipeline import TEXT_GUIDANCE, StyleEPipeline
from stkit.voice.sound import RATE, read_sound, sound_url
from stkit.voice.speakers import say, speakers_for
from stkit.voice.speaking import WEIGHTS, load_style_e, spoken_motion, with_blinks
from stkit.voice.states import BETAS, motion_of


@dataclass(frozen=True)
class Talk:
    """What is asked for.

    head: a run's name, 'mara', a video, or 'synthetic:SEED'; sound: a file, or `text` is spoken by
    an installed synthesiser, as `speaker` (see `speakers.say`; "": one that is there); emotion: in
    words, and strength: how hard they push; pose: tracked parameters whose head turns are taken, or
    None: they are made; rest: tracked parameters whose first frame is the face at rest, on which
    speech is added; edited: show the run's last edit; pipeline: another Style-E; art: the art style
    in which the head is drawn; size: pixels of the film, 0: as many as the head was tracked at;
    labels: whether the film carries the word 'synthetic'.
    """

    head: str
    sound: Path | None = None
    text: str = ""
    emotion: str = ""
    pose: Path | None = None
    strength: float = TEXT_GUIDANCE
    edited: bool = False
    seed: int = 0
    pipeline: Path = WEIGHTS
    speaker: str = ""
    rest: Path | None = None
    art: Drawing | None = None
    size: int = 0
    labels: bool = True


@dataclass(frozen=True)
class Spoken:
    """sound (N,) of 16 kHz; states (F, 71) of the model, 25 frames a second."""

    sound: Tensor
    states: Tensor


def speak(request: Talk) -> Spoken:
    """The sound, and what the model makes of it."""
    sound = read_sound(request.sound) if request.sound else _synthesised(request)
    pipe: StyleEPipeline = load_style_e(request.pipeline)
    pose = None if request.pose is None else _pose_of(request.pose)
    states = pipe(sound, request.emotion, request.seed, text_guidance=request.strength, pose=pose)
    if request.rest:
        states[:, :BETAS] += read_tracked(request.rest).beta[0]
    return Spoken(sound, with_blinks(states, request.seed))


def talk(request: Talk, save: Path) -> list[Path]:
    """Write the film `save` (.mp4), and beside it an avatar that speaks (.html) and the motion for
    other tools: Live Link's .csv and Audio2Face's .json. Returns what was written.
    """
    spoken = speak(request)
    road = open_head(request.head)
    head = shown_head(road, request.edited)
    capture = road.capture()
    motion = spoken_motion(capture, spoken.states)
    camera = capture.camera.resized(request.size) if request.size else capture.camera
    look = None
    if request.art:
        stylable = StylableHead(head, capture)
        look = ArtLook(stylable, (request.art.style,), request.art)
        frames = stylable.play(motion, request.art, camera, bar)
    else:
        frames = play(head, capture, motion, camera, bar)
    save.parent.mkdir(parents=True, exist_ok=True)
    shown = labelled(frames) if request.labels else frames
    write_video(save, shown, FRAME_RATE, spoken.sound.numpy(), RATE)
    beta, pose = motion_of(spoken.states)
    avatar, live_link, audio2face = (save.with_suffix(end) for end in (".html", ".csv", ".json"))
    save_avatar(
        head,
        capture,
        avatar,
        motion=motion,
        title=f"{road.run} speaks",
        provenance="Synthetic: made by stkit; nobody said this in front of a camera.",
        frames=len(motion),
        fps=FRAME_RATE,
        sound=sound_url(spoken.sound),
        art=look,
    )
    write_live_link_motion(beta, pose[:, :3], even_times(len(beta), FRAME_RATE), live_link)
    write_audio2face(beta, FRAME_RATE, audio2face)
    spoke = f"a voice: {request.sound.name if request.sound else repr(request.text)}"
    stated = replace(road.statement({}, request.edited), driver=spoke, labelled=request.labels)
    for path in (save, avatar):
        mark(path, stated)
    return [save, avatar, live_link, audio2face]


def open_head(text: str) -> Road | ShippedRun:
    """The run whose head speaks; of a video or a made-up person a run is made, or found."""
    if text == MARA:
        return ShippedRun(MARA)
    if is_run(text):
        return Road(text, quiet=True)
    source = Source.parse(text)
    return Road(slug(source.name), source.text)


def _synthesised(request: Talk) -> Tensor:
    return say(request.text, request.speaker or speakers_for(1)[0]).sound


def _pose_of(path: Path) -> Tensor:
    """Head turns (F, 6) of tracked parameters, at 25 frames a second; nothing moves along."""
    tracked = read_tracked(path)
    count = max(1, round(float(tracked.times[-1]) * FRAME_RATE) + 1)
    wanted = torch.arange(count) / FRAME_RATE
    nearest = torch.searchsorted(tracked.times, wanted).clamp_max(len(tracked.times) - 1)
    rotation = tracked.rotation[nearest]
    return torch.cat([rotation, torch.zeros(count, 3)], 1)
